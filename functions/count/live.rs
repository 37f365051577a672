//! Reading the live window on the table, within a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::size::{BYTES_PER_UNIT, ItemSize};
use crate::event::{EventId, IdRange, Timestamp};
use crate::store::{Error, EventStore, Partition, Seen};

/// How much of the live window may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// For a total beside a page: some 50 read units over all shards.
    Total,
    /// For a page by number, whose place is counted in it: some 240 read units over all shards.
    Place,
}

impl Budget {
    /// The bytes of items that are read of all shards.
    const fn bytes(self) -> f64 {
        match self {
            Budget::Total => 200_000.0,
            Budget::Place => 960_000.0,
        }
    }

    /// How many entries of an index are read. An entry has some 100 bytes, so these cost 13 and 63 read units.
    const fn index_keys(self) -> usize {
        match self {
            Budget::Total => 1000,
            Budget::Place => 5000,
        }
    }
}

/// A shard is asked for no more keys than this for a total, however small its items are.
const MAX_TOTAL_KEYS: usize = 100;
/// How many keys a shard is asked for at most while a total's budget was too small a moment ago.
const FEW_KEYS: usize = 10;
/// For so long after a budget that was too small no other is spent.
const PATIENCE: Duration = Duration::from_secs(5);
/// By how much one item may exceed a shard's share of a budget and is read all the same.
const ONE_ITEM: f64 = 1.25;

/// What was read of the live window of one partition.
#[derive(Clone, Debug)]
pub struct LivePart {
    pub(super) partition: Partition,
    /// Newest first, and none between them left out.
    pub(super) ids: Vec<EventId>,
    /// Whether there are no older ones in the live window.
    pub(super) whole: bool,
}

/// What was read of the live window of several partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// The ids from `begin` on, newest first.
    pub ids: Vec<EventId>,
    /// Where what was read begins: every id of the live window from here on is among `ids`.
    pub begin: u128,
    /// Whether that is the whole live window.
    pub whole: bool,
}

impl Live {
    /// Merges what was read of the partitions of a live window, which begins at `begin` and ends before `end`.
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

/// Reads live windows. Clones share what they have learned of the load.
#[derive(Clone, Debug)]
pub(super) struct LiveReader {
    store: EventStore,
    size: ItemSize,
    /// When a total's budget was last too small, in milliseconds since 1970.
    exhausted: Arc<AtomicU64>,
}

impl LiveReader {
    pub fn new(store: EventStore) -> LiveReader {
        LiveReader { store, size: ItemSize::default(), exhausted: Arc::default() }
    }

    /// Reads the live windows of some of `shards` partitions, all at once. What `seen` has of them is not read again.
    pub async fn read(
        &self,
        partitions: &[Partition],
        shards: usize,
        live: IdRange,
        seen: &[Seen],
        budget: Budget,
        now: Timestamp,
    ) -> Result<Vec<LivePart>, Error> {
        let parts = partitions.iter().map(|partition| async move {
            let seen = seen.iter().find(|seen| seen.partition == *partition);
            match partition {
                Partition::Shard(_) => self.read_shard(partition, shards, live, seen, budget, now).await,
                Partition::User(_) => self.read_index(partition, live, seen, budget).await,
            }
        });
        try_join_all(parts).await
    }

    /// One Query of an index, whose entries are small.
    async fn read_index(
        &self,
        partition: &Partition,
        live: IdRange,
        seen: Option<&Seen>,
        budget: Budget,
    ) -> Result<LivePart, Error> {
        let (mut part, rest) = begun(partition, live, seen);
        if !part.whole {
            part.add(self.store.newest_ids(partition, rest, budget.index_keys()).await?);
        }
        Ok(part)
    }

    /// One Query of a shard, or two where the size of its items is not known: the first then reads one.
    async fn read_shard(
        &self,
        partition: &Partition,
        shards: usize,
        live: IdRange,
        seen: Option<&Seen>,
        budget: Budget,
        now: Timestamp,
    ) -> Result<LivePart, Error> {
        let (mut part, mut rest) = begun(partition, live, seen);
        if let Some(seen) = seen {
            self.size.learn(seen, now);
        }
        let mut bytes = budget.bytes() / shards.max(1) as f64;
        if !part.whole && self.size.bytes(now).is_none() {
            let probe = self.store.newest_ids(partition, rest, 1).await?;
            self.size.learn(&probe, now);
            bytes -= probe.units * BYTES_PER_UNIT;
            rest = probe.rest(rest);
            part.add(probe);
        }
        let keys = self.keys(bytes, budget, now);
        // Items that are too large for the budget are left to the index.
        if !part.whole && keys > 0 {
            let read = self.store.newest_ids(partition, rest, keys).await?;
            self.size.learn(&read, now);
            part.add(read);
        }
        if !part.whole && budget == Budget::Total {
            self.exhausted.store(now.millis(), Ordering::Relaxed);
        }
        Ok(part)
    }

    /// How many keys a shard is asked for whose share of the budget is so many bytes.
    fn keys(&self, bytes: f64, budget: Budget, now: Timestamp) -> usize {
        let Some(item) = self.size.bytes(now) else { return 0 };
        // It rounds down, and to nothing what is below zero.
        let keys = (bytes / item) as usize;
        let keys = if keys == 0 && item <= bytes * ONE_ITEM { 1 } else { keys };
        let exhausted = Timestamp::from_millis(self.exhausted.load(Ordering::Relaxed)).plus(PATIENCE);
        match budget {
            Budget::Place => keys,
            Budget::Total if now < exhausted => keys.min(FEW_KEYS),
            Budget::Total => keys.min(MAX_TOTAL_KEYS),
        }
    }
}

/// What `seen` has of the live window of a partition, and what is left of it.
fn begun(partition: &Partition, live: IdRange, seen: Option<&Seen>) -> (LivePart, IdRange) {
    let empty = LivePart { partition: partition.clone(), ids: Vec::new(), whole: live.bounds().is_none() };
    let Some(seen) = seen else { return (empty, live) };
    let rest = seen.rest(live);
    let ids = seen.ids.iter().copied().filter(|id| live.contains(*id)).collect();
    (LivePart { ids, whole: seen.finished || rest.bounds().is_none(), ..empty }, rest)
}

impl LivePart {
    /// Takes in what was read after it.
    fn add(&mut self, read: Seen) {
        self.ids.extend(read.ids);
        self.whole = read.finished;
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
