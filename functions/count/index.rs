//! Adding events to the count index.
//!
//! # The life of a partition's trie
//!
//! ```text
//!             start                    finish
//!   absent ----------> building(next) ----------> ready
//!     ^                  |    ^  |                  |
//!     |                  |    +--+ advance          |
//!     +------------------+--------------------------+
//!                     abandon
//! ```
//!
//! - *absent*: the events of the partition are counted from the table or the GSI. The trie of a
//!   shard is started at once. The trie of a partition in the GSI is started when the partition has
//!   more than [`MAX_UNINDEXED_EVENTS`](super::MAX_UNINDEXED_EVENTS) events, which one event in
//!   [`SAMPLE`] checks.
//! - *building*: the trie takes new events, and a backfill adds the events from before its start,
//!   slice by slice: see [`backfill`](super::backfill). Lists still count the events themselves.
//! - *ready*: the trie has every event that was delivered. Lists use it.
//! - *abandon*: a trie in the GSI that cannot be read is deleted, and so is absent again.

use std::collections::BTreeMap;

use futures_util::stream::{StreamExt, iter};

use super::nodes::PartitionNodes;
use super::trie::{self, Entry, Prefix, State, Storage};
use super::{CountsTable, IndexError, MAX_UNINDEXED_EVENTS, started_shards};
use crate::event::Timestamp;
use crate::store::{Error, EventKey, EventStore, Partition, Scope};

/// How many partitions a batch is added to at a time.
const PARTITIONS_AT_ONCE: usize = 64;
/// For one event in so many, the events of its partitions are counted to see whether one of them
/// needs a trie.
const SAMPLE: u128 = 32;

/// Maintains the count index.
#[derive(Clone, Debug)]
pub struct Indexer {
    pub(super) store: EventStore,
    pub(super) counts: CountsTable,
}

/// The outcome of a batch.
#[derive(Clone, Debug, Default)]
pub struct Added {
    /// The positions of the events that could not be added, and why. Adding them again completes
    /// it.
    pub failed: Vec<(usize, IndexError)>,
    /// The partitions whose tries are building.
    pub building: Vec<Partition>,
}

