//! Totals over a scope: around now from the table, before and after that from the count index.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::{try_join, try_join_all};

use super::live::{Budget, Live, LivePart, LiveReader};
use super::range::Parts;
use super::scope_index::usable;
use super::trie::{LaneId, Node, Tries};
use super::{CountsTable, IndexError, ScopeIndex, ScopeNodes};
use crate::event::{IdRange, Timestamp};
use crate::store::{Error, EventStore, Partition, Seen, Selection};

/// Counts the events of a store. Clones share what they have learned of its load.
#[derive(Clone, Debug)]
pub struct Count {
    pub(super) store: EventStore,
    pub(super) counts: CountsTable,
    pub(super) live: LiveReader,
    /// Whether the logs already say that SHARDS is too low. Once is enough for a process.
    pub(super) warned: Arc<AtomicBool>,
}

/// How many events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number of events, exact or a lower bound.
    pub events: u64,
    /// Whether nothing was left out for its cost. This relies on a count index that trails by less
    /// than ten seconds.
    pub exact: bool,
}

impl Count {
    /// Counts the events of `store` with the count index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable) -> Count {
        Count {
            live: LiveReader::new(store.clone()),
            store,
            counts,
            warned: Arc::default(),
        }
    }

    /// How many events lie in `range`. What `seen` has read, from the newest event of `range` on,
    /// is not read again.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn total(
        &self,
        index: &ScopeIndex,
        range: IdRange,
        seen: &[Seen],
        now: Timestamp,
    ) -> Result<Total, Error> {
        let parts = Parts::of(range, now);

        // 1. The live window on the table, and the partitions whose tries are not ready.
        let ready = index.ready_partitions();
        let live = self
            .live
            .read(&ready, index.len(), parts.live, seen, Budget::Total, now);
        let unready = self.count_unready(index, range, seen);
        let (live, unready) = try_join(live, unready).await?;
        let live = merge(&live.iter().collect::<Vec<_>>(), parts.live);

        // 2. The rest from the count index.
        let roots = index.roots();
        let older = count_keys(&index.nodes, &roots, range_below(range, &parts, &live));
        let ahead = count_keys(&index.nodes, &roots, parts.ahead);
        let indexed = Box::pin(try_join(older, ahead)).await;
        let Some((older, ahead)) = usable(indexed)? else {
            return self.count_without_index(index, range).await;
        };
        Ok(Total {
            events: ahead + live.ids.len() as u64 + older + unready,
            exact: live.complete,
        })
    }

    /// Reads the live window for [`locate`](Count::locate), in the partitions that the settings
    /// name.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn live(
        &self,
        selection: &Selection,
        now: Timestamp,
    ) -> Result<Vec<LivePart>, Error> {
        let partitions = self.store.partitions(&selection.scope);
        let live = Parts::of(selection.range, now).live;
        let shards = partitions.len();
        self.live
            .read(&partitions, shards, live, &[], Budget::Place, now)
            .await
    }

    /// How many events the partitions have whose tries are not ready: those that were seen, and
    /// those in the rest of the range.
    async fn count_unready(
        &self,
        index: &ScopeIndex,
        range: IdRange,
        seen: &[Seen],
    ) -> Result<u64, Error> {
        let counts = index.unready.iter().map(|partition| async move {
            let Some(seen) = seen.iter().find(|seen| seen.partition == *partition) else {
                return self.count_partition(partition, range).await;
            };
            let met = seen.ids.len() as u64;
            if seen.finished {
                return Ok(met);
            }
            let rest = self.count_partition(partition, seen.rest(range)).await?;
            Ok(met + rest)
        });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    pub(super) async fn count_partition(
        &self,
        partition: &Partition,
        range: IdRange,
    ) -> Result<u64, Error> {
        let partitions = std::slice::from_ref(partition);
        self.store.count_in(partitions, range).await
    }

    /// Counts all events without the count index.
    async fn count_without_index(
        &self,
        index: &ScopeIndex,
        range: IdRange,
    ) -> Result<Total, Error> {
        let events = self.store.count_in(&index.partitions(), range).await?;
        Ok(Total {
            events,
            exact: true,
        })
    }
}

/// Merges the parts of the live window, which is `live`.
pub(super) fn merge(parts: &[&LivePart], live: IdRange) -> Live {
    let (begin, end) = live.half_open().unwrap_or_default();
    Live::merge(parts, begin, end)
}

/// What the count index counts below the part of the live window that was read.
pub(super) fn range_below(range: IdRange, parts: &Parts, live: &Live) -> IdRange {
    if live.complete {
        parts.older
    } else {
        range.before_key(live.begin)
    }
}

/// How many keys of these tries lie in `range`.
pub(super) async fn count_keys(
    nodes: &ScopeNodes,
    roots: &[(LaneId, Node)],
    range: IdRange,
) -> Result<u64, IndexError> {
    let Some((first, end)) = range.half_open() else {
        return Ok(0);
    };
    Tries::new(nodes, roots).count(first, end).await
}
