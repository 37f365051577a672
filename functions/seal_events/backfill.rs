//! Seals events that the stream did not deliver: those from before there was a log, and those of a
//! part of the stream that was given up.

use serde::{Deserialize, Serialize};

use super::SealEvents;
use crate::event::{EventId, Timestamp};
use crate::telemetry::Metric;
use crate::tree::seal::{Outcome, Pending};

/// An invocation that seals the events of a shard from the events table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The shard, a hex digit.
    pub shard: String,
    /// The id of an event, after which the backfill begins. `None` for the first event.
    #[serde(default)]
    pub after: Option<String>,
}

/// How far a backfill has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// The id after which the next invocation must begin, or `None` if the shard is complete.
    pub next: Option<String>,
}

/// A backfill that stopped. Invoke it again with the same `after`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackfillError {
    /// The invocation names no shard.
    #[error("{0:?} is not a shard; shards are the hex digits 0 to f")]
    Shard(String),
    /// The invocation names no event.
    #[error("{0:?} is not the id of an event")]
    After(String),
    /// The events cannot be read or sealed.
    #[error("the events after {after} are not sealed: {cause}")]
    Stopped {
        /// The id after which it must continue, or "the beginning".
        after: String,
        /// What failed.
        cause: String,
    },
}

impl SealEvents {
    /// Seals the events of a shard that are not in the log, until all are or the time is up.
    /// `deadline` is when Lambda will stop the function.
    ///
    /// # Errors
    ///
    /// [`BackfillError`], in one sentence.
    pub async fn backfill(
        &self,
        backfill: Backfill,
        deadline: Timestamp,
    ) -> Result<Backfilled, BackfillError> {
        let shard = match u8::from_str_radix(&backfill.shard, 16) {
            Ok(shard) if backfill.shard.len() == 1 => shard,
            _ => return Err(BackfillError::Shard(backfill.shard)),
        };
        let mut after = None;
        if let Some(text) = backfill.after {
            after = Some(EventId::parse(&text).ok_or(BackfillError::After(text))?);
        }
        let begun = after;
        let stopped = |after: Option<EventId>, cause: String| BackfillError::Stopped {
            after: after.map_or("the beginning".to_owned(), |id| id.to_string()),
            cause,
        };
        loop {
            let time_left = self.effects.batch_time_left(deadline);
            let slice = tokio::time::timeout(time_left, self.backfill_slice(shard, after)).await;
            match slice {
                Ok(Ok(None)) => return Ok(Backfilled { next: None }),
                Ok(Ok(next)) => after = next,
                Ok(Err(cause)) => return Err(stopped(after, cause)),
                Err(_) if after == begun => {
                    return Err(stopped(after, "the time was not enough".to_owned()));
                }
                Err(_) => {
                    let next = after.map(|id| id.to_string());
                    return Ok(Backfilled { next });
                }
            }
        }
    }

    /// Seals what one Query reads, and gives the id after which to continue.
    async fn backfill_slice(
        &self,
        shard: u8,
        after: Option<EventId>,
    ) -> Result<Option<EventId>, String> {
        let slice = self.store.entries_of(shard, after).await;
        let slice = slice.map_err(|error| error.to_string())?;
        let (events, not_events) = (slice.entries.len(), slice.not_events);
        if not_events > 0 {
            self.effects.count_many(Metric::EventsTampered, not_events);
            tracing::error!(
                shard,
                after = after.map(|id| id.to_string()),
                not_events,
                "items of the events table are not events; they are not sealed"
            );
        }
        let mut pending = Pending::new(slice.entries);
        if pending.is_empty() {
            return Ok(slice.next);
        }
        let result = self.seal(&mut pending).await;
        let sealed = pending.added();
        self.effects.count_many(Metric::EventsSealed, sealed);
        tracing::info!(shard, events, sealed, "backfill");
        match result {
            Ok(Outcome::Contradicted(contradiction)) => {
                self.effects.count(Metric::TreeContradicted);
                Err(contradiction.to_string())
            }
            Ok(_) => Ok(slice.next),
            Err(error) => Err(self.explain(&error)),
        }
    }
}
