//! What stands between a table's stream and a function: the event source mapping.
//!
//! Records are delivered in order, at least once, in batches that are collected for the template's
//! window; a batch that fails is delivered again from the record that the function names. How far
//! the stream was delivered is kept in a file next to the engine's.

use std::path::PathBuf;
use std::time::Duration;

use audit_log::http::MAX_LAMBDA_PAYLOAD_BYTES;
use audit_log::index_events::BatchResponse;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{
    AttributeValue, OperationType, Record, ShardIteratorType, StreamDescription, StreamRecord,
};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::functions::Function;
use super::template::StreamSource;

/// What an event has around its records.
const ENVELOPE_BYTES: usize = 1024;
/// How often an idle stream is asked for records: as often as Lambda does.
const POLL: Duration = Duration::from_millis(250);
/// The pause before a batch that failed, or a stream that did not answer, is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Delivers a table's stream to a function.
pub struct Stream {
    client: Client,
    function: Function,
    source: StreamSource,
    /// Where the position is kept, if it is.
    file: Option<PathBuf>,
    /// The sequence number of the last record that was delivered.
    position: Option<String>,
    /// The shard that was delivered to its end, in an engine that opens another now and then, as
    /// DynamoDB Local does.
    closed: Option<String>,
    flushes: mpsc::Receiver<oneshot::Sender<()>>,
}

/// Asks a running [`Stream`] to deliver what it holds, without waiting for the window to end.
#[derive(Clone, Debug)]
pub struct Flush(mpsc::Sender<oneshot::Sender<()>>);

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Flush {
    /// Ends once everything that was written before has been delivered.
    pub async fn done(&self) {
        loop {
            let (done, wait) = oneshot::channel();
            // A stream that has stopped delivers nothing; one that failed and forgot the question
            // is asked again.
            if self.0.send(done).await.is_err() || wait.await.is_ok() {
                return;
            }
        }
    }
}

impl Stream {
    /// A stream from `source` to `function`, which goes on where `file` says.
    pub fn new(
        client: Client,
        function: Function,
        source: StreamSource,
        file: Option<PathBuf>,
    ) -> (Stream, Flush) {
        let position = file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let position = position
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        let (flush, flushes) = mpsc::channel(1);
        (
            Stream {
                client,
                function,
                source,
                file,
                position,
                closed: None,
                flushes,
            },
            Flush(flush),
        )
    }

