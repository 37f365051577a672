//! Totals, and the way from a page number to an id: rank and select over a scope.
//!
//! Both are counted live on the events table, which is exact and costs what reading the events would.

use crate::event::{EventId, IdRange};
use crate::log::{Error, EventLog, Scope};

/// Counts the events of a log.
#[derive(Clone, Debug)]
pub struct Count {
    log: EventLog,
}

impl Count {
    /// The counts of `log`.
    pub fn new(log: EventLog) -> Count {
        Count { log }
    }

    /// How many events of `scope` lie in `range`.
    ///
    /// # Errors
    ///
    /// [`Error`], when the number cannot be had whole.
    pub async fn total(&self, scope: &Scope, range: IdRange) -> Result<u64, Error> {
        self.log.count(scope, range).await
    }

    /// The id at `rank` (0 is the newest) of `scope` in `range`; `None` past the end.
    ///
    /// # Errors
    ///
    /// [`Error`], when the id cannot be found for certain.
    pub async fn select(&self, scope: &Scope, range: IdRange, rank: u64) -> Result<Option<EventId>, Error> {
        self.log.id_at(scope, range, rank).await
    }
}
