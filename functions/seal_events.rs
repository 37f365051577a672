//! The stream of the events table: adds each new event to the transparency log.

mod backfill;
mod image;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::deps::Deps;
use crate::effects::Effects;
use crate::event::Timestamp;
use crate::store::{self, EventStore};
use crate::stream::{Batch, Record, gauge_lag, log_batch};
use crate::telemetry::Metric;
use crate::tree::seal::{Log, Outcome, Pending, SealError};
use crate::tree::{Entry, Origin, Signer, TreeTable};

pub use crate::stream::{BatchFailure, BatchResponse};
pub use backfill::{Backfill, BackfillError, Backfilled};
pub use image::Image;

/// A batch of a DynamoDB stream, with all that is recorded of the events.
pub type StreamBatch = Batch<Image>;

/// What the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Invocation {
    /// A batch of the stream.
    Stream(StreamBatch),
    /// A backfill, by an operator.
    Backfill {
        /// What to seal.
        backfill: Backfill,
    },
}

/// What the function answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To a batch of the stream.
    Stream(BatchResponse),
    /// To a backfill.
    Backfill(Backfilled),
}

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct SealEvents {
    log: Log,
    tree: TreeTable,
    store: EventStore,
    effects: Effects,
    /// Whether the log in the table was found to have this name.
    is_claimed: Arc<AtomicBool>,
}

/// A failure of a batch.
type Failure = SealError<store::Error>;

impl SealEvents {
    /// A handler that adds to the log with this name, which this key signs.
    pub fn new(deps: Deps, origin: Origin, signer: Arc<dyn Signer>) -> SealEvents {
        SealEvents {
            log: Log::new(origin, signer),
            tree: deps.tree,
            store: deps.store,
            effects: deps.effects,
            is_claimed: Arc::default(),
        }
    }

    /// Does what an invocation asks for. `deadline` is when Lambda will stop the function.
    ///
    /// # Errors
    ///
    /// [`BackfillError`], in one sentence. A batch of the stream always has an answer.
    pub async fn invoke(
        &self,
        invocation: Invocation,
        deadline: Timestamp,
    ) -> Result<Answer, BackfillError> {
        match invocation {
            Invocation::Stream(batch) => Ok(Answer::Stream(self.handle(batch, deadline).await)),
            Invocation::Backfill { backfill } => {
                let backfilled = self.backfill(backfill, deadline).await?;
                Ok(Answer::Backfill(backfilled))
            }
        }
    }

    /// Seals the events of a batch. `deadline` is when Lambda will stop the function.
    pub async fn handle(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let records = batch.records.len();
        let handling = self.seal_batch(batch, deadline);
        log_batch(&self.effects, "stream batch sealed", records, handling).await
    }

    async fn seal_batch(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let oldest = batch.oldest_change();
        let mut events = Vec::new();
        for record in batch.records {
            events.extend(self.new_event(record));
        }
        if events.is_empty() {
            return BatchResponse::from_failure(None);
        }

        // Lambda would stop the function without a response. What is in the log by then stays there.
        let mut pending = Pending::new(events.iter().map(|(_, entry)| *entry));
        let sealing = self.seal(&mut pending);
        let time_left = self.effects.batch_time_left(deadline);
        let result = tokio::time::timeout(time_left, sealing).await;
        self.effects
            .count_many(Metric::EventsSealed, pending.added());
        let cause = match result {
            Ok(Ok(outcome)) => {
                self.report(&outcome, oldest);
                return BatchResponse::from_failure(None);
            }
            Ok(Err(error)) => self.explain(&error),
            Err(_) => "the time for this batch ran out".to_owned(),
        };

        // The rest of the batch is redelivered. Nothing but a redelivery signs the log for certain,
        // so all of it is if the log has all.
        let first_missing = events.iter().find(|(_, entry)| pending.contains(entry));
        let failed_from = first_missing.or(events.first());
        self.effects.count(Metric::SealBatchesFailed);
        tracing::error!(cause, "the stream batch failed and will be redelivered");
        BatchResponse::from_failure(failed_from.map(|(number, _)| number.as_str()))
    }

    /// The sequence number and the entry of a record, or `None` for one that is not a new event.
    fn new_event(&self, record: Record<Image>) -> Option<(String, Entry)> {
        if !record.is_insert() {
            self.effects.count(Metric::EventsTampered);
            let (change, id) = (record.change(), record.id());
            tracing::error!(
                change,
                id,
                "an event was changed or removed in the events table"
            );
            return None;
        }
        let (sequence_number, image) = record.into_parts();
        match image.and_then(Image::entry) {
            Some(entry) => Some((sequence_number, entry)),
            None => {
                self.effects.count(Metric::EventsTampered);
                tracing::error!(
                    sequence_number,
                    "an item of the events table is not an event; it is not sealed"
                );
                None
            }
        }
    }

    /// Adds the entries that the log lacks, and signs it.
    async fn seal(&self, pending: &mut Pending) -> Result<Outcome, Failure> {
        if !self.is_claimed.load(Ordering::Relaxed) {
            self.log.claim(&self.tree).await?;
            self.is_claimed.store(true, Ordering::Relaxed);
        }
        let chain = self.log.seal(&self.tree, pending).await?;
        self.log.publish(&self.tree, &chain).await
    }

    /// Reports a batch that is in the log.
    fn report(&self, outcome: &Outcome, oldest: Option<f64>) {
        if let Outcome::Contradicted(contradiction) = outcome {
            self.effects.count(Metric::TreeContradicted);
            tracing::error!(
                cause = contradiction.to_string(),
                "the transparency log contradicts itself, so nothing was signed; events are still \
                 added to it"
            );
            return;
        }
        if let Some(oldest) = oldest {
            gauge_lag(&self.effects, Metric::SealLag, oldest);
        }
    }

    /// The cause of a failure for the logs. A log that lacks a part of itself does not heal.
    fn explain(&self, error: &Failure) -> String {
        if matches!(
            error,
            SealError::Broken { .. } | SealError::Incomplete { .. }
        ) {
            self.effects.count(Metric::TreeContradicted);
        }
        error.to_string()
    }
}
