//! Groups documents into batches, while earlier batches are sent.

use audit_log_client::{Document, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use futures_util::stream::{Stream, unfold};
use tokio::sync::mpsc;

/// A document of the input, or why it cannot be sent.
#[derive(Debug)]
pub struct Entry {
    /// The line of the input on which it begins.
    pub line: u64,
    /// The document, or a sentence.
    pub document: Result<Document, String>,
}

/// Entries that are sent together, in the order of the input.
pub type Batch = Vec<Entry>;

/// How many batches wait to be sent. Reading is faster than sending.
const WAITING: usize = 2;

/// Batches of the entries that `next` returns, of at most `max_events` entries. The thread that
/// calls `next` ends with the stream.
///
/// The stream ends after the first error, which is a sentence about the input.
pub fn batches<F>(max_events: usize, next: F) -> impl Stream<Item = Result<Batch, String>>
where
    F: FnMut() -> Result<Option<Entry>, String> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut source = Source { next, held: None };
        let max_events = max_events.clamp(1, MAX_BATCH_EVENTS);
        loop {
            let batch = source.batch(max_events);
            if batch.as_ref().is_ok_and(Vec::is_empty) {
                return;
            }
            let is_last = batch.is_err();
            if sender.blocking_send(batch).is_err() || is_last {
                return;
            }
        }
    });
    unfold(receiver, async |mut receiver| {
        let batch = receiver.recv().await?;
        Some((batch, receiver))
    })
}

struct Source<F> {
    next: F,
    /// What did not fit into the last batch: an entry, or the end by an error.
    held: Option<Result<Entry, String>>,
}

impl<F: FnMut() -> Result<Option<Entry>, String>> Source<F> {
    /// The next batch. It is empty at the end.
    fn batch(&mut self, max_events: usize) -> Result<Batch, String> {
        let mut batch = Batch::new();
        let mut bytes = 0;
        while batch.len() < max_events {
            let entry = match self.held.take() {
                Some(held) => held.map(Some),
                None => (self.next)(),
            };
            // What was read before an error is still sent, and what fits before a large event.
            match entry {
                Ok(None) => break,
                Ok(Some(entry)) if batch.is_empty() || bytes + entry.bytes() <= MAX_BATCH_BYTES => {
                    bytes += entry.bytes();
                    batch.push(entry);
                }
                Err(problem) if batch.is_empty() => return Err(problem),
                Ok(Some(entry)) => {
                    self.held = Some(Ok(entry));
                    break;
                }
                Err(problem) => {
                    self.held = Some(Err(problem));
                    break;
                }
            }
        }
        Ok(batch)
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        match &self.document {
            Ok(document) => document.text().len(),
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// The sizes of the batches of documents of these sizes, and whether an error ends them.
    async fn sizes(max_events: usize, documents: Vec<usize>, ends_badly: bool) -> Vec<usize> {
        let mut documents = documents.into_iter();
        let next = move || match documents.next() {
            Some(bytes) => Ok(Some(Entry {
                line: 1,
                document: Ok(Document::new("x".repeat(bytes))),
            })),
            None if ends_badly => Err("broken".to_owned()),
            None => Ok(None),
        };
        let batches = batches(max_events, next);
        let sizes = batches.map(|batch| batch.map_or(0, |batch| batch.len()));
        sizes.collect().await
    }

    #[tokio::test]
    async fn a_batch_has_at_most_100_events_and_one_megabyte() {
        assert_eq!(sizes(100, vec![10; 250], false).await, [100, 100, 50]);
        assert_eq!(sizes(30, vec![10; 40], false).await, [30, 10]);
        assert_eq!(sizes(1000, vec![10; 101], false).await, [100, 1]);
        let large = MAX_BATCH_BYTES / 2;
        assert_eq!(sizes(100, vec![large; 5], false).await, [2, 2, 1]);
        assert_eq!(
            sizes(100, vec![MAX_BATCH_BYTES + 1, 1], false).await,
            [1, 1]
        );
        assert!(sizes(100, vec![], false).await.is_empty());
    }

    #[tokio::test]
    async fn what_was_read_before_an_error_is_sent() {
        assert_eq!(sizes(100, vec![1; 3], true).await, [3, 0]);
        assert_eq!(sizes(100, vec![], true).await, [0]);
    }
}
