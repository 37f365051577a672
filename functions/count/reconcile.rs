//! Comparing the index with the events table, and putting it right.

use std::collections::BTreeSet;

use super::index::{IndexError, Indexer};
use super::range::Parts;
use super::trie::{self, Miscount, State};
use crate::event::{EventId, IdRange, Timestamp};
use crate::store::{EventKey, Partition};

/// How many events are compared at a time: about 1 MB of them, which is what a Query gives.
const SLICE: usize = 1000;

/// Where the index is not what the events table says. It has been put right by the time it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The partition was not in the index, or not yet completely.
    Unready,
    /// An event was not in the index.
    Missing(EventId),
    /// The index held what is no event.
    Extra(u128),
    /// A count was wrong.
    Miscount(Miscount),
}

impl Indexer {
    /// Compares a partition with its lane, and corrects the lane. `seen` hears of each slice of events, `tell` of
    /// each difference. Events in the live window are left to the stream.
    ///
    /// `clock` gives the time of each slice. A user's lane must have been started [`SETTLE`](super::SETTLE) ago, unless the
    /// index of users never lags.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; call it again.
    pub async fn reconcile(
        &self,
        partition: &Partition,
        clock: impl Fn() -> Timestamp,
        seen: impl Fn(&[EventKey]),
        mut tell: impl FnMut(Difference),
    ) -> Result<(), IndexError> {
        let mut unready = self.state(partition).await? != Some(State::Ready);
        if unready {
            self.start(partition, clock()).await?;
            self.complete(partition).await?;
        }
        let (lanes, lane) = self.lane(partition);
        let (mut first, mut more) = (0, true);
        while more {
            let slice = self.store.keys(partition, IdRange::ALL.starting(first), SLICE).await?;
            more = slice.more;
            // The window moves on while a long log is compared.
            let live = Parts::of(IdRange::ALL, clock()).live;
            let is_live = |key: u128| EventId::from_bits(key).is_some_and(|id| live.contains(id));
            seen(&slice.keys);
            // A partition without events needs no lane.
            if std::mem::take(&mut unready) && !slice.keys.is_empty() {
                tell(Difference::Unready);
            }
            let ids: BTreeSet<u128> = slice.keys.iter().map(|key| key.id.to_bits()).collect();
            let last = ids.last().copied().filter(|_| more).unwrap_or(u128::MAX);
            let indexed: BTreeSet<u128> = trie::keys(&lanes, lane, first, last).await?.into_iter().collect();
            let missing: Vec<u128> = ids.difference(&indexed).copied().filter(|key| !is_live(*key)).collect();
            trie::apply(&lanes, lane, &missing).await?;
            missing.into_iter().filter_map(EventId::from_bits).for_each(|id| tell(Difference::Missing(id)));
            for key in indexed.difference(&ids) {
                // It can have been recorded, and indexed, since the slice was read.
                let recorded = match EventId::from_bits(*key) {
                    Some(id) => self.store.get(id).await?.is_some(),
                    None => false,
                };
                if !recorded {
                    trie::remove(&lanes, lane, *key).await?;
                    tell(Difference::Extra(*key));
                }
            }
            first = last.saturating_add(1);
        }
        trie::recount(&lanes, lane).await?.into_iter().map(Difference::Miscount).for_each(tell);
        Ok(())
    }
}
