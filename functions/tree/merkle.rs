//! Which subtrees a root and a proof consist of (RFC 6962 §2.1).
//!
//! A tree of any size is a row of complete subtrees, which never change once they are there. So each
//! hash that a root or a proof needs is that of a [`Subtree`], or of a row of them.

use std::ops::Range;

use super::hash::Hash;

/// A complete subtree: the 2^`level` leaves from `index` · 2^`level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// The height: a leaf has 0.
    pub level: u8,
    /// How many subtrees of this height are on its left.
    pub index: u64,
}

/// The complete subtrees that make up these leaves, from the left.
///
/// The first leaf must be one at which a subtree as large as the range can begin. This holds for the
/// whole tree, and for each range of a proof.
pub fn subtrees(leaves: &Range<u64>) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    let mut begin = leaves.start;
    while let Some(level) = leaves.end.saturating_sub(begin).checked_ilog2() {
        subtrees.push(Subtree {
            level: level as u8,
            index: begin >> level,
        });
        begin += 1 << level;
    }
    subtrees
}

/// The hash over a row of complete subtrees: the smallest two become one, and so on. A row of none
/// is the empty tree.
pub fn join(row: &[Hash]) -> Hash {
    row.iter()
        .rev()
        .copied()
        .reduce(|right, left| Hash::node(&left, &right))
        .unwrap_or_else(Hash::of_empty_tree)
}

/// The hash over a complete subtree with this row of hashes. `None` if no complete subtree has as
/// many.
pub fn complete(row: &[Hash]) -> Option<Hash> {
    if !row.len().is_power_of_two() {
        return None;
    }
    let mut row = row.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).map(join).collect();
    }
    row.first().copied()
}

/// A tree that grows leaf by leaf: the row of complete subtrees that it consists of.
#[derive(Clone, Debug, Default)]
pub struct Frontier(Vec<(u8, Hash)>);

impl Frontier {
    /// The tree of this size, from the hashes of its [`subtrees`].
    pub fn new(size: u64, row: Vec<Hash>) -> Frontier {
        let levels = subtrees(&(0..size))
            .into_iter()
            .map(|subtree| subtree.level);
        Frontier(levels.zip(row).collect())
    }

    /// Adds a leaf behind the others. Two subtrees of one height become one.
    pub fn push(&mut self, leaf: Hash) {
        let mut level = 0;
        let mut hash = leaf;
        while let Some((_, left)) = self.0.pop_if(|(height, _)| *height == level) {
            hash = Hash::node(&left, &hash);
            level += 1;
        }
        self.0.push((level, hash));
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let row: Vec<Hash> = self.0.iter().map(|(_, hash)| *hash).collect();
        join(&row)
    }
}

/// The ranges of leaves whose hashes prove that the leaf at `index` is in a tree of `size`, from the
/// leaf upwards (RFC 6962 §2.1.1). There are none for a leaf that is not in the tree.
pub fn inclusion_proof(index: u64, size: u64) -> Vec<Range<u64>> {
    if index >= size {
        return Vec::new();
    }
    let mut tree = 0..size;
    let mut proof = Vec::new();
    while let Some(middle) = middle(&tree) {
        if index < middle {
            proof.push(middle..tree.end);
            tree.end = middle;
        } else {
            proof.push(tree.start..middle);
            tree.start = middle;
        }
    }
    proof.reverse();
    proof
}

