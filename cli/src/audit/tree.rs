//! The root of a tree, leaf by leaf. It shares no code with the tree of the log, so that it finds
//! the errors of that one.

use audit_log::tree::Hash;
use sha2::{Digest, Sha256};

/// The levels from one level of tiles to the next.
const TILE_HEIGHT: u8 = 8;

/// The complete subtrees of a tree that grows, and nothing below them.
#[derive(Clone, Debug, Default)]
pub struct GrowingTree {
    /// From the largest to the smallest, each with its height.
    row: Vec<(u8, [u8; 32])>,
    size: u64,
    /// The hashes of full tiles: those of level 1 are over 256 leaves, those of level 2 over 65,536.
    tiles: Vec<Vec<Hash>>,
}

impl GrowingTree {
    /// Adds an entry, and returns the hash of its leaf.
    pub fn push(&mut self, entry: &[u8]) -> Hash {
        let leaf = leaf_hash(entry);
        let mut height = 0;
        let mut hash = leaf;
        while let Some((_, left)) = self.row.pop_if(|(other, _)| *other == height) {
            hash = node_hash(&left, &hash);
            height += 1;
            if height % TILE_HEIGHT == 0 {
                self.note_tile(height / TILE_HEIGHT, hash);
            }
        }
        self.row.push((height, hash));
        self.size += 1;
        hash_of(leaf)
    }

    fn note_tile(&mut self, level: u8, hash: [u8; 32]) {
        let level = usize::from(level) - 1;
        if self.tiles.len() <= level {
            self.tiles.push(Vec::new());
        }
        self.tiles[level].push(hash_of(hash));
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root (RFC 6962 §2.1).
    pub fn root(&self) -> Hash {
        let mut row = self.row.iter().rev().map(|(_, hash)| *hash);
        let Some(smallest) = row.next() else {
            return hash_of(Sha256::digest([]).into());
        };
        hash_of(row.fold(smallest, |right, left| node_hash(&left, &right)))
    }

    /// The hashes of the full tiles, for each level of tiles from 1 on.
    pub fn tiles(&self) -> &[Vec<Hash>] {
        &self.tiles
    }
}

fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([0]);
    digest.update(entry);
    digest.finalize().into()
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([1]);
    digest.update(left);
    digest.update(right);
    digest.finalize().into()
}

fn hash_of(bytes: [u8; 32]) -> Hash {
    // 32 bytes are always a hash.
    Hash::from_bytes(&bytes).unwrap_or(Hash::of_empty_tree())
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    #[test]
    fn the_root_is_that_of_another_library() {
        let mut tree = GrowingTree::default();
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        assert_eq!(tree.root(), Hash::of_empty_tree());
        for leaf in 0..600_u32 {
            tree.push(&leaf.to_be_bytes());
            other.push(leaf.to_be_bytes().to_vec());
            assert_eq!(tree.root().as_bytes(), other.root().as_bytes().as_slice());
        }
        assert_eq!(tree.tiles().len(), 1);
        assert_eq!(tree.tiles()[0].len(), 2);
    }
}
