//! The stream of the `events` table: adds each new event to the count index.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::count::Indexer;
use crate::dynamodb::Usage;
use crate::effects::Effects;
use crate::event::{EventId, Timestamp};
use crate::store::EventKey;
use crate::telemetry::Metric;

/// How long an invocation may go on filling lanes: meanwhile what is new waits in the stream, and has to be in the
/// index before it is no longer counted live. The next batch goes on.
const BACKFILL_TIME: Duration = Duration::from_secs(2);
/// What is kept of the time that Lambda gives an invocation for the last slice, which takes less as a rule.
const SLICE_TIME: Duration = Duration::from_secs(10);
/// The time for a batch that comes without a deadline.
const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct IndexEvents {
    indexer: Indexer,
    effects: Effects,
}

/// A batch of a DynamoDB stream, as far as it is read: the documents in the images are skipped unread.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-create-package.html>
#[derive(Debug, Deserialize)]
pub struct StreamBatch {
    /// Oldest first.
    #[serde(rename = "Records")]
    pub records: Vec<StreamRecord>,
}

/// One change of the table.
#[derive(Debug, Deserialize)]
pub struct StreamRecord {
    #[serde(rename = "eventName")]
    name: String,
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// Seconds since 1970.
    #[serde(rename = "ApproximateCreationDateTime", default)]
    created: Option<f64>,
    #[serde(rename = "NewImage", default)]
    image: Option<Image>,
}

#[derive(Debug, Deserialize)]
struct Image {
    id: Option<Text>,
    user_id: Option<Text>,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: Option<String>,
}

/// Which part of a batch Lambda is to deliver again: all from the first of these on.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResponse {
    /// At most one.
    #[serde(rename = "batchItemFailures")]
    pub failures: Vec<BatchFailure>,
}

/// A record that was not processed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFailure {
    /// Its sequence number.
    #[serde(rename = "itemIdentifier")]
    pub sequence_number: String,
}

const INSERT: &str = "INSERT";

impl IndexEvents {
    /// A handler that adds to `indexer`'s index.
    pub fn new(indexer: Indexer, effects: Effects) -> IndexEvents {
        IndexEvents { indexer, effects }
    }

    /// Adds a batch's events; `deadline` is when Lambda will stop the function.
    pub async fn handle(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let started = self.effects.now();
        let records = batch.records.len();
        let (response, usage) = Usage::of(self.add(batch, deadline)).await;
        tracing::info!(
            records,
            failed_from = response.failures.first().map(|failure| failure.sequence_number.as_str()),
            duration_ms = self.effects.now().since(started).as_secs_f64() * 1000.0,
            dynamodb_calls = usage.calls,
            dynamodb_rounds = usage.rounds,
            dynamodb_read_units = usage.read.total(),
            dynamodb_write_units = usage.written.total(),
            "indexed"
        );
        response
    }

    async fn add(&self, batch: StreamBatch, deadline: Timestamp) -> BatchResponse {
        let oldest = batch.records.iter().filter_map(|record| record.dynamodb.created).reduce(f64::min);
        let (numbers, events): (Vec<String>, Vec<EventKey>) = batch.records.into_iter().filter_map(event).unzip();
        let now = self.effects.now();
        let time_left = || self.effects.time_left(deadline).unwrap_or(DEFAULT_TIME);
        // Lambda would stop it without an answer. Delivered again, it is done sooner: what is in the index is only read.
        let Ok(added) = tokio::time::timeout(time_left(), self.indexer.add(&events, now)).await else {
            return self.again_from(numbers.first(), "the time for this batch ran out");
        };
        let first = added.failed.into_iter().min_by_key(|(position, _)| *position);
        if let Some((position, problem)) = first {
            return self.again_from(numbers.get(position), &problem.to_string());
        }
        if let Some(oldest) = oldest {
            let lag = self.effects.now().millis() as f64 - oldest * 1000.0;
            self.effects.note(Metric::IndexLag, lag.max(0.0), None);
        }
        let until = self.effects.now().plus(BACKFILL_TIME.min(time_left().saturating_sub(SLICE_TIME)));
        let more = || self.effects.now() < until;
        let filled = tokio::time::timeout(time_left(), self.indexer.backfill(added.building, now, more)).await;
        // The events of this batch are in the index. The next batch takes the backfill up again.
        match filled {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => tracing::error!(cause = %problem, "a backfill stopped"),
            Err(_) => tracing::error!(cause = "the time for this batch ran out", "a backfill stopped"),
        }
        BatchResponse { failures: Vec::new() }
    }

    /// Has a batch delivered again from the record with this number on; a batch without events has none.
    fn again_from(&self, number: Option<&String>, cause: &str) -> BatchResponse {
        self.effects.note(Metric::IndexBatchesFailed, 1.0, None);
        tracing::error!(cause, "the batch is to be delivered again");
        let failure = |number: &String| BatchFailure { sequence_number: number.clone() };
        BatchResponse { failures: number.map(failure).into_iter().collect() }
    }
}

/// A record's sequence number and event; `None` for what is not a new event.
fn event(record: StreamRecord) -> Option<(String, EventKey)> {
    if record.name != INSERT {
        return None;
    }
    let Change { sequence_number, image, .. } = record.dynamodb;
    let text = |attribute: Option<Text>| attribute.and_then(|attribute| attribute.text);
    let (id, user_id) = image.map_or((None, None), |image| (text(image.id), text(image.user_id)));
    match (id.as_deref().and_then(EventId::parse), user_id) {
        (Some(id), Some(user_id)) => Some((sequence_number, EventKey { id, user_id })),
        _ => {
            tracing::error!(sequence_number, "an item of the events table is no event; it is not counted");
            None
        }
    }
}