/// The ranges of leaves whose hashes prove that a tree of `size` begins with the tree of `old` (RFC
/// 6962 §2.1.2). There are none if `old` is 0 or not below `size`.
pub fn consistency_proof(old: u64, size: u64) -> Vec<Range<u64>> {
    if old == 0 || old >= size {
        return Vec::new();
    }
    let mut tree = 0..size;
    let mut proof = Vec::new();
    while tree.end != old {
        let Some(middle) = middle(&tree) else { break };
        if old <= middle {
            proof.push(middle..tree.end);
            tree.end = middle;
        } else {
            proof.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // The reader has the hash of the old tree already, if it is one subtree of the new one.
    if tree.start != 0 {
        proof.push(tree);
    }
    proof.reverse();
    proof
}

/// The root of a tree of `size` that has `leaf` at `index`, by an inclusion proof. `None` if the
/// proof has not as many hashes as it must.
pub fn root_by_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    let ranges = inclusion_proof(index, size);
    if index >= size || ranges.len() != proof.len() {
        return None;
    }
    let mut root = leaf;
    for (range, hash) in ranges.iter().zip(proof) {
        root = if range.start > index {
            Hash::node(&root, hash)
        } else {
            Hash::node(hash, &root)
        };
    }
    Some(root)
}

/// Where a tree of two leaves or more divides: behind the largest complete subtree that does not
/// fill it.
fn middle(tree: &Range<u64>) -> Option<u64> {
    let below = (tree.end - tree.start).checked_sub(1)?;
    let level = below.checked_ilog2()?;
    Some(tree.start + (1 << level))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash over some leaves, as RFC 6962 §2.1 defines it.
    fn tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of_empty_tree(),
            [leaf] => *leaf,
            _ => {
                let middle = middle(&(0..leaves.len() as u64)).unwrap() as usize;
                Hash::node(&tree_hash(&leaves[..middle]), &tree_hash(&leaves[middle..]))
            }
        }
    }

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size)
            .map(|index| Hash::leaf(&index.to_be_bytes()))
            .collect()
    }

    fn over(leaves: &[Hash], range: &Range<u64>) -> Hash {
        tree_hash(&leaves[range.start as usize..range.end as usize])
    }

    #[test]
    fn a_row_of_subtrees_has_the_root_of_its_tree() {
        let leaves = leaves(70);
        for size in 0..=70 {
            let row: Vec<Hash> = subtrees(&(0..size))
                .iter()
                .map(|subtree| {
                    let first = subtree.index << subtree.level;
                    over(&leaves, &(first..first + (1 << subtree.level)))
                })
                .collect();
            assert_eq!(join(&row), tree_hash(&leaves[..size as usize]), "{size}");
        }
    }

    #[test]
    fn a_tree_that_grows_has_the_root_of_each_size() {
        let leaves = leaves(70);
        for old in 0..=70 {
            let row = subtrees(&(0..old))
                .iter()
                .map(|subtree| {
                    let first = subtree.index << subtree.level;
                    over(&leaves, &(first..first + (1 << subtree.level)))
                })
                .collect();
            let mut tree = Frontier::new(old, row);
            for size in old..70 {
                assert_eq!(tree.root(), tree_hash(&leaves[..size as usize]));
                tree.push(leaves[size as usize]);
            }
            assert_eq!(tree.root(), tree_hash(&leaves));
        }
    }

    #[test]
    fn an_inclusion_proof_leads_to_the_root() {
        let leaves = leaves(40);
        for size in 1..=40 {
            let root = tree_hash(&leaves[..size as usize]);
            for index in 0..size {
                let ranges = inclusion_proof(index, size);
                let proof: Vec<Hash> = ranges.iter().map(|range| over(&leaves, range)).collect();
                let leaf = leaves[index as usize];
                assert_eq!(root_by_inclusion(leaf, index, size, &proof), Some(root));
                let other = Hash::leaf(b"other");
                assert_ne!(root_by_inclusion(other, index, size, &proof), Some(root));
            }
        }
        assert_eq!(root_by_inclusion(leaves[0], 1, 1, &[]), None);
        assert_eq!(root_by_inclusion(leaves[0], 0, 2, &[]), None);
    }

    #[test]
    fn a_proof_for_no_tree_is_empty() {
        assert!(inclusion_proof(5, 5).is_empty());
        assert!(consistency_proof(0, 5).is_empty());
        assert!(consistency_proof(5, 5).is_empty());
        assert!(consistency_proof(6, 5).is_empty());
        // The largest sizes do not overflow.
        assert_eq!(inclusion_proof(u64::MAX - 1, u64::MAX).len(), 63);
        assert!(!consistency_proof(u64::MAX - 1, u64::MAX).is_empty());
    }
}
