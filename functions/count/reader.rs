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

/// What a range holds on either side of the live edge.
struct Split {
    lanes: Lanes,
    roots: Roots,
    /// The part of the range whose events are counted live, and how many they are.
    edge: (IdRange, u64),
    /// How many events the older part of the range has, and how many of the index come before its end.
    older: (u64, u64),
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
        match trusted(self.split(scope, range, now).await)? {
            Some(split) => Ok(split.total()),
            None => self.log.count(scope, range).await,
        }
    }

    /// The total, and the id at `rank` (0 is the newest) of `scope` in `range`.
    ///
    /// # Errors
    ///
    /// [`Error`], when either cannot be found for certain.
    pub async fn locate(&self, scope: &Scope, range: IdRange, rank: u64, now: Timestamp) -> Result<Located, Error> {
        if let Some(located) = trusted(self.locate_by_index(scope, range, rank, now).await)? {
            return Ok(located);
        }
        let (total, id) = try_join(self.log.count(scope, range), self.log.id_at(scope, range, rank)).await?;
        Ok(Located { total, id })
    }

    async fn locate_by_index(
        &self,
        scope: &Scope,
        range: IdRange,
        rank: u64,
        now: Timestamp,
    ) -> Result<Option<Located>, IndexError> {
        let Some(split) = self.split(scope, range, now).await? else { return Ok(None) };
        let total = split.total();
        let (edge, live) = split.edge;
        let id = if rank >= total {
            None
        } else if rank < live {
            self.log.id_at(scope, edge, rank).await?
        } else {
            // From the oldest: what the index holds beyond the edge then does not matter.
            let position = split.older.1.checked_sub(1 + rank - live).ok_or(BROKEN)?;
            let key = trie::select(&split.lanes, &split.roots, position).await?;
            let id = key.and_then(EventId::from_bits);
            Some(id.ok_or(BROKEN)?)
        };
        Ok(Some(Located { total, id }))
    }

    /// Counts `range` on either side of the live edge; `None` when the index is not ready for it.
    async fn split(&self, scope: &Scope, range: IdRange, now: Timestamp) -> Result<Option<Split>, IndexError> {
        let (older, edge) = range.split(EventId::lowest_at(now.minus(EDGE)));
        let lanes = self.counts.lanes(scope);
        let (level, live) = try_join(lanes.level(trie::Prefix::ROOT), self.log.count(scope, edge)).await?;
        let ready = |lane: u8| level.iter().any(|(found, root)| *found == lane && root.state == Some(State::Ready));
        let all_ready = match scope {
            Scope::Everyone => self.log.shards().all().all(ready),
            Scope::User(_) => ready(USER_LANE),
        };
        if !all_ready {
            return Ok(None);
        }
        let roots = Roots(level.into_iter().map(|(lane, entry)| (lane, entry.node)).collect());
        let older = match older.keys() {
            Some((0, end)) => {
                let rank = trie::rank(&lanes, &roots, end).await?;
                (rank, rank)
            }
            Some((first, end)) => {
                try_join(trie::count(&lanes, &roots, first, end), trie::rank(&lanes, &roots, end)).await?
            }
            None => (0, 0),
        };
        Ok(Some(Split { lanes, roots, edge: (edge, live), older }))
    }
}

/// The lane of a user's only trie.
pub(super) const USER_LANE: trie::Lane = 0;

impl Split {
    fn total(&self) -> u64 {
        self.edge.1 + self.older.0
    }
}

/// What the index says. A database that does not answer is an error; an index that cannot be right is not used, as if
/// it were not ready.
fn trusted<T>(answer: Result<Option<T>, IndexError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(trie::Error::Storage(error)) if !matches!(error, Error::Corrupt { .. }) => Err(error),
        Err(broken) => {
            tracing::error!(cause = %broken, "the count index is not used");
            Ok(None)
        }
    }
}
