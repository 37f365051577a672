//! Reads the live window from the events table, within a budget.

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
    /// For a total: some 50 read units over all shards.
    Total,
    /// For the place of a page by number: some 240 read units over all shards.
    Place,
}

impl Budget {
    /// The bytes of items that are read from all shards together.
    const fn bytes(self) -> f64 {
        match self {
            Budget::Total => 200_000.0,
            Budget::Place => 960_000.0,
        }
    }

    /// How many keys of a GSI are read. A key has some 100 bytes, so these cost 13 and 63 read
    /// units.
    const fn gsi_keys(self) -> usize {
        match self {
            Budget::Total => 1000,
            Budget::Place => 5000,
        }
    }
}

/// The most keys that are read from a shard for a total, however small its items are.
const MAX_TOTAL_KEYS: usize = 100;
/// The most keys that are read from a shard while a total's budget was recently too small.
const FEW_KEYS: usize = 10;
/// How long only [`FEW_KEYS`] are read after a budget that was too small.
const PATIENCE: Duration = Duration::from_secs(5);
/// The factor by which one item may exceed the share of a shard and still be read.
const ONE_ITEM: f64 = 1.25;

/// The ids that were read from the live window of one partition.
#[derive(Clone, Debug)]
pub struct LivePart {
    pub(super) partition: Partition,
    /// The newest ids of the live window, newest first and without a gap.
    pub(super) ids: Vec<EventId>,
    /// Whether these are all ids of the live window.
    pub(super) complete: bool,
}

impl LivePart {
    /// Starts with the ids of the live window that `seen` has. Also returns the part of the live
    /// window that must still be read.
    fn begin(partition: &Partition, live: IdRange, seen: Option<&Seen>) -> (LivePart, IdRange) {
        let mut part = LivePart {
            partition: partition.clone(),
            ids: Vec::new(),
            complete: live.sort_keys().is_none(),
        };
        let Some(seen) = seen else {
            return (part, live);
        };
        let rest = seen.rest(live);
        let in_window = seen.ids.iter().copied().filter(|id| live.contains(*id));
        part.ids.extend(in_window);
        part.complete = seen.finished || rest.sort_keys().is_none();
        (part, rest)
    }

    /// Adds the ids that were read next.
    fn add(&mut self, read: Seen) {
        self.ids.extend(read.ids);
        self.complete = read.finished;
    }
}

/// The ids that were read from the live window of several partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// The ids from `begin` on, newest first.
    pub ids: Vec<EventId>,
    /// Where the part that was read begins. All ids of the live window from here on are in `ids`.
    pub begin: u128,
    /// Whether that part is the complete live window.
    pub complete: bool,
}

impl Live {
    /// Merges the parts of a live window, which begins at `begin` and ends before `end`.
    ///
    /// If one partition was not read to its end, the others count only as far as it was read.
    pub fn merge(parts: &[&LivePart], begin: u128, end: u128) -> Live {
        // Below the oldest id of an incomplete part, that part may lack ids. The newest of these
        // oldest ids decides.
        let incomplete = parts.iter().filter(|part| !part.complete);
        let oldest_ids = incomplete.map(|part| match part.ids.last() {
            Some(oldest) => oldest.to_bits(),
            None => end,
        });
        let cut = oldest_ids.max();
        let begin = cut.unwrap_or(begin);

        let mut ids: Vec<EventId> = Vec::new();
        for part in parts {
            ids.extend(part.ids.iter().filter(|id| id.to_bits() >= begin));
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Live {
            ids,
            begin,
            complete: cut.is_none(),
        }
    }
}

/// Reads live windows. Clones share what they learned about the load.
#[derive(Clone, Debug)]
pub(super) struct LiveReader {
    store: EventStore,
    size: ItemSize,
    /// The last time that a total's budget was too small, in milliseconds since 1970.
    exhausted: Arc<AtomicU64>,
}

impl LiveReader {
    pub fn new(store: EventStore) -> LiveReader {
        LiveReader {
            store,
            size: ItemSize::default(),
            exhausted: Arc::default(),
        }
    }

