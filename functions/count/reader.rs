//! Rank and select over a scope: live at the edge, from the index before it.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};

use super::trie::{self, Before, Lane, Node, Roots, State, Storage};
use super::{CountsTable, EDGE, Lanes, lane_of};
use crate::event::{EventId, IdRange, Timestamp};
use crate::log::{Error, EventLog, Partition, Scope};

/// Counts the events of a log.
#[derive(Clone, Debug)]
pub struct Count {
    log: EventLog,
    counts: CountsTable,
}

/// A total, and the event at a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// How many events there are.
    pub total: u64,
    /// The id at the rank; `None` past the end.
    pub id: Option<EventId>,
}

/// The part of a range before the live edge, and what the index knows of it.
struct Older {
    range: IdRange,
    lanes: Lanes,
    /// Of the lanes that are ready.
    roots: Roots,
    /// The partitions whose lanes are not ready: their events are counted themselves. Until the date of a raise the new
    /// shards are among these, and empty.
    unindexed: Vec<Partition>,
}

/// A partition without a lane is read beside lanes that are ready as if it were a leaf, if it has no more events.
const LEAF_EVENTS_MAX: usize = 1000;

type IndexError = trie::Error<Error>;

/// The index contradicts itself.
const BROKEN: IndexError = trie::Error::Broken(trie::Prefix::ROOT);

impl Count {
    /// The counts of `log`, with the index in `counts`.
    pub fn new(log: EventLog, counts: CountsTable) -> Count {
        Count { log, counts }
    }

    /// How many events of `scope` lie in `range`.
    ///
    /// # Errors
    ///
    /// [`Error`], when the number cannot be had whole.
    pub async fn total(&self, scope: &Scope, range: IdRange, now: Timestamp) -> Result<u64, Error> {
        let live = async |edge| Ok(((), self.log.count(scope, edge).await?));
        let (total, ()) = self.total_beside(scope, range, now, live).await?;
        Ok(total)
    }

    /// The same beside what `live` brings, which counts the events in the range that it is given: those since the live
    /// edge. Whoever reads the newest events anyway has counted some of them, or all.
    ///
    /// # Errors
    ///
    /// [`Error`], when the number cannot be had whole, or what `live` fails with.
    pub async fn total_beside<T>(
        &self,
        scope: &Scope,
        range: IdRange,
        now: Timestamp,
        live: impl AsyncFnOnce(IdRange) -> Result<(T, u64), Error>,
    ) -> Result<(u64, T), Error> {
        let (range, edge) = at_edge(range, now);
        let older = async { self.count(scope, &self.older(scope, range).await?).await };
        let (older, (beside, live)) = try_join(older, live(edge)).await?;
        Ok((older + live, beside))
    }

    /// The total, and the id at `rank` (0 is the newest) of `scope` in `range`.
    ///
    /// # Errors
    ///
    /// [`Error`], when either cannot be found for certain.
    pub async fn locate(&self, scope: &Scope, range: IdRange, rank: u64, now: Timestamp) -> Result<Located, Error> {
        let (range, edge) = at_edge(range, now);
        let (older, live) = try_join(self.older(scope, range), self.log.count(scope, edge)).await?;
        let Some(rank) = rank.checked_sub(live) else {
            let (older, id) = try_join(self.count(scope, &older), self.log.id_at(scope, edge, rank)).await?;
            return Ok(Located { total: older + live, id });
        };
        let (total, id) = match trusted(Box::pin(self.select(&older, rank)).await)?.flatten() {
            Some(Located { total, id }) => (total, id),
            None => try_join(self.count(scope, &older), self.log.id_at(scope, range, rank)).await?,
        };
        Ok(Located { total: total + live, id })
    }

