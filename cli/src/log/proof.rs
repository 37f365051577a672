//! Consistency proofs from the tiles of a log. Another library than the log's own verifies them.

use audit_log::tree::merkle::consistency_proof;
use audit_log::tree::tile::{Tiles, decode_hashes, needed};
use audit_log::tree::{Checkpoint, Hash};
use ct_merkle::{ConsistencyProof, RootHash};
use sha2::Sha256;

use super::{Log, LogError};

/// The hashes that prove that the tree of `size` begins with the tree of `old`. `None` if the log
/// lacks a tile that they need.
///
/// # Errors
///
/// [`LogError`].
pub async fn consistency(log: &Log, old: u64, size: u64) -> Result<Option<Vec<Hash>>, LogError> {
    let ranges = consistency_proof(old, size);
    let mut tiles = Tiles::default();
    for place in needed(&ranges) {
        let tile = place.at(size);
        let bytes = log.tile(tile).await?;
        let hashes = bytes.as_deref().and_then(decode_hashes);
        let Some(hashes) = hashes.filter(|hashes| hashes.len() as u64 == tile.width) else {
            return Ok(None);
        };
        tiles.insert(place, hashes);
    }
    Ok(tiles.hashes(&ranges))
}

/// Whether a proof shows that the tree of `new` begins with the tree of `old`.
pub fn proves(proof: &[Hash], old: &Checkpoint, new: &Checkpoint) -> bool {
    if old.size == 0 {
        return true;
    }
    if old.size == new.size {
        return old.root == new.root;
    }
    let bytes = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
    let Ok(proof) = ConsistencyProof::<Sha256>::try_from_bytes(bytes) else {
        return false;
    };
    let root = |checkpoint: &Checkpoint| {
        RootHash::<Sha256>::new((*checkpoint.root.as_bytes()).into(), checkpoint.size)
    };
    root(new).verify_consistency(&root(old), &proof).is_ok()
}

/// Whether the tiles of a log prove that `new` continues `old`.
///
/// # Errors
///
/// [`LogError`].
pub async fn continues(log: &Log, old: &Checkpoint, new: &Checkpoint) -> Result<bool, LogError> {
    let proof = consistency(log, old.size, new.size).await?;
    Ok(proof.is_some_and(|proof| proves(&proof, old, new)))
}
