//! Roots and proofs as another implementation of RFC 6962 makes them, at small and at huge sizes.

use std::collections::BTreeSet;
use std::ops::Range;

use audit_log::tree::Hash;
use audit_log::tree::merkle::{consistency_proof, inclusion_proof, root_by_inclusion};
use audit_log::tree::tile::{TILE_HEIGHT, TILE_WIDTH, TilePlace, Tiles, needed};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;

/// The content of a leaf that differs from all others.
const MARK: &[u8] = b"mark";
const PLAIN: &[u8] = b"plain";

/// A tree of any size that takes no memory: all leaves are the same but for some.
struct Implicit {
    /// The hashes of subtrees of plain leaves, by their level.
    plain: Vec<Hash>,
    marks: BTreeSet<u64>,
}

impl Implicit {
    fn new(marks: impl IntoIterator<Item = u64>) -> Implicit {
        let mut plain = vec![Hash::leaf(PLAIN)];
        for level in 0..63 {
            plain.push(Hash::node(&plain[level], &plain[level]));
        }
        Implicit {
            plain,
            marks: marks.into_iter().collect(),
        }
    }

    fn content(&self, index: u64) -> &'static [u8] {
        if self.marks.contains(&index) {
            return MARK;
        }
        PLAIN
    }

    /// The hash of a complete subtree.
    fn subtree(&self, level: u8, index: u64) -> Hash {
        let first = index << level;
        let last = first + ((1 << level) - 1);
        if self.marks.range(first..=last).next().is_none() {
            return self.plain[usize::from(level)];
        }
        if level == 0 {
            return Hash::leaf(MARK);
        }
        let left = self.subtree(level - 1, 2 * index);
        let right = self.subtree(level - 1, 2 * index + 1);
        Hash::node(&left, &right)
    }

    /// The tiles that these ranges need, as a tree of `size` has them.
    fn tiles(&self, ranges: &[Range<u64>], size: u64) -> Tiles {
        let mut tiles = Tiles::default();
        for place in needed(ranges) {
            let width = place.at(size).width;
            let first = place.index * TILE_WIDTH;
            let level = place.level * TILE_HEIGHT;
            let hashes = (first..first + width).map(|index| self.subtree(level, index));
            tiles.insert(place, hashes.collect());
        }
        tiles
    }

    fn root(&self, size: u64) -> RootHash<Sha256> {
        let all = 0..size;
        let ranges = std::slice::from_ref(&all);
        let root = self.tiles(ranges, size).hash(&all).unwrap();
        root_hash(&root, size)
    }
}

fn root_hash(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The tiles of a small tree, at each size up to `most`, and the same tree by the other program.
fn each_size(most: u64, mut check: impl FnMut(u64, &Tiles, &MemoryBackedTree<Sha256, Vec<u8>>)) {
    let tree = Implicit::new((0..most).filter(|index| index % 3 == 0));
    let leaves: Vec<Hash> = (0..most).map(|index| tree.subtree(0, index)).collect();
    let nodes: Vec<Hash> = (0..most >> TILE_HEIGHT)
        .map(|index| tree.subtree(TILE_HEIGHT, index))
        .collect();
    let mut other = MemoryBackedTree::new();
    for size in 0..=most {
        let mut tiles = Tiles::default();
        let leaves = &leaves[..size as usize];
        for (index, tile) in (0..).zip(leaves.chunks(TILE_WIDTH as usize)) {
            tiles.insert(TilePlace { level: 0, index }, tile.to_vec());
        }
        let full = (size >> TILE_HEIGHT) as usize;
        tiles.insert(TilePlace { level: 1, index: 0 }, nodes[..full].to_vec());
        check(size, &tiles, &other);
        other.push(tree.content(size).to_vec());
    }
}

/// Some numbers below `size`: the first, the last, and random others.
fn some_below(size: u64) -> BTreeSet<u64> {
    let any = [7, 77, 777].map(|factor| size.wrapping_mul(factor * 2_654_435_761) % size.max(1));
    let some = [any.as_slice(), &[0, size.saturating_sub(1)]].concat();
    some.into_iter().filter(|number| *number < size).collect()
}

#[test]
fn roots_up_to_600_entries_are_those_of_ct_merkle() {
    each_size(600, |size, tiles, other| {
        let root = tiles.hash(&(0..size)).unwrap();
        assert_eq!(root_hash(&root, size), other.root(), "{size}");
    });
}

#[test]
fn proofs_up_to_600_entries_are_those_of_ct_merkle() {
    each_size(600, |size, tiles, other| {
        for index in some_below(size) {
            let proof = tiles.hashes(&inclusion_proof(index, size)).unwrap();
            let expected = other.prove_inclusion(index as usize);
            assert_eq!(bytes(&proof), expected.as_bytes(), "{index} of {size}");
        }
        for old in some_below(size).into_iter().filter(|old| *old > 0) {
            let proof = tiles.hashes(&consistency_proof(old, size)).unwrap();
            let expected = other.prove_consistency((size - old) as usize);
            assert_eq!(bytes(&proof), expected.as_bytes(), "{old} to {size}");
        }
    });
}

#[test]
fn proofs_beyond_four_billion_entries_verify() {
    let sizes = [
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 1,
        (1 << 40) + 12_345,
        (1 << 48) + (1 << 24) + 257,
        (1 << 56) + 1,
    ];
    for size in sizes {
        let marks = [0, 255, 256, 65_535, size / 3, size - 257, size - 1];
        let tree = Implicit::new(marks);
        let root = tree.root(size);
        for index in marks {
            let ranges = inclusion_proof(index, size);
            let proof = tree.tiles(&ranges, size).hashes(&ranges).unwrap();
            let by_other = InclusionProof::from_bytes(bytes(&proof));
            let verified = root.verify_inclusion(&MARK, index, &by_other);
            assert!(verified.is_ok(), "{index} of {size}: {verified:?}");
            let ours = root_by_inclusion(Hash::leaf(MARK), index, size, &proof).unwrap();
            assert_eq!(root_hash(&ours, size), root);
            assert!(root.verify_inclusion(&PLAIN, index, &by_other).is_err());
        }
        for old in [1, 255, 256, 65_537, size / 2, size - 256, size - 1] {
            let ranges = consistency_proof(old, size);
            let proof = tree.tiles(&ranges, size).hashes(&ranges).unwrap();
            let proof = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
            let verified = root.verify_consistency(&tree.root(old), &proof);
            assert!(verified.is_ok(), "{old} to {size}: {verified:?}");
        }
    }
}
