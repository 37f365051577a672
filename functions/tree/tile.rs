//! The files by which a log is read, as <https://c2sp.org/tlog-tiles> defines them: 256 hashes of
//! one level, or 256 entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::entry::{ENTRY_BYTES, Entry};
use super::hash::{HASH_BYTES, Hash};
use super::merkle::{Subtree, complete, join, subtrees};

/// The hashes of a full tile, and the entries of a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// The levels of the tree from one level of tiles to the next.
pub const TILE_HEIGHT: u8 = 8;
/// More levels than a tree of 2⁶⁴ leaves has.
const MAX_LEVEL: u8 = 63;
/// The first part of a path.
const TILE: &str = "tile";
/// The level of a bundle in a path.
const ENTRIES: &str = "entries";
/// What separates the number of a partial tile from its width.
const PARTIAL: &str = ".p";

/// What a tile consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// The hashes of this level of tiles. Level 0 is the leaves, and level *L* the subtrees of
    /// 256^*L* leaves.
    Hashes(u8),
    /// The entries.
    Entries,
}

impl TileKind {
    /// The level of tiles. A bundle has the level of its leaves.
    fn level(self) -> u8 {
        match self {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }
}

/// A tile, or the beginning of one. Its text is the path below the log's URL.
///
/// ```
/// use audit_log::tree::{Tile, TileKind};
///
/// let tile = Tile::parse("tile/0/x001/234.p/5").unwrap();
/// assert_eq!(tile, Tile { kind: TileKind::Hashes(0), index: 1234, width: 5 });
/// assert_eq!(tile.to_string(), "tile/0/x001/234.p/5");
/// assert_eq!(Tile::parse("tile/0/1234"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it consists of.
    pub kind: TileKind,
    /// How many tiles are on its left.
    pub index: u64,
    /// The number of hashes or entries, 1 to 256. Less than 256 are the beginning of a tile.
    pub width: u64,
}

impl Tile {
    /// Reads a path. Each tile has one path, and any other text is `None`.
    pub fn parse(path: &str) -> Option<Tile> {
        let (whole, width) = match path.split_once(PARTIAL) {
            Some((whole, width)) => (whole, width.strip_prefix('/')?.parse().ok()?),
            None => (path, TILE_WIDTH),
        };
        let mut parts = whole.split('/');
        if parts.next()? != TILE {
            return None;
        }
        let kind = match parts.next()? {
            ENTRIES => TileKind::Entries,
            level => TileKind::Hashes(level.parse().ok()?),
        };
        let mut index: u64 = 0;
        for part in parts {
            let digits: u64 = part.strip_prefix('x').unwrap_or(part).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let tile = Tile { kind, index, width };
        let is_tile = (1..=TILE_WIDTH).contains(&width) && kind.level() <= MAX_LEVEL;
        // Leading zeros, signs and the like do not come back as they were.
        (is_tile && tile.to_string() == path).then_some(tile)
    }

    /// The number of hashes or entries of this tile that a tree of `size` has.
    pub fn width_at(kind: TileKind, index: u64, size: u64) -> u64 {
        let nodes = size
            .checked_shr(u32::from(kind.level()) * u32::from(TILE_HEIGHT))
            .unwrap_or_default();
        let before = index.saturating_mul(TILE_WIDTH);
        nodes.saturating_sub(before).min(TILE_WIDTH)
    }

    /// Whether a tree of `size` has all of this tile.
    pub fn is_in(&self, size: u64) -> bool {
        Tile::width_at(self.kind, self.index, size) >= self.width
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "{TILE}/{level}")?,
            TileKind::Entries => write!(f, "{TILE}/{ENTRIES}")?,
        }
        // The number in groups of three digits, each but the last with an x, so that no folder has
        // more than a thousand files.
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        while let Some(group) = groups.pop() {
            let x = if groups.is_empty() { "" } else { "x" };
            write!(f, "/{x}{group:03}")?;
        }
        if self.width < TILE_WIDTH {
            write!(f, "{PARTIAL}/{}", self.width)?;
        }
        Ok(())
    }
}

/// The bytes of a tile of hashes.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads the bytes of a tile of hashes, or returns `None` for bytes that are not whole hashes.
pub fn decode_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    bytes.chunks(HASH_BYTES).map(Hash::from_bytes).collect()
}

/// The bytes of a bundle: each entry behind its length in two bytes.
pub fn encode_entries(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * (2 + ENTRY_BYTES));
    for entry in entries {
        bytes.extend((ENTRY_BYTES as u16).to_be_bytes());
        bytes.extend(entry.to_bytes());
    }
    bytes
}

/// Reads the bytes of a bundle, or returns `None` for any other bytes.
pub fn decode_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    bytes
        .chunks(2 + ENTRY_BYTES)
        .map(|chunk| {
            let (length, entry) = chunk.split_first_chunk::<2>()?;
            if usize::from(u16::from_be_bytes(*length)) != entry.len() {
                return None;
            }
            Entry::from_bytes(entry)
        })
        .collect()
}

