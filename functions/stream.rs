//! What Lambda delivers of a DynamoDB stream, and how a function answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-create-package.html>

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::dynamodb::Usage;
use crate::effects::Effects;
use crate::telemetry::Metric;

/// A batch of a stream, with the parts that are read. `I` is what is read of a new image.
#[derive(Debug, Deserialize)]
pub struct Batch<I> {
    /// Oldest first.
    #[serde(rename = "Records")]
    pub records: Vec<Record<I>>,
}

/// One change of the table.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "I: Deserialize<'de>"))]
pub struct Record<I> {
    #[serde(rename = "eventName")]
    name: String,
    dynamodb: Change<I>,
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "I: Deserialize<'de>"))]
struct Change<I> {
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// Seconds since 1970.
    #[serde(rename = "ApproximateCreationDateTime", default)]
    created: Option<f64>,
    #[serde(rename = "Keys", default)]
    keys: Option<Keys>,
    #[serde(rename = "NewImage", default)]
    image: Option<I>,
}

#[derive(Debug, Deserialize)]
struct Keys {
    id: Option<Text>,
}

/// An attribute that should be a string.
#[derive(Debug, Deserialize)]
pub struct Text {
    /// `None` for an attribute of another type.
    #[serde(rename = "S")]
    pub text: Option<String>,
}

/// The part of a batch that Lambda must redeliver: everything from the first of these on.
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

/// The name of the change that a new item is. Events are never modified or removed.
const INSERT: &str = "INSERT";

impl<I> Batch<I> {
    /// When the oldest change of the batch was written, in seconds since 1970.
    pub fn oldest_change(&self) -> Option<f64> {
        let created = self
            .records
            .iter()
            .filter_map(|record| record.dynamodb.created);
        created.reduce(f64::min)
    }
}

impl<I> Record<I> {
    /// Whether the change is a new item.
    pub fn is_insert(&self) -> bool {
        self.name == INSERT
    }

    /// The name of the change: `INSERT`, `MODIFY` or `REMOVE`.
    pub fn change(&self) -> &str {
        &self.name
    }

    /// The `id` among the keys of the item.
    pub fn id(&self) -> Option<&str> {
        self.dynamodb.keys.as_ref()?.id.as_ref()?.text.as_deref()
    }

    /// The sequence number, and the new item if there is one.
    pub fn into_parts(self) -> (String, Option<I>) {
        (self.dynamodb.sequence_number, self.dynamodb.image)
    }
}

impl BatchResponse {
    /// Has everything from this sequence number on redelivered, or nothing if there is none.
    pub fn from_failure(sequence_number: Option<&str>) -> BatchResponse {
        let failures = sequence_number.map(|number| BatchFailure {
            sequence_number: number.to_owned(),
        });
        BatchResponse {
            failures: failures.into_iter().collect(),
        }
    }
}

/// Handles a batch of this many records, and writes a log line with what that used.
pub(crate) async fn log_batch(
    effects: &Effects,
    message: &'static str,
    records: usize,
    handling: impl Future<Output = BatchResponse>,
) -> BatchResponse {
    let started = effects.now();
    let (response, usage) = Usage::of(handling).await;
    let failed_from = response.failures.first();
    tracing::info!(
        records,
        failed_from = failed_from.map(|failure| failure.sequence_number.as_str()),
        duration_ms = effects.now().since(started).as_secs_f64() * 1000.0,
        dynamodb_calls = usage.calls,
        dynamodb_rounds = usage.rounds,
        dynamodb_read_units = usage.read.total(),
        dynamodb_write_units = usage.written.total(),
        "{message}"
    );
    response
}

/// Reports how long the oldest change of a batch has waited: it was written at `oldest`, in seconds
/// since 1970.
pub(crate) fn gauge_lag(effects: &Effects, metric: Metric, oldest: f64) {
    let now = effects.now();
    let lag_millis = now.millis() as f64 - oldest * 1000.0;
    effects.metrics().gauge(now, metric, lag_millis.max(0.0));
}
