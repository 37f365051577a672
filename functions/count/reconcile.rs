//! Comparing the count index with the events table, and correcting it.

use std::collections::BTreeSet;

use super::index::Indexer;
use super::range::Parts;
use super::trie::{Miscount, State};
use super::{IndexError, SLICE};
use crate::event::{EventId, IdRange, Timestamp};
use crate::store::{EventKey, Partition};

/// A difference between the count index and the events table. It has been corrected when it is
/// reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The partition had no trie, or not a complete one.
    Unready,
    /// An event was not in the count index.
    Missing(EventId),
    /// The count index held a key that is not an event.
    Extra(u128),
    /// A count was wrong.
    Miscount(Miscount),
}

impl Indexer {
    /// Compares a partition with its trie, and corrects the trie. `seen` is called with each slice
    /// of events, and `report` with each difference. Events in the live window are left to the
    /// stream.
    ///
    /// `clock` returns the time of each slice. A trie in the GSI must have been started
    /// [`SETTLE`](crate::limits::SETTLE) ago, unless the GSI never lags.
    ///
    /// # Errors
    ///
    /// [`IndexError`]. Call it again.
    pub async fn reconcile(
        &self,
        partition: &Partition,
        clock: impl Fn() -> Timestamp,
        seen: impl Fn(&[EventKey]),
        mut report: impl FnMut(Difference),
    ) -> Result<(), IndexError> {
        // 1. A partition without a complete trie gets one.
        let was_ready = self.state(partition).await? == Some(State::Ready);
        if !was_ready {
            self.start(partition, clock()).await?;
            self.complete(partition).await?;
        }

        // 2. Compare the keys, slice by slice.
        let nodes = self.nodes(partition);
        let trie = nodes.trie();
        let mut first = 0;
        loop {
            let rest = IdRange::ALL.from_key(first);
            let slice = self.store.keys(partition, rest, SLICE).await?;
            // The window moves on while a long log is compared.
            let live = Parts::of(IdRange::ALL, clock()).live;
            seen(&slice.keys);
            // A partition without events needs no trie.
            if first == 0 && !was_ready && !slice.keys.is_empty() {
                report(Difference::Unready);
            }

            let ids: BTreeSet<u128> = slice.keys.iter().map(|key| key.id.to_bits()).collect();
            let last = match ids.last() {
                Some(last) if slice.more => *last,
                _ => u128::MAX,
            };
            let indexed: BTreeSet<u128> = trie.keys(first, last).await?.into_iter().collect();

            let missing: Vec<EventId> = ids
                .difference(&indexed)
                .filter_map(|key| EventId::from_bits(*key))
                .filter(|id| !live.contains(*id))
                .collect();
            let keys: Vec<u128> = missing.iter().map(|id| id.to_bits()).collect();
            trie.apply(&keys).await?;
            for id in missing {
                report(Difference::Missing(id));
            }
            for key in indexed.difference(&ids) {
                // The event can have been recorded, and indexed, since the slice was read.
                if !self.is_recorded(*key).await? {
                    trie.remove(*key).await?;
                    report(Difference::Extra(*key));
                }
            }

            if !slice.more {
                break;
            }
            first = last.saturating_add(1);
        }

        // 3. Compare the counts.
        for miscount in trie.recount().await? {
            report(Difference::Miscount(miscount));
        }
        Ok(())
    }

    async fn is_recorded(&self, key: u128) -> Result<bool, IndexError> {
        let Some(id) = EventId::from_bits(key) else {
            return Ok(false);
        };
        Ok(self.store.get(id).await?.is_some())
    }
}
