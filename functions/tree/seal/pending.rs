//! The entries of a batch that are not in the log yet.

use std::collections::HashSet;

use crate::tree::{Entry, Hash};

/// The entries of a batch that are not in the log yet, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    entries: Vec<Entry>,
    added: usize,
}

impl Pending {
    /// Entries, each of them once.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Pending {
        let mut seen = HashSet::new();
        Pending {
            entries: entries
                .into_iter()
                .filter(|entry| seen.insert(*entry))
                .collect(),
            added: 0,
        }
    }

    /// Whether all entries are in the log.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether this entry is not in the log yet, as far as is known.
    pub fn contains(&self, entry: &Entry) -> bool {
        self.entries.contains(entry)
    }

    /// How many entries were added to the log here.
    pub fn added(&self) -> usize {
        self.added
    }

    /// The first entries, at most this many.
    pub(super) fn first(&self, most: u64) -> &[Entry] {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.entries.get(..most).unwrap_or(&self.entries)
    }

    /// The hashes of the leaves.
    pub(super) fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(Entry::leaf).collect()
    }

    /// Notes that the first entries were added to the log.
    pub(super) fn added_first(&mut self, count: usize) {
        self.entries.drain(..count);
        self.added += count;
    }

    /// Notes that these entries are in the log.
    pub(super) fn remove(&mut self, entries: &[Entry]) {
        if self.entries.is_empty() {
            return;
        }
        let there: HashSet<&Entry> = entries.iter().collect();
        self.entries.retain(|entry| !there.contains(entry));
    }
}
