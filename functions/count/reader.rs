//! Totals, and from a rank to an id, over a scope: live around now, from the index before and after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{try_join, try_join_all};

use super::live::{Budget, Live, LivePart, LiveReader};
use super::range::Parts;
use super::trie::{self, Before, Lane, Node, Roots, State, Storage};
use super::{CountsTable, Lanes, lane_of, started_shards};
use crate::event::{EventId, IdRange, MAX_SHARDS, Timestamp};
use crate::store::{Error, EventStore, Partition, Scope, Seen};

/// Counts the events of a log. Clones share what they have learned of its load.
#[derive(Clone, Debug)]
pub struct Count {
    store: EventStore,
    counts: CountsTable,
    live: LiveReader,
    /// Whether the log has been told that SHARDS is too low: once is enough for a process.
    warned: Arc<AtomicBool>,
}

/// How many events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// So many, or at least so many.
    pub events: u64,
    /// Nothing was left out for cost. It takes for granted that the index trails by less than ten seconds.
    pub exact: bool,
}

/// A total, and the event at a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// How many events there are.
    pub total: Total,
    /// The id at the rank; `None` past the end.
    pub id: Option<EventId>,
}

/// What the index knows of a scope: one read of the roots of its lanes.
#[derive(Clone, Debug)]
pub struct ScopeIndex {
    lanes: Lanes,
    /// The partitions whose lanes are ready, with their roots.
    ready: Vec<(Partition, Node)>,
    /// The other partitions: their events are counted themselves.
    unready: Vec<Partition>,
    /// Those among all of them that the settings do not name.
    unlisted: Vec<Partition>,
}

/// A partition without a lane is read beside lanes that are ready as if it were a leaf, if it has no more events.
const MAX_EVENTS_AS_LEAF: usize = 1000;

type IndexError = trie::Error<Error>;

/// The index contradicts itself.
const BROKEN: IndexError = trie::Error::Broken(trie::Prefix::ROOT);

impl ScopeIndex {
    /// The shards that have a lane, though the settings name fewer shards.
    pub fn unlisted(&self) -> Vec<Partition> {
        self.unlisted.clone()
    }

    /// All partitions of the scope.
    fn partitions(&self) -> Vec<Partition> {
        self.ready.iter().map(|(partition, _)| partition).chain(&self.unready).cloned().collect()
    }

    /// How many partitions the scope has.
    fn len(&self) -> usize {
        self.ready.len() + self.unready.len()
    }

    fn ready_partitions(&self) -> Vec<Partition> {
        self.ready.iter().map(|(partition, _)| partition.clone()).collect()
    }

    fn roots(&self) -> Vec<(Lane, Node)> {
        self.ready.iter().map(|(partition, root)| (lane_of(partition), root.clone())).collect()
    }
}

