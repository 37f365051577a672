//! What must hold of a log after each step of any sealer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use audit_log::tree::seal::Log;
use audit_log::tree::{Checkpoint, Entry, Hash, Note, TILE_WIDTH};
use audit_log_testing::tree::Items;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A run was changed or removed.
    Rewritten,
    /// A run begins elsewhere than where the one before ends.
    Gap,
    /// An event is in the log twice.
    Twice,
    /// A leaf or a node below the head is missing or wrong.
    Incomplete,
    /// A checkpoint is not signed, or its root is not that of the log.
    Forked,
    /// The head or the checkpoint went back.
    Back,
    /// An event that was acknowledged is not in a checkpoint.
    Lost,
}

/// Compares each state of a storage with the one before.
pub struct Checker {
    log: Log,
    known: BTreeMap<u64, Vec<Entry>>,
    entries: Vec<Entry>,
    leaves: Vec<Hash>,
    tree: MemoryBackedTree<Sha256, Vec<u8>>,
    /// The roots of the tree, by its size.
    roots: Vec<Hash>,
    head: u64,
    checkpoint: u64,
    /// All that was found.
    pub violations: BTreeSet<Violation>,
}

impl Checker {
    pub fn new(log: Log) -> Checker {
        Checker {
            log,
            known: BTreeMap::new(),
            entries: Vec::new(),
            leaves: Vec::new(),
            tree: MemoryBackedTree::new(),
            roots: vec![Hash::of_empty_tree()],
            head: 0,
            checkpoint: 0,
            violations: BTreeSet::new(),
        }
    }

    /// Looks at a state.
    pub fn look(&mut self, items: &Items) {
        self.look_at_runs(items);
        let head = items.head.unwrap_or_default();
        if head != self.head {
            self.must(head > self.head, Violation::Back);
            self.must(self.is_complete(items, head), Violation::Incomplete);
            self.head = head;
        }
        let newest = items.checkpoint.as_ref();
        let size = newest.map_or(0, |newest| newest.size);
        if size != self.checkpoint {
            self.must(size > self.checkpoint, Violation::Back);
            let note = newest.map(|newest| newest.note.as_str());
            self.must(
                note.is_some_and(|note| self.is_right(note, size)),
                Violation::Forked,
            );
            self.must(size <= head, Violation::Incomplete);
            self.checkpoint = size;
        }
    }

    /// An event is reported as sealed.
    pub fn acknowledged(&mut self, entry: &Entry) {
        let checkpoint = self.entries.get(..self.checkpoint as usize);
        let is_there = checkpoint.is_some_and(|entries| entries.contains(entry));
        self.must(is_there, Violation::Lost);
    }

    fn look_at_runs(&mut self, items: &Items) {
        for (start, entries) in &items.runs {
            if let Some(known) = self.known.get(start) {
                self.must(known == entries, Violation::Rewritten);
                continue;
            }
            self.must(*start == self.entries.len() as u64, Violation::Gap);
            self.known.insert(*start, entries.clone());
            for entry in entries {
                self.entries.push(*entry);
                self.leaves.push(entry.leaf());
                self.tree.push(entry.to_bytes().to_vec());
                let root = self.tree.root();
                self.roots.push(Hash::from_bytes(root.as_bytes()).unwrap());
            }
            let distinct: HashSet<&Entry> = self.entries.iter().collect();
            self.must(distinct.len() == self.entries.len(), Violation::Twice);
        }
        self.must(items.runs.len() == self.known.len(), Violation::Rewritten);
    }

    /// Whether all leaves and nodes below `head` are there and right.
    fn is_complete(&self, items: &Items, head: u64) -> bool {
        let Some(leaves) = self.leaves.get(..head as usize) else {
            return false;
        };
        let mut all = (0..).zip(leaves);
        let has_leaves = all.all(|(index, leaf)| items.leaves.get(leaf) == Some(&index));
        let tiles = (0..).zip(leaves.chunks_exact(TILE_WIDTH as usize));
        let has_nodes = tiles
            .into_iter()
            .all(|(index, tile)| items.nodes.get(&(1, index)) == Some(&root(tile)));
        has_leaves && has_nodes
    }

    fn is_right(&self, note: &str, size: u64) -> bool {
        let Ok(note) = note.parse::<Note>() else {
            return false;
        };
        let Ok(checkpoint) = note.text().parse::<Checkpoint>() else {
            return false;
        };
        note.is_signed_by(&self.log.key())
            && checkpoint.size == size
            && self.roots.get(size as usize) == Some(&checkpoint.root)
    }

    fn must(&mut self, holds: bool, violation: Violation) {
        if !holds {
            self.violations.insert(violation);
        }
    }
}

/// The root of a full tile.
fn root(tile: &[Hash]) -> Hash {
    match tile {
        [hash] => *hash,
        _ => {
            let (left, right) = tile.split_at(tile.len() / 2);
            Hash::node(&root(left), &root(right))
        }
    }
}
