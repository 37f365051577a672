//! Checkpoints: a new one is signed only if it continues the newest one.

use super::chain::read_bundle;
use super::{Chain, Log, SealError, Storage};
use crate::tree::table::Published;
use crate::tree::tile::{TilePlace, Tiles, needed};
use crate::tree::{Checkpoint, Entry, Hash, Note};

/// Why the log signs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The newest checkpoint is not a note of this log, signed by its key.
    #[error("the newest checkpoint is not one that the key of this log has signed")]
    Forged,
    /// The entries do not have the root of the newest checkpoint.
    #[error("the entries of the log do not have the root of the newest checkpoint")]
    Root,
}

/// The state of the newest checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was signed now.
    Signed(Checkpoint),
    /// A checkpoint that another sealer signed has all entries.
    Covered,
    /// Nothing was signed.
    Contradicted(Contradiction),
}

impl Log {
    /// The newest checkpoint, if there is one and this log signed it.
    pub(super) fn verify(
        &self,
        newest: Option<&Published>,
    ) -> Result<Option<Checkpoint>, Contradiction> {
        let Some(newest) = newest else {
            return Ok(None);
        };
        let note: Note = newest.note.parse().map_err(|_| Contradiction::Forged)?;
        let checkpoint: Checkpoint = note.text().parse().map_err(|_| Contradiction::Forged)?;
        let is_ours = note.is_signed_by(&self.key())
            && checkpoint.origin == self.origin
            && checkpoint.size == newest.size;
        is_ours
            .then_some(Some(checkpoint))
            .ok_or(Contradiction::Forged)
    }

    /// Signs and publishes a checkpoint of all entries up to the end of `chain`. Their items must
    /// be there.
    ///
    /// # Errors
    ///
    /// [`SealError::Sign`] if the key does not sign, or a failure of the storage.
    pub async fn publish<S: Storage>(
        &self,
        storage: &S,
        chain: &Chain,
    ) -> Result<Outcome, SealError<S::Error>> {
        let size = chain.end();
        let newest = storage.checkpoint().await.map_err(SealError::Storage)?;
        let old = match self.verify(newest.as_ref()) {
            Ok(old) => old,
            Err(contradiction) => return Ok(Outcome::Contradicted(contradiction)),
        };
        let old_size = old.as_ref().map_or(0, |old| old.size);
        if old_size >= size {
            return Ok(Outcome::Covered);
        }
        let roots = roots(storage, chain, old_size, size).await?;
        let Some((old_root, root)) = roots else {
            return Ok(Outcome::Contradicted(Contradiction::Root));
        };
        if old.is_some_and(|old| old.root != old_root) {
            return Ok(Outcome::Contradicted(Contradiction::Root));
        }

        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root,
        };
        let note = Note::sign(checkpoint.to_string(), &self.origin, &*self.signer).await?;
        let published = Published {
            size,
            note: note.to_string(),
        };
        let is_newest = storage
            .publish(&published)
            .await
            .map_err(SealError::Storage)?;
        // A copy of this line proves later that the log was rewritten.
        tracing::info!(size, note = published.note, is_newest, "checkpoint");
        if !is_newest {
            return Ok(Outcome::Covered);
        }
        Ok(Outcome::Signed(checkpoint))
    }
}

/// The roots of the trees of both sizes, or `None` if an item that they need is not there.
async fn roots<S: Storage>(
    storage: &S,
    chain: &Chain,
    old_size: u64,
    size: u64,
) -> Result<Option<(Hash, Hash)>, SealError<S::Error>> {
    let (old, new) = (0..old_size, 0..size);
    let mut tiles = Tiles::default();
    for place in needed([&old, &new]) {
        let hashes = read_tile(storage, chain, place).await?;
        tiles.insert(place, hashes);
    }
    Ok(tiles.hash(&old).zip(tiles.hash(&new)))
}

async fn read_tile<S: Storage>(
    storage: &S,
    chain: &Chain,
    place: TilePlace,
) -> Result<Vec<Hash>, SealError<S::Error>> {
    if place.level > 0 {
        return storage.nodes(place).await.map_err(SealError::Storage);
    }
    let leaves = |entries: &[Entry]| entries.iter().map(Entry::leaf).collect();
    if let Some(entries) = chain.bundle(place.index) {
        return Ok(leaves(entries));
    }
    let entries = read_bundle(storage, place.index, 0).await?;
    Ok(leaves(&entries))
}