impl Count {
    /// The counts of `log`, with the index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable) -> Count {
        Count { live: LiveReader::new(store.clone()), store, counts, warned: Arc::default() }
    }

    /// Reads the roots of a scope's lanes: one call.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn index(&self, scope: &Scope) -> Result<ScopeIndex, Error> {
        let lanes = self.counts.lanes(scope);
        let level = trusted(lanes.level(trie::Prefix::ROOT).await.map_err(trie::Error::Storage))?;
        let listed = self.store.partitions(scope);
        let unlisted = self.unlisted(scope, &listed, level.as_deref());
        let level = level.unwrap_or_default();
        let is_ready = |(_, root): &(Lane, trie::Entry)| root.state == Some(State::Ready);
        let mut roots: BTreeMap<Lane, Node> =
            level.into_iter().filter(is_ready).map(|(lane, root)| (lane, root.node)).collect();
        let mut index = ScopeIndex { lanes, ready: Vec::new(), unready: Vec::new(), unlisted: unlisted.clone() };
        for partition in listed.into_iter().chain(unlisted) {
            match roots.remove(&lane_of(&partition)) {
                Some(root) => index.ready.push((partition, root)),
                None => index.unready.push(partition),
            }
        }
        Ok(index)
    }

    /// How many events lie in `range`. What `seen` has read from the newest event of `range` on is not read again.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn total(
        &self,
        index: &ScopeIndex,
        range: IdRange,
        seen: &[Seen],
        now: Timestamp,
    ) -> Result<Total, Error> {
        let parts = Parts::of(range, now);
        let ready = index.ready_partitions();
        let live = self.live.read(&ready, index.len(), parts.live, seen, Budget::Total, now);
        let (live, unready) = try_join(live, self.count_unready(index, range, seen)).await?;
        let live = merge(&live.iter().collect::<Vec<_>>(), parts.live);
        let (below, ahead) = (range_below(range, &parts, &live), parts.ahead);
        let roots = Roots(index.roots());
        let indexed = try_join(count_keys(&index.lanes, &roots, below), count_keys(&index.lanes, &roots, ahead));
        Ok(match trusted(Box::pin(indexed).await)? {
            Some((below, ahead)) => {
                Total { events: below + live.ids.len() as u64 + ahead + unready, exact: live.whole }
            }
            None => self.count_themselves(index, range).await?,
        })
    }

    /// Reads the live window for [`locate`](Count::locate), of the partitions that the settings name.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn live(&self, scope: &Scope, range: IdRange, now: Timestamp) -> Result<Vec<LivePart>, Error> {
        let (partitions, parts) = (self.store.partitions(scope), Parts::of(range, now));
        self.live.read(&partitions, partitions.len(), parts.live, &[], Budget::Place, now).await
    }

    /// The total, and the id at `rank` (0 is the newest) in `range`, of which `live` was read before.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn locate(
        &self,
        index: &ScopeIndex,
        mut live: Vec<LivePart>,
        range: IdRange,
        rank: u64,
        now: Timestamp,
    ) -> Result<Located, Error> {
        let parts = Parts::of(range, now);
        let unlisted = self.live.read(&index.unlisted, index.len(), parts.live, &[], Budget::Place, now);
        let (unlisted, leaves) = try_join(unlisted, self.leaves(index, range)).await?;
        live.extend(unlisted);
        let located = match leaves {
            Some(leaves) => trusted(Box::pin(self.select(index, &leaves, &live, range, rank, now)).await)?,
            None => None,
        };
        if let Some(located) = located {
            return Ok(located);
        }
        let walk = self.store.id_at(index.partitions(), range, rank);
        let (total, id) = try_join(self.total(index, range, &[], now), walk).await?;
        Ok(Located { total, id })
    }

    /// The same, where every partition that is not ready is given as a leaf.
    async fn select(
        &self,
        index: &ScopeIndex,
        leaves: &[(Partition, Vec<EventId>)],
        live: &[LivePart],
        range: IdRange,
        rank: u64,
        now: Timestamp,
    ) -> Result<Located, IndexError> {
        let parts = Parts::of(range, now);
        // Of a leaf every key is known, and so its live window, too.
        let from_leaves: Vec<LivePart> = leaves
            .iter()
            .map(|(partition, keys)| {
                let ids = keys.iter().rev().copied().filter(|id| parts.live.contains(*id)).collect();
                LivePart { partition: partition.clone(), ids, whole: true }
            })
            .collect();
        let is_ready = |part: &&LivePart| !index.unready.contains(&part.partition);
        let live: Vec<&LivePart> = live.iter().filter(is_ready).chain(&from_leaves).collect();
        let live = merge(&live, parts.live);
        let below = range_below(range, &parts, &live);

        let mut roots = index.roots();
        roots.extend(
            leaves.iter().map(|(partition, keys)| {
                (lane_of(partition), Node::Leaf(keys.iter().map(|id| id.to_bits()).collect()))
            }),
        );
        let roots = Roots(roots);
        let (ahead, (before, below_count)) =
            try_join(count_keys(&index.lanes, &roots, parts.ahead), before_and_count(&index.lanes, &roots, below))
                .await?;

        // Newest first: what is ahead, what is live, what is older.
        let live_count = live.ids.len() as u64;
        let total = Total { events: ahead + live_count + below_count, exact: live.whole };
        if rank < ahead {
            let (before, _) = before_and_count(&index.lanes, &roots, parts.ahead).await?;
            let id = match self.select_in(index, &before, parts.ahead, rank).await? {
                Some(id) => Some(id),
                // A key that was counted cannot be reached yet, because it is being added. What follows it can.
                None => parts.ahead.keys().and_then(|(first, _)| EventId::from_bits(first)),
            };
            return Ok(Located { total, id });
        }
        if let Some(id) = usize::try_from(rank - ahead).ok().and_then(|rank| live.ids.get(rank)) {
            return Ok(Located { total, id: Some(*id) });
        }
        let newer = ahead + live_count;
        if rank - newer >= below_count {
            return Ok(Located { total, id: None });
        }
        Ok(match self.select_in(index, &before, below, rank - newer).await? {
            Some(id) => Located { total, id: Some(id) },
            // Late events came into the range between two readings: there was a moment with this many.
            None => Located { total: Total { events: rank, ..total }, id: None },
        })
    }

    /// The key at `rank` among those of `range`, which end where `before` does.
    async fn select_in(
        &self,
        index: &ScopeIndex,
        before: &Before,
        range: IdRange,
        rank: u64,
    ) -> Result<Option<EventId>, IndexError> {
        let first = range.keys().map_or(0, |(first, _)| first);
        match before.select(&index.lanes, rank).await?.filter(|key| *key >= first) {
            Some(key) => Ok(Some(EventId::from_bits(key).ok_or(BROKEN)?)),
            None => Ok(None),
        }
    }

    /// The shards up to the highest one that has a root, beyond those that the settings name. Where the roots cannot be
    /// read, all that there can be.
    fn unlisted(&self, scope: &Scope, listed: &[Partition], roots: Option<&[(Lane, trie::Entry)]>) -> Vec<Partition> {
        let Scope::Everyone = scope else { return Vec::new() };
        let shards = roots.map_or(MAX_SHARDS, started_shards);
        let unlisted = (0..shards).map(Partition::Shard).filter(|partition| !listed.contains(partition));
        let unlisted: Vec<Partition> = unlisted.collect();
        if roots.is_some() && !unlisted.is_empty() && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::error!(
                setting = listed.len(),
                shards,
                "SHARDS is lower than the number of shards that have events; all of them are listed; raise SHARDS"
            );
        }
        unlisted
    }

    /// How many events the partitions have whose lanes are not ready: what was seen, and what is left of the range.
    async fn count_unready(&self, index: &ScopeIndex, range: IdRange, seen: &[Seen]) -> Result<u64, Error> {
        let counts = index.unready.iter().map(|partition| async move {
            let seen = seen.iter().find(|seen| seen.partition == *partition);
            let met = seen.map_or(0, |seen| seen.ids.len() as u64);
            if seen.is_some_and(|seen| seen.finished) {
                return Ok(met);
            }
            let rest = seen.map_or(range, |seen| seen.rest(range));
            Ok(met + self.store.count_in(std::slice::from_ref(partition), rest).await?)
        });
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// Counts all events without the index.
    async fn count_themselves(&self, index: &ScopeIndex, range: IdRange) -> Result<Total, Error> {
        Ok(Total { events: self.store.count_in(&index.partitions(), range).await?, exact: true })
    }

    /// The keys of the partitions whose lanes are not ready, oldest first; `None` where one has more than
    /// [`MAX_EVENTS_AS_LEAF`].
    async fn leaves(
        &self,
        index: &ScopeIndex,
        range: IdRange,
    ) -> Result<Option<Vec<(Partition, Vec<EventId>)>>, Error> {
        let leaves = index.unready.iter().map(|partition| async move {
            let (mut ids, mut more) = (Vec::<EventId>::new(), true);
            while more && ids.len() <= MAX_EVENTS_AS_LEAF {
                let rest = ids.last().map_or(range, |last| range.starting(last.to_bits() + 1));
                let slice = self.store.keys(partition, rest, MAX_EVENTS_AS_LEAF + 1 - ids.len()).await?;
                ids.extend(slice.keys.iter().map(|key| key.id));
                more = slice.more;
            }
            Ok((ids.len() <= MAX_EVENTS_AS_LEAF).then(|| (partition.clone(), ids)))
        });
        try_join_all(leaves).await.map(|leaves| leaves.into_iter().collect())
    }
}

