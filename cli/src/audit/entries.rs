//! Reads the entries of a log, and whether they are those that a checkpoint signs.

use std::ops::Range;

use audit_log::tree::entry::ENTRY_BYTES;
use audit_log::tree::tile::decode_hashes;
use audit_log::tree::{Hash, TILE_WIDTH, Tile, TileKind};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::Failure;
use super::finding::{Finding, Part};
use super::tree::GrowingTree;
use crate::log::{Log, LogError};

/// How many tiles are read at a time.
const TILES_AT_ONCE: usize = 8;
/// The bytes in front of each entry of a bundle: its length.
const LENGTH_BYTES: usize = 2;
/// The version of an entry that this program can read.
const VERSION: u8 = 1;

/// An entry that was read: its index, its bytes, and the hash of its leaf.
pub type Read<'a> = (u64, &'a [u8], Hash);

/// Reads the entries from the size of `tree` up to `size`, adds them to it, and passes each to
/// `each`. Returns the number of a bundle that the log does not have as it must.
///
/// # Errors
///
/// [`Failure`]: the log cannot be read, or `each` fails.
pub async fn read_entries(
    log: &Log,
    tree: &mut GrowingTree,
    size: u64,
    mut each: impl FnMut(Read<'_>) -> Result<(), Failure>,
) -> Result<Option<u64>, Failure> {
    let first = tree.size() / TILE_WIDTH;
    let bundles = first..size.div_ceil(TILE_WIDTH);
    let mut read = iter(bundles)
        .map(|bundle| async move {
            let kind = TileKind::Entries;
            let width = Tile::width_at(kind, bundle, size);
            let tile = Tile {
                kind,
                index: bundle,
                width,
            };
            Ok::<_, LogError>((bundle, width, log.tile(tile).await?))
        })
        .buffered(TILES_AT_ONCE);
    while let Some((bundle, width, bytes)) = read.try_next().await? {
        let entries = bytes.as_deref().and_then(split);
        let Some(entries) = entries.filter(|entries| entries.len() as u64 == width) else {
            return Ok(Some(bundle));
        };
        let known = (tree.size() - bundle * TILE_WIDTH) as usize;
        for entry in entries.into_iter().skip(known) {
            let index = tree.size();
            let leaf = tree.push(entry);
            each((index, entry, leaf))?;
        }
    }
    Ok(None)
}

/// The entries of a bundle, each behind its length.
pub fn split(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// Whether this program can read an entry. The entries of a later version are no fault of the log.
pub fn is_readable(entry: &[u8]) -> bool {
    entry.len() == ENTRY_BYTES && entry.first() == Some(&VERSION)
}

/// Compares the tiles of hashes with the entries. A tile that differs tells which bundle is not the
/// one that was signed, if the root of the entries is not that of the checkpoint.
///
/// # Errors
///
/// [`LogError`].
pub async fn wrong_tile(
    log: &Log,
    tree: &GrowingTree,
    size: u64,
) -> Result<Option<(Tile, Range<u64>)>, LogError> {
    let mut tiles = Vec::new();
    for (level, hashes) in (1..).zip(tree.tiles()) {
        for (index, hashes) in (0..).zip(hashes.chunks(TILE_WIDTH as usize)) {
            let kind = TileKind::Hashes(level);
            let width = Tile::width_at(kind, index, size);
            tiles.push((Tile { kind, index, width }, hashes));
        }
    }
    let mut read = iter(tiles)
        .map(|(tile, expected)| async move {
            let bytes = log.tile(tile).await?;
            Ok::<_, LogError>((tile, expected, bytes))
        })
        .buffered(TILES_AT_ONCE);
    while let Some((tile, expected, bytes)) = read.try_next().await? {
        let found = bytes.as_deref().and_then(decode_hashes).unwrap_or_default();
        if found == expected {
            continue;
        }
        let same = expected
            .iter()
            .zip(&found)
            .take_while(|(a, b)| a == b)
            .count() as u64;
        let first = tile.index * TILE_WIDTH + same;
        return Ok(Some((tile, first..first + 1)));
    }
    Ok(None)
}

/// What is damaged, if the root of the entries is not that of the checkpoint.
///
/// # Errors
///
/// [`LogError`].
pub async fn damage(log: &Log, tree: &GrowingTree) -> Result<Finding, LogError> {
    let size = tree.size();
    let level_1 = TileKind::Hashes(1);
    let bundle = match wrong_tile(log, tree, size).await? {
        Some((tile, bundles)) if tile.kind == level_1 => bundles.start,
        // No hash is over a bundle that is not full, and so nothing else tells about the last one.
        _ => size.saturating_sub(1) / TILE_WIDTH,
    };
    Ok(Finding::Damaged {
        part: Part::Bundle(bundle),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_was_cut_is_refused() {
        assert_eq!(split(&[]), Some(Vec::new()));
        let entries: [&[u8]; 2] = [b"a", b""];
        assert_eq!(
            split(&[0, 1, b'a', 0, 0]).as_deref(),
            Some(entries.as_slice())
        );
        assert_eq!(split(&[0]), None);
        assert_eq!(split(&[0, 2, b'a']), None);
    }
}