    /// What the index knows of a range that ends before the live edge.
    async fn older(&self, scope: &Scope, range: IdRange) -> Result<Older, Error> {
        let lanes = self.counts.lanes(scope);
        let level = trusted(lanes.level(trie::Prefix::ROOT).await.map_err(trie::Error::Storage))?.unwrap_or_default();
        let ready = level.into_iter().filter(|(_, root)| root.state == Some(State::Ready));
        let mut ready: BTreeMap<Lane, Node> = ready.map(|(lane, root)| (lane, root.node)).collect();
        let (mut roots, mut unindexed) = (Vec::new(), Vec::new());
        for partition in self.log.partitions(scope) {
            let lane = lane_of(&partition);
            match ready.remove(&lane) {
                Some(root) => roots.push((lane, root)),
                None => unindexed.push(partition),
            }
        }
        Ok(Older { range, lanes, roots: Roots(roots), unindexed })
    }

    /// How many events there are.
    async fn count(&self, scope: &Scope, older: &Older) -> Result<u64, Error> {
        let indexed = async { trusted(older.count().await) };
        let unindexed = self.log.count_in(&older.unindexed, older.range);
        match try_join(indexed, unindexed).await? {
            (Some(indexed), unindexed) => Ok(indexed + unindexed),
            (None, _) => self.log.count(scope, older.range).await,
        }
    }

    /// How many events there are, and the id at `rank`; `None` where that takes a walk.
    async fn select(&self, older: &Older, rank: u64) -> Result<Option<Located>, IndexError> {
        let Some((first, end)) = older.range.keys() else { return Ok(Some(Located { total: 0, id: None })) };
        if older.roots.0.is_empty() {
            return Ok(None);
        }
        let Some(leaves) = self.leaves(older).await? else { return Ok(None) };
        let roots = Roots([older.roots.0.as_slice(), leaves.as_slice()].concat());
        let before = Before::read(&older.lanes, &roots, end);
        let (before, count) = match first {
            // From the first event on: the way to the end has counted them.
            0 => {
                let before = before.await?;
                let count = before.count();
                (before, count)
            }
            first => try_join(before, trie::count(&older.lanes, &roots, first, end)).await?,
        };
        if rank >= count {
            return Ok(Some(Located { total: count, id: None }));
        }
        Ok(Some(match before.select(&older.lanes, rank).await?.filter(|key| *key >= first) {
            Some(key) => Located { total: count, id: Some(EventId::from_bits(key).ok_or(BROKEN)?) },
            // Late events came into the range between the two readings: there was a moment with this many.
            None => Located { total: rank, id: None },
        }))
    }

    /// The keys of the partitions whose lanes are not ready, as leaves; `None` where one has more than
    /// [`LEAF_EVENTS_MAX`].
    async fn leaves(&self, older: &Older) -> Result<Option<Vec<(Lane, Node)>>, Error> {
        let leaves = older.unindexed.iter().map(|partition| async move {
            let (mut keys, mut more) = (Vec::new(), true);
            while more && keys.len() <= LEAF_EVENTS_MAX {
                let rest = keys.last().map_or(older.range, |last| older.range.starting(last + 1));
                let slice = self.log.keys(partition, rest, LEAF_EVENTS_MAX + 1 - keys.len()).await?;
                keys.extend(slice.keys.iter().map(|key| key.id.to_bits()));
                more = slice.more;
            }
            Ok((keys.len() <= LEAF_EVENTS_MAX).then(|| (lane_of(partition), Node::Leaf(keys))))
        });
        try_join_all(leaves).await.map(|leaves| leaves.into_iter().collect())
    }
}

impl Older {
    /// How many events there are in the lanes that are ready.
    async fn count(&self) -> Result<u64, IndexError> {
        match self.range.keys() {
            Some((first, end)) => Box::pin(trie::count(&self.lanes, &self.roots, first, end)).await,
            None => Ok(0),
        }
    }
}

/// The parts of `range` before the live edge and from it on.
fn at_edge(range: IdRange, now: Timestamp) -> (IdRange, IdRange) {
    range.split(EventId::lowest_at(now.minus(EDGE)))
}

/// What the index says. A database that does not answer is an error; an index that cannot be right is not used, as if
/// it were not ready.
fn trusted<T>(answer: Result<T, IndexError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(trie::Error::Storage(error)) if !matches!(error, Error::Corrupt { .. }) => Err(error),
        Err(broken) => {
            tracing::error!(cause = %broken, "the count index is not used");
            Ok(None)
        }
    }
}
