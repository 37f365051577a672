//! The transparency log on the engine: each event is in it once, and what sealing costs.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log::deps::Deps;
use audit_log::dynamodb::Usage;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::seal_events::{
    Answer, Backfill, BackfillError, Backfilled, BatchResponse, Invocation, SealEvents,
};
use audit_log::telemetry::Metrics;
use audit_log::tree::seal::{self, Pending, Storage};
use audit_log::tree::{Checkpoint, Entry, Note, Signer, TILE_WIDTH, VerifierKey};
use audit_log_testing::Tables;
use audit_log_testing::tree::{TestKey, entry, image, insert, seal_batch};
use aws_sdk_dynamodb::types::AttributeValue;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use serde_json::{Value, json};
use sha2::Sha256;

const ORIGIN: &str = "localhost/log";
const MINUTE: Duration = Duration::from_secs(60);
const TABLE: &str = "TreeTable";

/// A log on tables of its own.
struct Log {
    tables: Tables,
    deps: Deps,
    key: TestKey,
    seal_events: SealEvents,
    metrics: Arc<Mutex<Vec<String>>>,
}

fn now() -> Timestamp {
    Timestamp::parse("2024-01-01T00:00:05Z").unwrap()
}

impl Log {
    async fn start() -> Log {
        let tables = Tables::start().await;
        let key = TestKey::new(7);
        let metrics: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = metrics.clone();
        let sink = move |line: &str| lines.lock().unwrap().push(line.to_owned());
        let effects = Effects::system()
            .with_clock(now)
            .with_metrics(Metrics::to("audit-log", sink));
        let deps = tables.deps().with_effects(effects);
        let seal_events =
            SealEvents::new(deps.clone(), ORIGIN.parse().unwrap(), Arc::new(key.clone()));
        Log {
            tables,
            deps,
            key,
            seal_events,
            metrics,
        }
    }

    async fn handle(&self, batch: Value, deadline: Timestamp) -> BatchResponse {
        let batch = serde_json::from_value(batch).unwrap();
        self.seal_events.handle(batch, deadline).await
    }

    async fn seal(&self, numbers: impl IntoIterator<Item = u64>) -> BatchResponse {
        let deadline = now().saturating_add(MINUTE);
        self.handle(seal_batch(numbers), deadline).await
    }

    /// The metrics that were emitted since the last call, by name.
    fn metric(&self, name: &str) -> Vec<f64> {
        let mut metrics = self.metrics.lock().unwrap();
        let lines: Vec<Value> = metrics
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let values = lines.iter().filter_map(|line| line[name].as_f64());
        let values = values.collect();
        metrics.retain(|line| !line.contains(&format!("\"{name}\":")));
        values
    }

    /// The entries of the runs.
    async fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let bundle = entries.len() as u64 / TILE_WIDTH;
            let runs = Storage::runs(&self.tables.tree, bundle).await.unwrap();
            entries.extend(runs.into_iter().flat_map(|run| run.entries));
            if entries.len() as u64 / TILE_WIDTH == bundle {
                return entries;
            }
        }
    }

    /// The checkpoint, which the key has signed.
    async fn checkpoint(&self) -> Checkpoint {
        let published = self.tables.tree.checkpoint().await.unwrap().unwrap();
        let note: Note = published.note.parse().unwrap();
        let key = VerifierKey::new(ORIGIN.parse().unwrap(), self.key.public_key());
        assert!(note.is_signed_by(&key), "{note}");
        note.text().parse().unwrap()
    }

    /// The checkpoint covers all runs, and its root is that of another implementation.
    async fn check(&self, size: u64) -> Vec<Entry> {
        let entries = self.entries().await;
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for entry in &entries {
            tree.push(entry.to_bytes().to_vec());
        }
        let checkpoint = self.checkpoint().await;
        assert_eq!((checkpoint.size, entries.len() as u64), (size, size));
        assert_eq!(
            checkpoint.root.as_bytes().as_slice(),
            tree.root().as_bytes().as_slice()
        );
        entries
    }

    async fn put(&self, item: Vec<(&str, AttributeValue)>) {
        let item = item
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let put = self.tables.client.put_item().table_name(TABLE);
        put.set_item(Some(item.collect())).send().await.unwrap();
    }
}

fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn failed_from(response: &BatchResponse) -> Option<&str> {
    let failure = response.failures.first();
    failure.map(|failure| failure.sequence_number.as_str())
}

#[tokio::test]
async fn a_batch_is_in_the_signed_tree_once_and_in_order() {
    let log = Log::start().await;
    assert_eq!(failed_from(&log.seal(0..300).await), None);
    let expected: Vec<Entry> = (0..300).map(entry).collect();
    assert_eq!(log.check(300).await, expected);
    assert_eq!(log.metric("EventsSealed"), [300.0]);
    assert_eq!(log.metric("SealLag"), [5000.0]);

    // Delivered again, in part: only what is new is added.
    assert_eq!(failed_from(&log.seal(0..300).await), None);
    assert_eq!(failed_from(&log.seal(290..310).await), None);
    assert_eq!(log.check(310).await[..300], expected);
    assert_eq!(log.metric("EventsSealed"), [10.0]);
    assert_eq!(log.key.signatures(), 2);
}

#[tokio::test]
async fn ten_thousand_events_make_one_right_tree() {
    let log = Log::start().await;
    for start in (0..10_000).step_by(1000) {
        assert_eq!(failed_from(&log.seal(start..start + 1000).await), None);
    }
    let expected: Vec<Entry> = (0..10_000).map(entry).collect();
    assert_eq!(log.check(10_000).await, expected);
}

/// What the function does with a batch, apart from its own log lines, which have the costs on AWS.
async fn cost(log: &Log, numbers: Range<u64>) -> Usage {
    let sealer = seal::Log::new(ORIGIN.parse().unwrap(), Arc::new(log.key.clone()));
    let mut pending = Pending::new(numbers.map(entry));
    let table = &log.tables.tree;
    let (sealed, usage) = Usage::of(async {
        let chain = sealer.seal(table, &mut pending).await?;
        sealer.publish(table, &chain).await
    })
    .await;
    sealed.unwrap();
    usage
}

#[tokio::test]
async fn an_event_costs_about_a_write_unit_and_a_read_unit_to_seal() {
    let log = Log::start().await;
    log.seal(0..1).await;
    println!("| batch | written | read | rounds |\n|---|---|---|---|");
    let mut next = 1;
    for count in [1000, 1000, 256, 256, 256, 100, 10, 1] {
        let usage = cost(&log, next..next + count).await;
        next += count;
        let (written, read) = (usage.written.total(), usage.read.total());
        println!("| {count} | {written} | {read} | {} |", usage.rounds);
        let events = count as f64;
        assert!(events < written, "{count}: {usage:?}");
        assert!(written <= 1.1 * events + 3.0, "{count}: {usage:?}");
        assert!(read <= events + 30.0, "{count}: {usage:?}");
    }
    let usage = cost(&log, next - 256..next).await;
    assert_eq!(usage.written.total(), 0.0, "a redelivery writes nothing");
    println!(
        "| 256 again | 0 | {} | {} |",
        usage.read.total(),
        usage.rounds
    );
}

#[tokio::test]
async fn two_sealers_at_once_seal_each_event_once() {
    let log = Log::start().await;
    let (first, second) = tokio::join!(log.seal(0..400), log.seal(200..600));
    // A sealer that is overtaken seals all the same.
    assert_eq!((failed_from(&first), failed_from(&second)), (None, None));
    let mut entries = log.check(600).await;
    let mut expected: Vec<Entry> = (0..600).map(entry).collect();
    for entries in [&mut entries, &mut expected] {
        entries.sort_by_key(|entry| entry.id);
    }
    assert_eq!(entries, expected);
}

#[tokio::test]
async fn without_time_or_a_signature_the_batch_comes_again() {
    let log = Log::start().await;
    let half_a_second = now().saturating_add(Duration::from_millis(500));
    let response = log.handle(seal_batch(0..300), half_a_second).await;
    assert_eq!(failed_from(&response), Some("0"));
    assert!(log.entries().await.is_empty());

    log.key.refuse(true);
    let response = log.seal(0..300).await;
    assert_eq!(failed_from(&response), Some("0"), "all of it");
    assert_eq!(log.entries().await.len(), 300, "and yet it is in the log");
    assert_eq!(log.metric("SealBatchesFailed"), [1.0, 1.0]);
    assert!(log.metric("SealLag").is_empty());

    log.key.refuse(false);
    assert_eq!(failed_from(&log.seal(0..300).await), None);
    log.check(300).await;
}

