//! What the stream does: events get into the count index.

use std::slice;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::index_events::{BatchResponse, IndexEvents, StreamBatch};
use audit_log::limits::SETTLE;
use audit_log::store::{EventKey, Partition};
use serde_json::{Value, json};

use super::Tables;

/// How often a batch is delivered before that counts as a fault.
const MAX_DELIVERIES: usize = 5;
/// How long a function has for a batch.
const TIME: Duration = Duration::from_secs(60);

impl Tables {
    /// Starts every shard's trie and fills it from the table, as the first batches of a stream do.
    pub async fn index(&self, now: Timestamp) {
        self.deliver_all(&[], now).await;
    }

    /// Gives a user a trie, as a batch with this event of the user's does, and one more when the
    /// index has settled.
    pub async fn promote(&self, event: &EventKey, now: Timestamp) {
        for now in [now, now.saturating_add(SETTLE)] {
            self.deliver_all(slice::from_ref(event), now).await;
        }
    }

    /// Adds a batch and fills the tries that are building.
    ///
    /// On a busy machine the engine may respond too late. As with a stream, the next delivery takes
    /// up what the last one did not finish.
    async fn deliver_all(&self, events: &[EventKey], now: Timestamp) {
        let mut failures = Vec::new();
        while failures.len() < MAX_DELIVERIES {
            let added = self.indexer.add(events, now).await;
            let filled = self.indexer.backfill(added.building, now, || true).await;
            if added.failed.is_empty() && filled.is_ok() {
                return;
            }
            failures.push(format!("{:?}, {filled:?}", added.failed));
        }
        panic!("{failures:?}");
    }

    /// Adds events to the index, batch by batch.
    pub async fn deliver_events(&self, events: &[EventKey], now: Timestamp) {
        for batch in events.chunks(1000) {
            let added = self.indexer.add(batch, now).await;
            assert!(added.failed.is_empty(), "{added:?}");
        }
    }

    /// Delivers a batch to the function `index-events` at `now`.
    pub async fn deliver(&self, events: &[EventKey], now: Timestamp) -> BatchResponse {
        let batch = serde_json::from_value(stream_batch(events)).unwrap();
        self.deliver_batch(batch, now).await
    }

    /// The same with a batch of any content.
    pub async fn deliver_batch(&self, batch: StreamBatch, now: Timestamp) -> BatchResponse {
        let effects = Effects::system().with_clock(move || now);
        let function = IndexEvents::new(self.deps().with_effects(effects));
        function.handle(batch, now.saturating_add(TIME)).await
    }

    /// Compares the index with the events: there is no difference.
    pub async fn reconcile(&self, partitions: impl Iterator<Item = Partition>, now: Timestamp) {
        for partition in partitions {
            let mut differences = Vec::new();
            let found = |difference| differences.push(difference);
            self.indexer
                .reconcile(&partition, || now, |_| {}, found)
                .await
                .unwrap();
            assert_eq!(differences, [], "{partition:?}");
        }
    }

    /// How often the index was written.
    pub async fn index_writes(&self) -> u64 {
        let scan = self
            .client
            .scan()
            .table_name("CountsTable")
            .consistent_read(true);
        let nodes = scan.send().await.unwrap();
        let mut writes = 0;
        for node in nodes.items() {
            if let Some(version) = node.get("version") {
                writes += version.as_n().unwrap().parse::<u64>().unwrap();
            }
        }
        writes
    }
}

/// A stream's batch of new events, as Lambda delivers it.
pub fn stream_batch(events: &[EventKey]) -> Value {
    let record = |(number, event): (usize, &EventKey)| {
        let mut image = json!({
            "id": {"S": event.id.to_string()},
            "event": {"S": "{}"},
        });
        for value in &event.values {
            image[value.field().name()] = json!({"S": value});
        }
        let number = number.to_string();
        json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": number, "NewImage": image}})
    };
    let records: Vec<Value> = events.iter().enumerate().map(record).collect();
    json!({ "Records": records })
}
