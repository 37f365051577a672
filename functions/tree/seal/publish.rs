//! Checkpoints: a new one is signed only if it continues the newest one.

use std::borrow::Cow;
use std::ops::Range;

use super::chain::read_bundle;
use super::{Chain, Log, MAX_WINDOW, SealError, Storage};
use crate::tree::merkle::Frontier;
use crate::tree::table::Published;
use crate::tree::tile::{Tiles, needed};
use crate::tree::{Checkpoint, Entry, Hash, Note, TILE_WIDTH};

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
    /// The new root follows from the tree that was signed before, and from the entries behind it.
    /// Hashes that somebody altered in the storage are compared with that signature, and never
    /// signed.
    ///
    /// # Errors
    ///
    /// [`SealError::Sign`] if the key does not sign, [`SealError::Broken`] if an entry is missing, or
    /// a failure of the storage.
    pub async fn publish<S: Storage>(
        &self,
        storage: &S,
        chain: &Chain,
    ) -> Result<Outcome, SealError<S::Error>> {
        loop {
            // 1. The tree of the newest checkpoint.
            let newest = storage.checkpoint().await.map_err(SealError::Storage)?;
            let old = match self.verify(newest.as_ref()) {
                Ok(old) => old,
                Err(contradiction) => return Ok(Outcome::Contradicted(contradiction)),
            };
            // Without a checkpoint, there is no signature to compare with.
            let old_size = old.as_ref().map_or(chain.begin(), |old| old.size);
            if old_size >= chain.end() {
                return Ok(Outcome::Covered);
            }
            let Some(mut tree) = stored_tree(storage, chain, old_size).await? else {
                return Ok(Outcome::Contradicted(Contradiction::Root));
            };
            if old.is_some_and(|old| old.root != tree.root()) {
                return Ok(Outcome::Contradicted(Contradiction::Root));
            }

            // 2. The entries behind it. After a long time without a signature, some at a time.
            let size = chain.end().min(old_size.saturating_add(MAX_WINDOW));
            add(storage, chain, &mut tree, old_size..size).await?;

            // 3. The signature.
            let checkpoint = Checkpoint {
                origin: self.origin.clone(),
                size,
                root: tree.root(),
            };
            let is_newest = self.sign(storage, &checkpoint).await?;
            if size < chain.end() {
                continue;
            }
            if !is_newest {
                return Ok(Outcome::Covered);
            }
            return Ok(Outcome::Signed(checkpoint));
        }
    }

    /// Signs and publishes a checkpoint. Returns whether it is the newest.
    async fn sign<S: Storage>(
        &self,
        storage: &S,
        checkpoint: &Checkpoint,
    ) -> Result<bool, SealError<S::Error>> {
        let size = checkpoint.size;
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
        Ok(is_newest)
    }
}

/// The tree of this size, from the items of the storage. `None` if one of them is not there.
async fn stored_tree<S: Storage>(
    storage: &S,
    chain: &Chain,
    size: u64,
) -> Result<Option<Frontier>, SealError<S::Error>> {
    let all = 0..size;
    let mut tiles = Tiles::default();
    for place in needed([&all]) {
        let hashes = match place.level {
            0 => leaves(&bundle(storage, chain, place.index).await?),
            _ => storage.nodes(place).await.map_err(SealError::Storage)?,
        };
        tiles.insert(place, hashes);
    }
    let row = tiles.row(&all);
    Ok(row.map(|row| Frontier::new(size, row)))
}

/// Adds the entries of this range to a tree.
async fn add<S: Storage>(
    storage: &S,
    chain: &Chain,
    tree: &mut Frontier,
    range: Range<u64>,
) -> Result<(), SealError<S::Error>> {
    let mut next = range.start;
    while next < range.end {
        let entries = bundle(storage, chain, next / TILE_WIDTH).await?;
        let some = entries.iter().skip((next % TILE_WIDTH) as usize);
        let before = next;
        for entry in some.take((range.end - next) as usize) {
            tree.push(entry.leaf());
            next += 1;
        }
        if next == before {
            return Err(SealError::Broken { index: next });
        }
    }
    Ok(())
}

/// The entries of a bundle, as far as they are there.
async fn bundle<'a, S: Storage>(
    storage: &S,
    chain: &'a Chain,
    bundle: u64,
) -> Result<Cow<'a, [Entry]>, SealError<S::Error>> {
    if let Some(entries) = chain.bundle(bundle) {
        return Ok(Cow::Borrowed(entries));
    }
    let entries = read_bundle(storage, bundle, 0).await?;
    Ok(Cow::Owned(entries))
}

fn leaves(entries: &[Entry]) -> Vec<Hash> {
    entries.iter().map(Entry::leaf).collect()
}