fn merge(parts: &[&LivePart], live: IdRange) -> Live {
    let (begin, end) = live.keys().unwrap_or_default();
    Live::merge(parts, begin, end)
}

/// What the index counts below the part of the live window that was read.
fn range_below(range: IdRange, parts: &Parts, live: &Live) -> IdRange {
    if live.whole { parts.older } else { range.ending(live.begin) }
}

/// How many keys of these lanes lie in `range`.
async fn count_keys(lanes: &Lanes, roots: &Roots, range: IdRange) -> Result<u64, IndexError> {
    match range.keys() {
        Some((first, end)) => trie::count(lanes, roots, first, end).await,
        None => Ok(0),
    }
}

/// The way to the end of `range`, for a selection, and how many keys of these lanes lie in `range`.
async fn before_and_count(lanes: &Lanes, roots: &Roots, range: IdRange) -> Result<(Before, u64), IndexError> {
    let (first, end) = range.keys().unwrap_or_default();
    let before = Before::read(lanes, roots, end);
    match first {
        // From the first event on: the way to the end has counted them.
        0 => {
            let before = before.await?;
            let count = before.count();
            Ok((before, count))
        }
        first => try_join(before, trie::count(lanes, roots, first, end)).await,
    }
}

/// What the index says. A database that does not answer is an error; an index that cannot be right is not used, as if
/// it were not ready.
fn trusted<T>(response: Result<T, IndexError>) -> Result<Option<T>, Error> {
    match response {
        Ok(response) => Ok(Some(response)),
        Err(trie::Error::Storage(error)) if !matches!(error, Error::Corrupt { .. } | Error::UnknownKind { .. }) => {
            Err(error)
        }
        Err(broken) => {
            tracing::error!(cause = %broken, "the count index is not used");
            Ok(None)
        }
    }
}
