//! Reading the live range on the table, within a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::event::{EventId, IdRange, Timestamp};
use crate::log::{Error, EventLog, Partition, Seen};

/// How much of the live range may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// For a total beside a page: some 50 read units over all shards.
    Total,
    /// For a page by number, whose place is counted in it: some 240 read units over all shards.
    Place,
}

/// The bytes of items that a total reads of all shards.
const TOTAL_BYTES: u64 = 200_000;
/// The bytes of items that a page by number reads of all shards.
const PLACE_BYTES: u64 = 960_000;
/// A shard is asked for no more keys than this for a total, however small its items are.
const TOTAL_KEYS_MAX: u64 = 100;
/// How many keys a shard is asked for while the size of the items is not known, or the budget was too small a moment ago.
const FEW_KEYS: usize = 10;
/// How many entries of an index are read: an entry has some 100 bytes, so these cost 13 and 63 read units.
const INDEX_KEYS_TOTAL: usize = 1000;
const INDEX_KEYS_PLACE: usize = 5000;
/// For so long after a budget that was too small no other is spent.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was read of the live range of one partition.
#[derive(Clone, Debug)]
pub struct LivePart {
    pub(super) partition: Partition,
    /// Newest first, and none between them left out.
    pub(super) ids: Vec<EventId>,
    /// Whether there are no older ones in the live range.
    pub(super) whole: bool,
}

/// What was read of the live range of several partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// The ids from `begin` on, newest first.
    pub ids: Vec<EventId>,
    /// Where what was read begins: every id of the live range from here on is among `ids`.
    pub begin: u128,
    /// Whether that is the whole live range.
    pub whole: bool,
}

impl Live {
    /// Merges what was read of the partitions of a live range, which begins at `begin` and ends before `end`.
    ///
    /// Where one partition was not read to its end, the others count only as far as it was.
    pub fn merge(parts: &[&LivePart], begin: u128, end: u128) -> Live {
        let cut = parts.iter().filter(|part| !part.whole);
        let cut = cut.map(|part| part.ids.last().map_or(end, |oldest| oldest.to_bits())).max();
        let begin = cut.unwrap_or(begin);
        let mut ids: Vec<EventId> = parts.iter().flat_map(|part| part.ids.iter().copied()).collect();
        ids.retain(|id| id.to_bits() >= begin);
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Live { ids, begin, whole: cut.is_none() }
    }
}

/// Reads live ranges. Clones share what they have learned of the load.
#[derive(Clone, Debug)]
pub(super) struct LiveReader {
    log: EventLog,
    /// When a total's budget was last too small, in milliseconds since 1970.
    exhausted: Arc<AtomicU64>,
}

impl LiveReader {
    pub fn new(log: EventLog) -> LiveReader {
        LiveReader { log, exhausted: Arc::default() }
    }

    /// Reads the live ranges of these partitions, all at once. What `seen` has of them is not read again.
    pub async fn read(
        &self,
        partitions: &[Partition],
        live: IdRange,
        seen: &[Seen],
        budget: Budget,
        now: Timestamp,
    ) -> Result<Vec<LivePart>, Error> {
        let parts = partitions.iter().map(|partition| {
            let seen = seen.iter().find(|seen| seen.partition == *partition);
            self.read_part(partition, partitions.len(), live, seen, budget, now)
        });
        try_join_all(parts).await
    }

    async fn read_part(
        &self,
        partition: &Partition,
        partitions: usize,
        live: IdRange,
        seen: Option<&Seen>,
        budget: Budget,
        now: Timestamp,
    ) -> Result<LivePart, Error> {
        let mut part = LivePart { partition: partition.clone(), ids: Vec::new(), whole: live.bounds().is_none() };
        let mut rest = live;
        if let Some(seen) = seen {
            part.ids.extend(seen.ids.iter().filter(|id| live.contains(**id)));
            rest = seen.ids.last().map_or(live, |oldest| live.below(*oldest));
            part.whole = seen.finished || rest.bounds().is_none();
        }
        while !part.whole {
            let sized = self.log.item_bytes().is_some();
            let limit = self.limit(partition, partitions, budget, now);
            let (ids, more) = self.log.newest_ids(partition, rest, limit).await?;
            rest = ids.last().map_or(rest, |oldest| rest.below(*oldest));
            part.ids.extend(ids);
            part.whole = !more;
            // The first few keys have told how large the items are. A page by number then reads on.
            if sized || budget == Budget::Total || matches!(partition, Partition::User(_)) {
                break;
            }
        }
        if !part.whole && budget == Budget::Total && matches!(partition, Partition::Shard(_)) {
            self.exhausted.store(now.millis(), Ordering::Relaxed);
        }
        Ok(part)
    }

    /// How many keys one of `partitions` partitions is asked for.
    fn limit(&self, partition: &Partition, partitions: usize, budget: Budget, now: Timestamp) -> usize {
        match (partition, budget) {
            (Partition::User(_), Budget::Total) => return INDEX_KEYS_TOTAL,
            (Partition::User(_), Budget::Place) => return INDEX_KEYS_PLACE,
            (Partition::Shard(_), _) => {}
        }
        let exhausted = Timestamp::from_millis(self.exhausted.load(Ordering::Relaxed));
        if budget == Budget::Total && now < exhausted.plus(PATIENCE) {
            return FEW_KEYS;
        }
        let Some(item_bytes) = self.log.item_bytes() else { return FEW_KEYS };
        let share = |bytes: u64| bytes / partitions.max(1) as u64 / item_bytes;
        let keys = match budget {
            Budget::Total => share(TOTAL_BYTES).min(TOTAL_KEYS_MAX),
            Budget::Place => share(PLACE_BYTES),
        };
        usize::try_from(keys.max(1)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(shard: u8, ids: &[u64], whole: bool) -> LivePart {
        let ids = ids.iter().map(|millis| EventId::lowest_at(Timestamp::from_millis(*millis))).collect();
        LivePart { partition: Partition::Shard(shard), ids, whole }
    }

    fn merged(parts: &[LivePart]) -> (Vec<u64>, u64, bool) {
        let bits = |millis: u64| EventId::lowest_at(Timestamp::from_millis(millis)).to_bits();
        let live = Live::merge(&parts.iter().collect::<Vec<_>>(), bits(1), bits(99));
        let millis = |bits: u128| (bits >> 80) as u64;
        (live.ids.iter().map(|id| millis(id.to_bits())).collect(), millis(live.begin), live.whole)
    }

    #[test]
    fn what_was_read_counts_as_far_as_every_partition_was_read() {
        assert_eq!(merged(&[part(0, &[9, 4], true), part(1, &[7, 2], true)]), (vec![9, 7, 4, 2], 1, true));
        assert_eq!(merged(&[part(0, &[9, 4], true), part(1, &[7, 6], false)]), (vec![9, 7, 6], 6, false));
        assert_eq!(merged(&[part(0, &[9, 8], false), part(1, &[7, 6], false)]), (vec![9, 8], 8, false));
        assert_eq!(merged(&[part(0, &[9, 4], true), part(1, &[], false)]), (vec![], 99, false));
    }
}