    /// Delivers until it is dropped.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.deliver().await {
                tracing::warn!(
                    error,
                    table = self.source.table,
                    "the stream could not be delivered; trying again"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Delivers batch after batch, from the position to the end of its shard.
    async fn deliver(&mut self) -> Result<(), Failure> {
        let (shard, iterator) = self.iterator().await?;
        let mut iterator = Some(iterator);
        let mut batch: Vec<Record> = Vec::new();
        let mut flush: Option<oneshot::Sender<()>> = None;
        let mut due: Option<Instant> = None;
        loop {
            let Some(next) = iterator else {
                self.hand_over(batch).await?;
                (self.closed, self.position) = (Some(shard), None);
                return Ok(());
            };
            let response = self
                .client
                .get_records()
                .shard_iterator(next)
                .send()
                .await?;
            iterator = response.next_shard_iterator;
            let records = response.records.unwrap_or_default();
            let idle = records.is_empty();
            batch.extend(records);
            if !batch.is_empty() && due.is_none() {
                due = Some(Instant::now() + self.source.window);
            }
            let flushing = flush.is_some() && idle;
            while batch.len() >= self.source.batch_size
                || (!batch.is_empty() && (flushing || due <= Some(Instant::now())))
            {
                let rest = batch.split_off(batch.len().min(self.source.batch_size));
                self.hand_over(std::mem::replace(&mut batch, rest)).await?;
                due = (!batch.is_empty()).then(|| Instant::now() + self.source.window);
            }
            if flushing && let Some(flush) = flush.take() {
                let _ = flush.send(());
            }
            if idle && flush.is_none() {
                let wait = due.map_or(POLL, |due| {
                    due.saturating_duration_since(Instant::now()).min(POLL)
                });
                flush = tokio::time::timeout(wait, self.flushes.recv())
                    .await
                    .ok()
                    .flatten();
            }
        }
    }

    /// The shard to deliver, and where it continues.
    async fn iterator(&self) -> Result<(String, String), Failure> {
        let streams = self
            .client
            .list_streams()
            .table_name(&self.source.table)
            .send()
            .await?;
        let stream = streams
            .streams()
            .first()
            .and_then(|stream| stream.stream_arn());
        let stream = stream.ok_or("the table has no stream")?;
        let described = self
            .client
            .describe_stream()
            .stream_arn(stream)
            .send()
            .await?;
        let shards = described
            .stream_description()
            .map(StreamDescription::shards)
            .unwrap_or_default();
        // Oldest first. The embedded engine has one, for ever; another may have forgotten the one
        // that was closed.
        let shards: Vec<&str> = shards.iter().filter_map(|shard| shard.shard_id()).collect();
        let closed = shards
            .iter()
            .position(|shard| Some(*shard) == self.closed.as_deref());
        let shard = *shards
            .get(closed.map_or(0, |at| at + 1))
            .ok_or("the stream has no shard to go on with yet")?;
        let kind = match self.position {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let response = self
            .client
            .get_shard_iterator()
            .stream_arn(stream)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(self.position.clone())
            .send()
            .await?;
        Ok((
            shard.to_owned(),
            response
                .shard_iterator
                .ok_or("the stream gave no iterator")?,
        ))
    }

    /// Invokes the function with a batch until all of it is processed, and notes how far it came.
    async fn hand_over(&mut self, mut batch: Vec<Record>) -> Result<(), Failure> {
        while !batch.is_empty() {
            let records = fitting(&batch);
            let part = &batch[..records.len()];
            let failed_from = match self
                .function
                .invoke(format!(r#"{{"Records":[{}]}}"#, records.join(",")))
                .await
            {
                Ok(response) => {
                    let response: BatchResponse = serde_json::from_str(&response)?;
                    response
                        .failures
                        .into_iter()
                        .next()
                        .map(|failure| failure.sequence_number)
                }
                Err(error) => {
                    tracing::warn!(%error, "a batch is delivered again");
                    batch.first().and_then(number).map(str::to_owned)
                }
            };
            // A number that is none of the batch's fails all of it, as it does on Lambda.
            let processed = match failed_from {
                None => part.len(),
                Some(from) => part
                    .iter()
                    .position(|record| number(record) == Some(&from))
                    .unwrap_or(0),
            };
            let failed = processed < part.len();
            if let Some(position) = batch[..processed]
                .last()
                .and_then(number)
                .map(str::to_owned)
            {
                if let Some(file) = &self.file {
                    std::fs::write(file, &position)?;
                }
                self.position = Some(position);
            }
            batch.drain(..processed);
            if failed {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}

/// The JSON of as many of these records, at least one, as an invocation can carry.
fn fitting(records: &[Record]) -> Vec<String> {
    let mut left = MAX_LAMBDA_PAYLOAD_BYTES - ENVELOPE_BYTES;
    let fits = |(at, text): &(usize, String)| {
        let bytes = text.len() + 1;
        let fits = *at == 0 || bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    let texts = records.iter().map(|next| record(next).to_string());
    texts
        .enumerate()
        .take_while(fits)
        .map(|(_, text)| text)
        .collect()
}

fn number(record: &Record) -> Option<&str> {
    record.dynamodb()?.sequence_number()
}

/// A record as Lambda delivers it:
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-create-package.html>.
fn record(record: &Record) -> Value {
    let change = record.dynamodb();
    let image = |image: Option<&std::collections::HashMap<String, AttributeValue>>| -> Value {
        let attributes = image.into_iter().flatten();
        attributes
            .filter_map(|(name, value)| Some((name.clone(), json!({ "S": value.as_s().ok()? }))))
            .collect::<Map<_, _>>()
            .into()
    };
    json!({
        "eventID": record.event_id(),
        "eventName": record.event_name().map(OperationType::as_str),
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": record.aws_region(),
        "dynamodb": {
            "ApproximateCreationDateTime": change.and_then(StreamRecord::approximate_creation_date_time).map(DateTime::secs),
            // Every attribute of an event is a string.
            "Keys": image(change.and_then(StreamRecord::keys)),
            "NewImage": image(change.and_then(StreamRecord::new_image)),
            "SequenceNumber": change.and_then(StreamRecord::sequence_number),
            "SizeBytes": change.and_then(StreamRecord::size_bytes),
            "StreamViewType": "NEW_IMAGE",
        },
    })
}
