//! The event source mapping: it delivers a table's stream to a function.
//!
//! Records are delivered in order and at least once, in batches that are collected for the
//! template's window. A batch that fails is delivered again from the record that the function
//! names. A file in the engine's folder keeps the position of the stream.

use std::path::PathBuf;
use std::time::Duration;

use audit_log::index_events::BatchResponse;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType, StreamDescription};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::disk::Disk;
use super::functions::Function;
use super::records::{fitting, number};
use super::template::StreamSource;

/// How often an idle stream is polled for records: as often as Lambda does.
const POLL: Duration = Duration::from_millis(250);
/// The pause before a failed batch is delivered again, or a failed read of the stream is repeated.
const PAUSE: Duration = Duration::from_millis(500);

/// Delivers a table's stream to a function.
pub struct Stream {
    client: Client,
    function: Function,
    source: StreamSource,
    /// The file that keeps the position. A stream of an engine without a folder has none.
    file: Option<PathBuf>,
    /// What the engine writes to.
    disk: Disk,
    /// The sequence number of the last record that was delivered.
    position: Option<String>,
    /// The shard that was delivered to its end. DynamoDB Local opens another shard now and then.
    closed: Option<String>,
    flushes: mpsc::Receiver<Waiting>,
}

/// Lets a running [`Stream`] deliver what it holds, without waiting for the window to end.
#[derive(Clone, Debug)]
pub struct Flush(mpsc::Sender<Waiting>);

/// A caller that waits until everything has been delivered.
type Waiting = oneshot::Sender<()>;

/// The place from which a stream is read.
struct Start {
    shard: String,
    iterator: String,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Flush {
    /// Ends once everything that was written before has been delivered.
    pub async fn done(&self) {
        loop {
            let (done, wait) = oneshot::channel();
            // A stream that has stopped delivers nothing more.
            if self.0.send(done).await.is_err() {
                return;
            }
            if wait.await.is_ok() {
                return;
            }
            // A stream that failed has dropped the request, so it is made again.
        }
    }
}

impl Stream {
    /// A stream from `source` to `function`. It continues at the position in `file`.
    pub fn new(
        client: Client,
        function: Function,
        source: StreamSource,
        file: Option<PathBuf>,
        disk: Disk,
    ) -> (Stream, Flush) {
        let written = file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let position = written
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        let (flush, flushes) = mpsc::channel(1);
        let stream = Stream {
            client,
            function,
            source,
            file,
            disk,
            position,
            closed: None,
            flushes,
        };
        (stream, Flush(flush))
    }