/// The place of a tile of hashes: its level, and how many tiles are on its left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePlace {
    /// The level: see [`TileKind::Hashes`].
    pub level: u8,
    /// How many tiles of the level are on its left.
    pub index: u64,
}

impl TilePlace {
    /// The tile that has the hash of a subtree, or the hashes below it.
    fn of(subtree: &Subtree) -> TilePlace {
        let level = subtree.level / TILE_HEIGHT;
        let first = TilePlace::first_hash(subtree);
        TilePlace {
            level,
            index: first / TILE_WIDTH,
        }
    }

    /// The index of the first hash below a subtree, in the level of its tile.
    fn first_hash(subtree: &Subtree) -> u64 {
        subtree.index << (subtree.level % TILE_HEIGHT)
    }

    /// The tile, as far as a tree of `size` has it.
    pub fn at(&self, size: u64) -> Tile {
        let kind = TileKind::Hashes(self.level);
        Tile {
            kind,
            index: self.index,
            width: Tile::width_at(kind, self.index, size),
        }
    }
}

/// The tiles that are needed for the hashes over these ranges of leaves.
pub fn needed<'a>(ranges: impl IntoIterator<Item = &'a Range<u64>>) -> BTreeSet<TilePlace> {
    ranges
        .into_iter()
        .flat_map(subtrees)
        .map(|subtree| TilePlace::of(&subtree))
        .collect()
}

/// Tiles that were read.
#[derive(Clone, Debug, Default)]
pub struct Tiles(BTreeMap<TilePlace, Vec<Hash>>);

impl Tiles {
    /// Adds a tile, or the beginning of one.
    pub fn insert(&mut self, place: TilePlace, hashes: Vec<Hash>) {
        self.0.insert(place, hashes);
    }

    /// The hash over a range of leaves, or `None` if a tile lacks a hash that it needs.
    pub fn hash(&self, leaves: &Range<u64>) -> Option<Hash> {
        self.row(leaves).as_deref().map(join)
    }

    /// The hashes of the [`subtrees`] of a range of leaves, or `None` if a tile lacks one.
    pub fn row(&self, leaves: &Range<u64>) -> Option<Vec<Hash>> {
        subtrees(leaves)
            .iter()
            .map(|subtree| self.subtree(subtree))
            .collect()
    }

    /// The hashes over these ranges of leaves.
    pub fn hashes(&self, ranges: &[Range<u64>]) -> Option<Vec<Hash>> {
        ranges.iter().map(|leaves| self.hash(leaves)).collect()
    }

    fn subtree(&self, subtree: &Subtree) -> Option<Hash> {
        let tile = self.0.get(&TilePlace::of(subtree))?;
        let width = 1 << (subtree.level % TILE_HEIGHT);
        let first = (TilePlace::first_hash(subtree) % TILE_WIDTH) as usize;
        complete(tile.get(first..first + width)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tile_has_one_path() {
        let paths = [
            "tile/0/000",
            "tile/63/000.p/1",
            "tile/entries/x001/x234/067",
            "tile/1/x001/000.p/255",
            "tile/entries/x018/x446/x744/x073/x709/x551/615",
        ];
        for path in paths {
            assert_eq!(
                Tile::parse(path).map(|tile| tile.to_string()).as_deref(),
                Some(path)
            );
        }
        let others = [
            "",
            "tile",
            "tile/0",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/05",
            "tile/0/+01",
            "tile/0/000/",
            "/tile/0/000",
            "tile/8/0/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/../000",
        ];
        for path in others {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_tile_is_as_wide_as_the_tree_has_it() {
        let width = |kind, index, size| Tile::width_at(kind, index, size);
        assert_eq!(width(TileKind::Entries, 0, 0), 0);
        assert_eq!(width(TileKind::Entries, 0, 255), 255);
        assert_eq!(width(TileKind::Hashes(0), 0, 257), 256);
        assert_eq!(width(TileKind::Hashes(0), 1, 257), 1);
        assert_eq!(width(TileKind::Hashes(1), 0, 257), 1);
        assert_eq!(width(TileKind::Hashes(2), 0, 65_535), 0);
        assert_eq!(width(TileKind::Hashes(2), 0, 65_536), 1);
        assert_eq!(width(TileKind::Hashes(63), u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn bytes_that_are_no_tile_are_refused() {
        let hashes = [Hash::of_empty_tree(), Hash::leaf(b"a")];
        let bytes = encode_hashes(&hashes);
        assert_eq!(decode_hashes(&bytes).as_deref(), Some(hashes.as_slice()));
        assert_eq!(decode_hashes(&bytes[1..]), None);

        let id = crate::event::EventId::parse("018cc251-f400-7000-803e-38b8163c9160").unwrap();
        let entries = hashes.map(|commitment| Entry { id, commitment });
        let bytes = encode_entries(&entries);
        assert_eq!(&bytes[..3], [0x00, 0x31, 0x01]);
        assert_eq!(decode_entries(&bytes).as_deref(), Some(entries.as_slice()));
        assert_eq!(decode_entries(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode_entries(&bytes[..1]), None);
    }
}