#[tokio::test]
async fn changes_and_removals_are_reported_and_fail_nothing() {
    let log = Log::start().await;
    let mut records = vec![
        insert(1, &image(1)),
        insert(2, &image(2)),
        insert(3, &image(3)),
    ];
    records[0]["eventName"] = json!("MODIFY");
    records[1]["eventName"] = json!("REMOVE");
    records[1]["dynamodb"]
        .as_object_mut()
        .unwrap()
        .remove("NewImage");
    let mut no_event = image(4);
    no_event["recorded_at"] = json!({"N": "1"});
    records.push(insert(4, &no_event));
    let deadline = now().saturating_add(MINUTE);
    let response = log.handle(json!({ "Records": records }), deadline).await;
    assert_eq!(failed_from(&response), None);
    assert_eq!(log.metric("EventsTampered"), [1.0, 1.0, 1.0]);
    assert_eq!(log.check(1).await, [entry(3)]);
}

#[tokio::test]
async fn a_log_that_contradicts_itself_goes_on_unsigned() {
    let log = Log::start().await;
    log.seal(0..300).await;
    let forged = vec![
        ("part", string("checkpoint")),
        ("at", number(0)),
        ("size", number(300)),
        ("note", string("forged")),
    ];
    log.put(forged).await;
    assert_eq!(failed_from(&log.seal(300..310).await), None);
    assert_eq!(log.metric("TreeContradicted"), [1.0]);
    assert_eq!(log.entries().await.len(), 310);
    assert_eq!(log.key.signatures(), 1);
}

#[tokio::test]
async fn a_log_with_a_hole_seals_nothing_and_says_so() {
    let log = Log::start().await;
    log.seal(0..300).await;
    let raised = vec![
        ("part", string("head")),
        ("at", number(0)),
        ("size", number(1000)),
    ];
    log.put(raised).await;
    assert_eq!(failed_from(&log.seal(300..310).await), Some("300"));
    assert_eq!(log.metric("TreeContradicted"), [1.0]);
    assert_eq!(log.metric("SealBatchesFailed"), [1.0]);
    assert_eq!(log.entries().await.len(), 300);
}

#[tokio::test]
async fn a_log_of_another_name_takes_no_events() {
    let log = Log::start().await;
    log.seal(0..10).await;
    let other = SealEvents::new(
        log.deps.clone(),
        "elsewhere/log".parse().unwrap(),
        Arc::new(log.key.clone()),
    );
    let batch = serde_json::from_value(seal_batch(10..20)).unwrap();
    let response = other.handle(batch, now().saturating_add(MINUTE)).await;
    assert_eq!(failed_from(&response), Some("10"));
    log.check(10).await;
}

#[tokio::test]
async fn a_backfill_seals_what_the_stream_did_not_deliver() {
    let log = Log::start().await;
    let mut of_shard_0 = Vec::new();
    for number in 0..60 {
        let image = image(number);
        let mut item = std::collections::HashMap::new();
        for (name, value) in image.as_object().unwrap() {
            item.insert(name.clone(), string(value["S"].as_str().unwrap()));
        }
        let put = log.tables.client.put_item().table_name("EventsTable");
        put.set_item(Some(item)).send().await.unwrap();
        if image["shard"]["S"] == "0" {
            of_shard_0.push(number);
        }
    }
    log.seal(of_shard_0[3..5].iter().copied()).await;

    let deadline = now().saturating_add(MINUTE);
    let backfill = json!({"backfill": {"shard": "0", "after": null}});
    let backfill: Invocation = serde_json::from_value(backfill).unwrap();
    let answer = log.seal_events.invoke(backfill, deadline).await.unwrap();
    assert_eq!(answer, Answer::Backfill(Backfilled { next: None }));
    assert_eq!(json!(answer), json!({"next": null}));
    let entries = log.check(of_shard_0.len() as u64).await;
    for number in of_shard_0 {
        assert!(entries.contains(&entry(number)), "{number}");
    }

    let wrong = Backfill {
        shard: "x".to_owned(),
        after: None,
    };
    let error = log.seal_events.backfill(wrong, deadline).await.unwrap_err();
    assert_eq!(error, BackfillError::Shard("x".to_owned()));
}