    /// Delivers until it is dropped.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.deliver().await {
                tracing::warn!(
                    error,
                    table = self.source.table,
                    "cannot deliver the table's stream; trying again"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Delivers batch after batch, from the position to the end of its shard.
    async fn deliver(&mut self) -> Result<(), Failure> {
        let Start { shard, iterator } = self.locate().await?;
        let mut iterator = Some(iterator);
        let mut batch: Vec<Record> = Vec::new();
        // The end of the batch's window, as long as the batch has a record.
        let mut due: Option<Instant> = None;
        let mut waiting: Option<Waiting> = None;
        loop {
            // 1. At the end of the shard, deliver the rest. The next call reads the next shard.
            let Some(current) = iterator else {
                self.hand_over(batch).await?;
                self.closed = Some(shard);
                self.position = None;
                return Ok(());
            };

            // 2. Read records. The first record of a batch starts its window.
            let request = self.client.get_records().shard_iterator(current);
            let response = request.send().await?;
            iterator = response.next_shard_iterator;
            let records = response.records.unwrap_or_default();
            let idle = records.is_empty();
            batch.extend(records);
            if due.is_none() {
                due = self.window_end(&batch);
            }

            // 3. Deliver the batches that are due. A caller that waits gets all that was written,
            //    so first the stream is read until it is idle.
            let flushing = idle && waiting.is_some();
            while self.is_due(&batch, due, flushing) {
                let size = batch.len().min(self.source.batch_size);
                let rest = batch.split_off(size);
                self.hand_over(batch).await?;
                batch = rest;
                due = self.window_end(&batch);
            }
            if flushing && let Some(caller) = waiting.take() {
                // The caller may have gone.
                let _ = caller.send(());
            }

            // 4. Without new records, pause until the next poll, the end of the window or a flush.
            if idle && waiting.is_none() {
                waiting = self.pause(due).await;
            }
        }
    }

    /// The end of a window that starts now, if it has a record.
    fn window_end(&self, batch: &[Record]) -> Option<Instant> {
        if batch.is_empty() {
            return None;
        }
        Some(Instant::now() + self.source.window)
    }

    /// Whether a batch must be delivered: it is full, its window has ended, or a caller waits.
    fn is_due(&self, batch: &[Record], due: Option<Instant>, flushing: bool) -> bool {
        if batch.len() >= self.source.batch_size {
            return true;
        }
        let Some(due) = due else {
            return false;
        };
        flushing || due <= Instant::now()
    }

    /// Waits for the next poll or the end of the window. Returns early if a caller asks for a flush.
    async fn pause(&mut self, due: Option<Instant>) -> Option<Waiting> {
        let mut pause = POLL;
        if let Some(due) = due {
            pause = pause.min(due.saturating_duration_since(Instant::now()));
        }
        let flush = tokio::time::timeout(pause, self.flushes.recv()).await;
        flush.ok().flatten()
    }

    /// Finds the shard to deliver, and the place in it.
    async fn locate(&self) -> Result<Start, Failure> {
        // 1. The stream of the table.
        let request = self.client.list_streams().table_name(&self.source.table);
        let streams = request.send().await?;
        let stream = streams
            .streams()
            .first()
            .and_then(|stream| stream.stream_arn());
        let stream = stream.ok_or("the table has no stream")?;

        // 2. The shard after the one that was delivered to its end. The oldest comes first. The
        //    embedded engine has one shard for ever. DynamoDB Local may have forgotten the one that
        //    was closed.
        let request = self.client.describe_stream().stream_arn(stream);
        let described = request.send().await?;
        let shards = described
            .stream_description()
            .map(StreamDescription::shards)
            .unwrap_or_default();
        let shards: Vec<&str> = shards.iter().filter_map(|shard| shard.shard_id()).collect();
        let closed = shards
            .iter()
            .position(|shard| Some(*shard) == self.closed.as_deref());
        let next = match closed {
            Some(closed) => closed + 1,
            None => 0,
        };
        let Some(shard) = shards.get(next).copied() else {
            return Err("the stream has no next shard yet".into());
        };

        // 3. The record after the position.
        let kind = match self.position {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let request = self
            .client
            .get_shard_iterator()
            .stream_arn(stream)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(self.position.clone());
        let response = request.send().await?;
        let iterator = response
            .shard_iterator
            .ok_or("the stream returned no iterator")?;
        Ok(Start {
            shard: shard.to_owned(),
            iterator,
        })
    }

    /// Invokes the function with a batch until it has processed all records, and keeps the position
    /// after each invocation.
    async fn hand_over(&mut self, mut batch: Vec<Record>) -> Result<(), Failure> {
        while !batch.is_empty() {
            // 1. Invoke the function with as many records as fit.
            let texts = fitting(&batch);
            let invoked = texts.len();
            let processed = self.invoke(&batch[..invoked], &texts).await?;

            // 2. Keep the position of the last record that was processed.
            let last = batch[..processed].last();
            if let Some(position) = last.and_then(number) {
                if let Some(file) = &self.file {
                    // What the function wrote must not be lost in a power failure that the
                    // position survives.
                    self.disk.sync().await?;
                    std::fs::write(file, position)?;
                }
                self.position = Some(position.to_owned());
            }

            // 3. Continue with the rest, after a pause if it failed.
            batch.drain(..processed);
            if processed < invoked {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Invokes the function with records, and returns the number of those that it processed.
    async fn invoke(&self, records: &[Record], texts: &[String]) -> Result<usize, Failure> {
        let payload = format!(r#"{{"Records":[{}]}}"#, texts.join(","));
        let response = match self.function.invoke(payload).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(%error, "the function failed; its batch will be redelivered");
                return Ok(0);
            }
        };
        let response: BatchResponse = serde_json::from_str(&response)?;
        let Some(failure) = response.failures.first() else {
            return Ok(records.len());
        };
        let failed = Some(failure.sequence_number.as_str());
        let processed = records.iter().position(|record| number(record) == failed);
        // As on Lambda, a number that is not in the batch fails the complete batch.
        Ok(processed.unwrap_or(0))
    }
}