impl Indexer {
    /// An indexer of the events in `store` that keeps the count index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable) -> Indexer {
        Indexer { store, counts }
    }

    /// All shards: those that the settings name, and those that have a trie besides.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when DynamoDB does not respond or rejects the request.
    pub async fn shards(&self) -> Result<Vec<Partition>, IndexError> {
        let nodes = self.counts.nodes(&Scope::Everyone);
        let roots = nodes.level(Prefix::ROOT).await?;
        let shards = started_shards(&roots).max(self.store.shards().get());
        Ok((0..shards).map(Partition::Shard).collect())
    }

    /// The partitions that an event belongs to.
    pub fn partitions_of(&self, event: &EventKey) -> Vec<Partition> {
        self.store.partitions_of(event)
    }

    /// Adds events to the tries of their partitions that have been started. The backfill of the
    /// others will add them. Events that lie near each other share the writes of their nodes.
    ///
    /// # Errors
    ///
    /// [`IndexError`]. Adding the events again completes it.
    pub async fn add_now(&self, events: &[EventKey]) -> Result<(), IndexError> {
        let mut by_partition: BTreeMap<Partition, Vec<u128>> = BTreeMap::new();
        for event in events {
            for partition in self.partitions_of(event) {
                let keys = by_partition.entry(partition).or_default();
                keys.push(event.id.to_bits());
            }
        }
        let (partitions, keys): (Vec<_>, Vec<_>) = by_partition.into_iter().unzip();
        let roots = self.counts.roots(&partitions).await;
        let mut additions = Vec::new();
        for ((partition, root), keys) in partitions.iter().zip(roots).zip(&keys) {
            additions.push(self.add_from(partition, root, keys));
        }
        // Each runs to its end: a failure of one partition must not stop the others.
        let added: Vec<Result<_, IndexError>> = iter(additions)
            .buffer_unordered(PARTITIONS_AT_ONCE)
            .collect()
            .await;
        for added in added {
            added?;
        }
        Ok(())
    }

    /// Adds a batch of events to the tries of their partitions, and starts the tries that are
    /// missing.
    pub async fn add(&self, events: &[EventKey], now: Timestamp) -> Added {
        let by_partition = self.positions_by_partition(events);
        let partitions: Vec<Partition> = by_partition.keys().cloned().collect();
        let roots = self.counts.roots(&partitions).await;

        let work: Vec<_> = by_partition.into_iter().zip(roots).collect();
        let additions = iter(work).map(|((partition, positions), root)| async move {
            let keys: Vec<u128> = positions
                .iter()
                .map(|position| events[*position].id.to_bits())
                .collect();
            let added = self.add_to(&partition, root, &keys, now).await;
            let state = self.or_abandon(&partition, added).await;
            (partition, positions, state)
        });
        let outcomes: Vec<_> = additions
            .buffer_unordered(PARTITIONS_AT_ONCE)
            .collect()
            .await;

        let mut batch = Added::default();
        for (partition, positions, state) in outcomes {
            match state {
                Ok(Some(State::Building { .. })) => batch.building.push(partition),
                Ok(_) => {}
                Err(error) if positions.is_empty() => {
                    let cause = error.to_string();
                    tracing::error!(
                        cause,
                        ?partition,
                        "cannot read the index root of a partition"
                    );
                }
                Err(error) => {
                    let failed = positions.into_iter().map(|at| (at, error.clone()));
                    batch.failed.extend(failed);
                }
            }
        }
        batch
    }

    /// The positions of the events of each partition. Every shard is there, so that its trie is
    /// started before it is needed.
    fn positions_by_partition(&self, events: &[EventKey]) -> BTreeMap<Partition, Vec<usize>> {
        let mut positions: BTreeMap<Partition, Vec<usize>> = BTreeMap::new();
        for shard in self.store.partitions(&Scope::Everyone) {
            positions.insert(shard, Vec::new());
        }
        for (position, event) in events.iter().enumerate() {
            for partition in self.partitions_of(event) {
                positions.entry(partition).or_default().push(position);
            }
        }
        positions
    }

    /// Adds to a partition's trie, whose root was read, and starts the trie if it is missing and
    /// needed.
    async fn add_to(
        &self,
        partition: &Partition,
        root: Result<Option<Entry>, Error>,
        keys: &[u128],
        now: Timestamp,
    ) -> Result<Option<State>, IndexError> {
        let state = self.add_from(partition, root, keys).await?;
        if state.is_some() || !self.needs_trie(partition, keys).await? {
            return Ok(state);
        }
        self.start(partition, now).await?;
        self.nodes(partition).trie().apply(keys).await
    }

    /// Adds to a partition's trie, whose root was read. `None` if it has none.
    async fn add_from(
        &self,
        partition: &Partition,
        root: Result<Option<Entry>, Error>,
        keys: &[u128],
    ) -> Result<Option<State>, IndexError> {
        let Some(root) = root? else { return Ok(None) };
        self.nodes(partition).trie().apply_from(root, keys).await
    }

    async fn needs_trie(&self, partition: &Partition, keys: &[u128]) -> Result<bool, IndexError> {
        if !partition.is_in_gsi() {
            return Ok(true);
        }
        if !keys.iter().any(|key| is_sample(*key)) {
            return Ok(false);
        }
        let has_more = self.store.has_more_than(partition, MAX_UNINDEXED_EVENTS);
        Ok(has_more.await?)
    }

    /// How far a partition's trie can be trusted. `None` if it was not started.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when DynamoDB does not respond or rejects the request.
    pub async fn state(&self, partition: &Partition) -> Result<Option<State>, IndexError> {
        self.nodes(partition).trie().state().await
    }

    /// Starts a partition's trie, unless it has been started. From then on it takes new events.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when it is not known whether the trie was started.
    pub async fn start(&self, partition: &Partition, now: Timestamp) -> Result<(), IndexError> {
        // The list comes first, so that every trie that was started is completed.
        self.counts.list_as_building(partition).await?;
        self.nodes(partition).trie().start(now.millis()).await
    }

    /// Abandons the trie of a partition in the GSI if it has an unreadable node, which no
    /// repetition repairs. The events are then counted from the GSI. Passes on any other result.
    pub(super) async fn or_abandon<T: Default>(
        &self,
        partition: &Partition,
        result: Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let cause = match result {
            Err(cause @ trie::Error::Storage(Error::Corrupt { .. })) if partition.is_in_gsi() => {
                cause
            }
            result => return result,
        };
        tracing::error!(%cause, "the trie of a partition in a GSI is abandoned; it cannot be read");
        self.nodes(partition).delete_root().await?;
        self.counts.unlist_as_building(partition).await?;
        Ok(T::default())
    }

    pub(super) fn nodes(&self, partition: &Partition) -> PartitionNodes {
        self.counts.partition_nodes(partition)
    }
}

/// Whether an event has its partitions counted. The random bits of its id decide, so a redelivered
/// batch asks the same question again.
fn is_sample(key: u128) -> bool {
    // The lowest four bits are the shard.
    (key >> 4).is_multiple_of(SAMPLE)
}
