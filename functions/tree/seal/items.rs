//! The items that follow from the runs: where each leaf is, and the hashes of full tiles.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{Chain, SealError, Storage};
use crate::tree::merkle::complete;
use crate::tree::tile::{TILE_HEIGHT, TilePlace};
use crate::tree::{Entry, Hash, TILE_WIDTH};

/// How many items are put at the same time.
const PUTS_AT_ONCE: usize = 32;

/// Puts the items of the entries from `begin` to the end of the chain, lower levels first. Those of
/// the entries before are there.
///
/// # Errors
///
/// [`SealError::Storage`], or [`SealError::Incomplete`] if an item before is not there.
pub async fn put_items<S: Storage>(
    storage: &S,
    chain: &Chain,
    begin: u64,
) -> Result<(), SealError<S::Error>> {
    let leaves: Vec<(u64, Hash)> = (begin..)
        .zip(chain.since(begin).iter().map(Entry::leaf))
        .collect();
    for some in leaves.chunks(PUTS_AT_ONCE) {
        let puts = some
            .iter()
            .map(|(index, leaf)| storage.put_leaf(leaf, *index));
        try_join_all(puts).await.map_err(SealError::Storage)?;
    }

    let mut below = BTreeMap::new();
    for level in 1.. {
        let filled = filled(level, begin, chain.end());
        if filled.is_empty() {
            return Ok(());
        }
        let mut nodes: BTreeMap<u64, Hash> = BTreeMap::new();
        for index in filled {
            let tile = match level {
                1 => leaves_of(chain, index),
                _ => tile(storage, level - 1, index, &below).await?,
            };
            let full = Some(&tile).filter(|tile| tile.len() as u64 == TILE_WIDTH);
            let hash = full.and_then(|tile| complete(tile));
            let hash = hash.ok_or(SealError::Incomplete { level, index })?;
            nodes.insert(index, hash);
        }
        let nodes_in_order: Vec<(&u64, &Hash)> = nodes.iter().collect();
        for some in nodes_in_order.chunks(PUTS_AT_ONCE) {
            let puts = some
                .iter()
                .map(|(index, hash)| storage.put_node(level, **index, hash));
            try_join_all(puts).await.map_err(SealError::Storage)?;
        }
        below = nodes;
    }
    Ok(())
}

/// The nodes of this level whose tiles fill while the log grows from `begin` to `end`.
fn filled(level: u8, begin: u64, end: u64) -> std::ops::Range<u64> {
    let bits = u32::from(level) * u32::from(TILE_HEIGHT);
    let nodes = |size: u64| size.checked_shr(bits).unwrap_or_default();
    nodes(begin)..nodes(end)
}

fn leaves_of(chain: &Chain, bundle: u64) -> Vec<Hash> {
    let entries = chain.bundle(bundle).unwrap_or_default();
    entries.iter().map(Entry::leaf).collect()
}

/// The hashes of a full tile of level 1 or more, of which the last ones are `new`.
async fn tile<S: Storage>(
    storage: &S,
    level: u8,
    index: u64,
    new: &BTreeMap<u64, Hash>,
) -> Result<Vec<Hash>, SealError<S::Error>> {
    let all = index * TILE_WIDTH..(index + 1) * TILE_WIDTH;
    let new: Vec<Hash> = new.range(all).map(|(_, hash)| *hash).collect();
    let old = (TILE_WIDTH as usize).saturating_sub(new.len());
    if old == 0 {
        return Ok(new);
    }
    let place = TilePlace { level, index };
    let mut hashes = storage.nodes(place).await.map_err(SealError::Storage)?;
    hashes.truncate(old);
    hashes.extend(new);
    Ok(hashes)
}
