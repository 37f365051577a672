//! Rank and select over a scope: live at the edge, from the index before it.

use futures_util::future::try_join;

use super::trie::{self, Roots, State, Storage};
use super::{CountsTable, EDGE, Lanes};
use crate::event::{EventId, IdRange, Timestamp};
use crate::log::{Error, EventLog, Scope};

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

/// What the index says of the part of a range before the live edge.
struct Older {
    lanes: Lanes,
    roots: Roots,
    /// How many events the part has.
    count: u64,
    /// How many of the index come before its end.
    rank: u64,
}

/// How much of a range was counted: what is before the live edge, by the index, or all of it.
enum Counted {
    Older(u64),
    Whole(u64),
}

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
        let (older, edge) = at_edge(range, now);
        let counted = async {
            match self.older(scope, older).await? {
                Some(older) => Ok(Counted::Older(older.count)),
                None => self.log.count(scope, range).await.map(Counted::Whole),
            }
        };
        let (counted, (beside, live)) = try_join(counted, live(edge)).await?;
        let total = match counted {
            Counted::Older(older) => older + live,
            Counted::Whole(total) => total,
        };
        Ok((total, beside))
    }

    /// The total, and the id at `rank` (0 is the newest) of `scope` in `range`.
    ///
    /// # Errors
    ///
    /// [`Error`], when either cannot be found for certain.
    pub async fn locate(&self, scope: &Scope, range: IdRange, rank: u64, now: Timestamp) -> Result<Located, Error> {
        let (older, edge) = at_edge(range, now);
        let (older, live) = try_join(self.older(scope, older), self.log.count(scope, edge)).await?;
        if let Some(older) = older {
            let total = live + older.count;
            if rank >= total {
                return Ok(Located { total, id: None });
            }
            if rank < live {
                return Ok(Located { total, id: self.log.id_at(scope, edge, rank).await? });
            }
            if let Some(id) = trusted(older.select(rank - live).await)? {
                return Ok(Located { total, id: Some(id) });
            }
        }
        let (total, id) = try_join(self.log.count(scope, range), self.log.id_at(scope, range, rank)).await?;
        Ok(Located { total, id })
    }

    /// What the index says of `range`; `None` where it is not to be used.
    async fn older(&self, scope: &Scope, range: IdRange) -> Result<Option<Older>, Error> {
        trusted(self.indexed(scope, range).await).map(Option::flatten)
    }

    /// The same; `None` where it is not ready.
    async fn indexed(&self, scope: &Scope, range: IdRange) -> Result<Option<Older>, IndexError> {
        let lanes = self.counts.lanes(scope);
        let level = lanes.level(trie::Prefix::ROOT).await?;
        let ready = |lane: u8| level.iter().any(|(found, root)| *found == lane && root.state == Some(State::Ready));
        let all_ready = match scope {
            Scope::Everyone => self.log.shards().all().all(ready),
            Scope::User(_) => ready(USER_LANE),
        };
        if !all_ready {
            return Ok(None);
        }
        let roots = Roots(level.into_iter().map(|(lane, entry)| (lane, entry.node)).collect());
        let (count, rank) = match range.keys() {
            Some((0, end)) => {
                let rank = trie::rank(&lanes, &roots, end).await?;
                (rank, rank)
            }
            Some((first, end)) => {
                try_join(trie::count(&lanes, &roots, first, end), trie::rank(&lanes, &roots, end)).await?
            }
            None => (0, 0),
        };
        Ok(Some(Older { lanes, roots, count, rank }))
    }
}

/// The lane of a user's only trie.
pub(super) const USER_LANE: trie::Lane = 0;

impl Older {
    /// The id at `rank` (0 is the newest) of the part.
    async fn select(&self, rank: u64) -> Result<EventId, IndexError> {
        // From the oldest: what the index holds beyond the part's end then does not matter.
        let position = self.rank.checked_sub(1 + rank).ok_or(BROKEN)?;
        let key = trie::select(&self.lanes, &self.roots, position).await?;
        key.and_then(EventId::from_bits).ok_or(BROKEN)
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
