//! Completing tries that are building: adding the events from before they were started.

use futures_util::future::try_join_all;
use futures_util::stream::{StreamExt, iter};

use super::index::Indexer;
use super::trie::State;
use super::{IndexError, SLICE};
use crate::event::{IdRange, Timestamp};
use crate::limits::SETTLE;
use crate::store::Partition;

/// How many tries are filled at a time. Each slice is a megabyte.
const BACKFILLS_AT_ONCE: usize = 8;
/// How many building tries of each GSI are continued with a batch, beyond those of the batch.
const LISTED_AT_ONCE: i32 = 4;

impl Indexer {
    /// Continues the backfill of tries that are building, as long as `has_time` says so. It is
    /// asked before each slice. Also continues some tries from the list of those that are building,
    /// because a partition that was left may have no new event.
    ///
    /// # Errors
    ///
    /// [`IndexError`]. The next call continues where this one stopped.
    pub async fn backfill(
        &self,
        building: Vec<Partition>,
        now: Timestamp,
        has_time: impl Fn() -> bool + Sync,
    ) -> Result<(), IndexError> {
        let mut partitions = building;
        let fields = self.store.filters().iter();
        let lists = fields.map(|field| self.counts.building(field, LISTED_AT_ONCE));
        for listed in try_join_all(lists).await?.into_iter().flatten() {
            if !partitions.contains(&listed) {
                partitions.push(listed);
            }
        }
        let has_time = &has_time;
        let backfills = iter(partitions).map(|partition| async move {
            let built = self.build(&partition, now, has_time).await;
            self.or_abandon(&partition, built).await
        });
        // Each runs to its end: a failure of one partition must not stop the others.
        let results: Vec<_> = backfills
            .buffer_unordered(BACKFILLS_AT_ONCE)
            .collect()
            .await;
        results.into_iter().collect()
    }

    /// Continues one trie that is building, if the GSI has settled.
    async fn build(
        &self,
        partition: &Partition,
        now: Timestamp,
        has_time: &(impl Fn() -> bool + Sync),
    ) -> Result<(), IndexError> {
        let (since_millis, next) = match self.state(partition).await? {
            Some(State::Building { since_millis, next }) => (since_millis, next),
            Some(State::Ready) => return Ok(self.counts.unlist_as_building(partition).await?),
            // Listed by an indexer that is about to start it, or that stopped before.
            None => return self.start(partition, now).await,
        };
        let settled = Timestamp::from_millis(since_millis).saturating_add(SETTLE) <= now;
        if partition.is_in_gsi() && !settled {
            return Ok(());
        }
        self.fill(partition, since_millis, next, has_time).await
    }

    /// Completes a partition's trie at once. A trie in the GSI must have been started [`SETTLE`]
    /// ago, unless the GSI never lags.
    ///
    /// # Errors
    ///
    /// [`IndexError`]. The next call continues where this one stopped.
    pub async fn complete(&self, partition: &Partition) -> Result<(), IndexError> {
        match self.state(partition).await? {
            Some(State::Building { since_millis, next }) => {
                self.fill(partition, since_millis, next, || true).await
            }
            _ => Ok(()),
        }
    }

    /// Adds the events of a partition from `next` on, slice by slice. The trie is ready after the
    /// last one.
    async fn fill(
        &self,
        partition: &Partition,
        since_millis: u64,
        mut next: u128,
        has_time: impl Fn() -> bool,
    ) -> Result<(), IndexError> {
        let nodes = self.nodes(partition);
        let trie = nodes.trie();
        while has_time() {
            let range = IdRange::ALL.from_key(next);
            let slice = self.store.keys(partition, range, SLICE).await?;
            let keys: Vec<u128> = slice.keys.iter().map(|key| key.id.to_bits()).collect();
            trie.apply(&keys).await?;
            if !slice.more {
                trie.finish(since_millis).await?;
                return Ok(self.counts.unlist_as_building(partition).await?);
            }
            if let Some(last) = keys.last() {
                next = last + 1;
            }
            trie.advance(since_millis, next).await?;
        }
        Ok(())
    }
}