    /// Reads the live windows of these partitions concurrently. The ids that `seen` has are not
    /// read again. The budget is divided by `shards`, the number of all shards.
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
            if partition.is_in_gsi() {
                return self.read_gsi(partition, live, seen, budget).await;
            }
            self.read_shard(partition, shards, live, seen, budget, now)
                .await
        });
        try_join_all(parts).await
    }

    /// Reads a partition of the GSI, whose keys are small: one Query.
    async fn read_gsi(
        &self,
        partition: &Partition,
        live: IdRange,
        seen: Option<&Seen>,
        budget: Budget,
    ) -> Result<LivePart, Error> {
        let (mut part, rest) = LivePart::begin(partition, live, seen);
        if !part.complete {
            let keys = budget.gsi_keys();
            part.add(self.store.newest_ids(partition, rest, keys).await?);
        }
        Ok(part)
    }

    /// Reads a shard: one Query, or two if the size of its items is not known. The first one then
    /// reads one item.
    async fn read_shard(
        &self,
        partition: &Partition,
        shards: usize,
        live: IdRange,
        seen: Option<&Seen>,
        budget: Budget,
        now: Timestamp,
    ) -> Result<LivePart, Error> {
        let (mut part, mut rest) = LivePart::begin(partition, live, seen);
        if let Some(seen) = seen {
            self.size.learn(seen, now);
        }
        let mut bytes = budget.bytes() / shards.max(1) as f64;

        // One item to learn the size from.
        if !part.complete && self.size.bytes(now).is_none() {
            let probe = self.store.newest_ids(partition, rest, 1).await?;
            self.size.learn(&probe, now);
            bytes -= probe.units * BYTES_PER_UNIT;
            rest = probe.rest(rest);
            part.add(probe);
        }

        // As many more items as the budget allows. The count index counts the others.
        let keys = self.affordable_keys(bytes, budget, now);
        if !part.complete && keys > 0 {
            let read = self.store.newest_ids(partition, rest, keys).await?;
            self.size.learn(&read, now);
            part.add(read);
        }

        if !part.complete && budget == Budget::Total {
            self.exhausted.store(now.millis(), Ordering::Relaxed);
        }
        Ok(part)
    }

    /// How many keys can be read from a shard with `bytes`, its share of the budget.
    fn affordable_keys(&self, bytes: f64, budget: Budget, now: Timestamp) -> usize {
        let Some(item) = self.size.bytes(now) else {
            return 0;
        };
        // The cast rounds down, and turns a negative number into 0.
        let mut keys = (bytes / item) as usize;
        if keys == 0 && item <= bytes * ONE_ITEM {
            keys = 1;
        }
        match budget {
            Budget::Place => keys,
            Budget::Total if self.was_exhausted(now) => keys.min(FEW_KEYS),
            Budget::Total => keys.min(MAX_TOTAL_KEYS),
        }
    }

    /// Whether a total's budget was recently too small.
    fn was_exhausted(&self, now: Timestamp) -> bool {
        let exhausted = Timestamp::from_millis(self.exhausted.load(Ordering::Relaxed));
        now < exhausted.saturating_add(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(shard: u8, ids: &[u64], complete: bool) -> LivePart {
        let ids = ids
            .iter()
            .map(|millis| EventId::lowest_at(Timestamp::from_millis(*millis)))
            .collect();
        LivePart {
            partition: Partition::Shard(shard),
            ids,
            complete,
        }
    }

    fn merged(parts: &[LivePart]) -> (Vec<u64>, u64, bool) {
        let bits = |millis: u64| EventId::lowest_at(Timestamp::from_millis(millis)).to_bits();
        let live = Live::merge(&parts.iter().collect::<Vec<_>>(), bits(1), bits(99));
        let millis = |bits: u128| (bits >> 80) as u64;
        (
            live.ids.iter().map(|id| millis(id.to_bits())).collect(),
            millis(live.begin),
            live.complete,
        )
    }

    #[test]
    fn ids_count_as_far_as_every_partition_was_read() {
        assert_eq!(
            merged(&[part(0, &[9, 4], true), part(1, &[7, 2], true)]),
            (vec![9, 7, 4, 2], 1, true)
        );
        assert_eq!(
            merged(&[part(0, &[9, 4], true), part(1, &[7, 6], false)]),
            (vec![9, 7, 6], 6, false)
        );
        assert_eq!(
            merged(&[part(0, &[9, 8], false), part(1, &[7, 6], false)]),
            (vec![9, 8], 8, false)
        );
        assert_eq!(
            merged(&[part(0, &[9, 4], true), part(1, &[], false)]),
            (vec![], 99, false)
        );
    }
}
