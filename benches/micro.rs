//! What the service's own work takes, without DynamoDB: `cargo bench --bench micro`.
//!
//! Times are this machine's, so nothing is promised of them and nothing is asserted; two commits on
//! one machine can be compared. What is charged, and the same everywhere, is counted by the other
//! benches.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

use std::time::Duration;

use audit_log::event::{EventId, Timestamp};
use audit_log_testing::report::Report;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Of the ids and of the tries.
const SHARDS: u8 = 4;
/// The events of each size are spread over this time.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// One of the ids, as a cursor has it.
const ID: &str = "018df9ab-c47a-7000-8017-9689cac02131";
const AT: &str = "2024-03-01T11:00:00.250000001Z";

fn main() {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    // Divan prints its figures itself, so that writing them takes another process.
    if !given("--write") {
        return divan::main();
    }
    let myself = std::env::current_exe().unwrap();
    let output = std::process::Command::new(myself)
        .args(["--bench", "--max-time", "0.3"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut report = Report::new("micro");
    report.verbatim(&String::from_utf8(output.stdout).unwrap());
    report.finish();
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Ids of events that come at an even pace, oldest first, without end; the same at each run.
fn ids(gap: Duration) -> impl Iterator<Item = EventId> {
    let (mut at, mut rng) = (at("2024-01-01T00:00:00Z"), StdRng::seed_from_u64(1));
    std::iter::repeat_with(move || {
        at = at.saturating_add(gap);
        EventId::new(at, rng.random(), SHARDS)
    })
}

/// A document's way in: the rules, and whether a retry says the same.
mod document {
    use audit_log::event::{MAX_DOCUMENT_BYTES, NewEvent, same_document};
    use audit_log::http::json_string_bytes;
    use divan::counter::BytesCount;
    use divan::{Bencher, black_box};

    const SIZES: [usize; 2] = [1024, MAX_DOCUMENT_BYTES];

    /// A document of exactly so many bytes, whose data are many small objects: a scanner's work is
    /// in the tokens.
    fn of_objects(bytes: usize) -> String {
        const OBJECT: &str = r#"{"sku":"4711-\u00e9","count":2,"price":10.00,"gift":false},"#;
        let free = bytes - with_data("\"\"").len();
        let objects = OBJECT.repeat(free / OBJECT.len());
        with_data(&format!(
            "{objects}\"{}\"",
            "x".repeat(free - objects.len())
        ))
    }

    /// The same of one long string, which is the least work.
    fn of_text(bytes: usize) -> String {
        with_data(&format!(
            "\"{}\"",
            "x".repeat(bytes - with_data("\"\"").len())
        ))
    }

    fn with_data(data: &str) -> String {
        let at = super::AT;
        format!(
            r#"{{"user_id":"7","event_type":"order_paid","timestamp":"{at}","src_service":"billing","invariant_data":[{data}],"app_data":null}}"#
        )
    }

    fn parse(bencher: Bencher, text: &str) {
        let now = super::at(super::AT);
        bencher
            .counter(BytesCount::of_str(text))
            .bench(|| NewEvent::parse(black_box(text), now).unwrap());
    }

    #[divan::bench(args = SIZES)]
    fn parse_objects(bencher: Bencher, bytes: usize) {
        parse(bencher, &of_objects(bytes));
    }

    #[divan::bench(args = SIZES)]
    fn parse_text(bencher: Bencher, bytes: usize) {
        parse(bencher, &of_text(bytes));
    }

    /// A document with a key twice in each of its objects: as many problems as are told.
    #[divan::bench(args = SIZES)]
    fn refuse(bencher: Bencher, bytes: usize) {
        let (text, now) = (
            of_objects(bytes).replace("gift", "count"),
            super::at(super::AT),
        );
        bencher
            .counter(BytesCount::of_str(&text))
            .bench(|| NewEvent::parse(black_box(&text), now).unwrap_err());
    }

    /// A retry that is spelled otherwise, so that no comparison of bytes can settle it.
    #[divan::bench(args = SIZES)]
    fn compare(bencher: Bencher, bytes: usize) {
        let text = of_objects(bytes);
        let other = text.replace("\\u00e9", "é");
        assert!(text != other && same_document(&text, &other));
        bencher
            .counter(BytesCount::of_str(&text))
            .bench(|| same_document(black_box(&text), black_box(&other)));
    }

    /// What each event of a page is measured by, so that the answer fits through Lambda.
    #[divan::bench(args = SIZES)]
    fn measure(bencher: Bencher, bytes: usize) {
        let text = of_objects(bytes);
        bencher
            .counter(BytesCount::of_str(&text))
            .bench(|| json_string_bytes(black_box(&text)));
    }
}

/// Ids and instants: made with each event, read with each row of each page.
mod id {
    use audit_log::event::{EventId, IdRange, Timestamp};
    use audit_log::store::KeyHash;
    use divan::{Bencher, black_box};

    use super::{AT, ID, SHARDS, at};

    #[divan::bench]
    fn new(bencher: Bencher) {
        let at = at(AT);
        bencher.bench(|| EventId::new(black_box(at), black_box(4711), SHARDS));
    }

    /// The hash that makes a retry find its event.
    #[divan::bench]
    fn hash_of_a_key() -> KeyHash {
        KeyHash::new(
            black_box(None),
            black_box("billing"),
            black_box(&"order-4711".parse().unwrap()),
        )
    }

    #[divan::bench]
    fn parse() -> Option<EventId> {
        EventId::parse(black_box(ID))
    }

    #[divan::bench]
    fn show(bencher: Bencher) {
        let id = EventId::parse(ID).unwrap();
        bencher.bench(|| black_box(id).to_string());
    }

    /// The sort keys between which a Query reads.
    #[divan::bench]
    fn sort_keys(bencher: Bencher) {
        let (id, from) = (EventId::parse(ID).unwrap(), at("2024-01-01T00:00:00Z"));
        bencher.bench(|| {
            IdRange::ALL
                .starting_at(black_box(from))
                .below(black_box(id))
                .sort_keys()
        });
    }

    #[divan::bench]
    fn timestamp_parse() -> Timestamp {
        Timestamp::parse(black_box(AT)).unwrap()
    }

    #[divan::bench]
    fn timestamp_show(bencher: Bencher) {
        let at = at(AT);
        bencher.bench(|| black_box(at).to_string());
    }
}

/// A page of everyone's events, from DynamoDB's answers to the documents as a caller reads them:
/// the answers decoded, the shards merged, `id` and `recorded` spliced into each document. The
/// answers are at hand, so no time is waited for.
mod page {
    use std::collections::HashMap;

    use audit_log::dynamodb::client_from;
    use audit_log::event::{IdRange, Order};
    use audit_log::store::{EventStore, Scope, Selection};
    use audit_log_testing::settings;
    use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use divan::Bencher;
    use divan::counter::ItemsCount;
    use serde_json::{Value, json};

    use super::{MONTH, SHARDS, ids};

    /// Answers each shard's Query with what it holds.
    #[derive(Clone, Debug)]
    struct Shards(HashMap<String, String>);

    impl HttpConnector for Shards {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let query: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let shard = query["ExpressionAttributeValues"][":partition"]["S"]
                .as_str()
                .unwrap();
            let response = SdkBody::from(self.0[shard].as_str());
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), response)))
        }
    }

    /// A log with so many events of 1 KB, each shard's in one answer.
    fn log(events: usize) -> EventStore {
        let mut shards: HashMap<String, Vec<Value>> = (0..SHARDS)
            .map(|shard| (shard.to_string(), vec![]))
            .collect();
        for id in ids(MONTH / 1_000_000).take(events) {
            let item = json!({
                "shard": {"S": id.shard().to_string()}, "id": {"S": id.to_string()}, "user_id": {"S": "7"},
                "event": {"S": format!("{{\"user_id\":\"7\",\"text\":\"{}\"}}", "x".repeat(900))},
                "recorded_at": {"S": "2024-01-01T00:00:00.000Z"}, "recorded_from": {"S": "203.0.113.9"},
                "salt": {"S": "AAECAwQFBgcICQoLDA0ODw"},
            });
            shards
                .get_mut(&id.shard().to_string())
                .unwrap()
                .insert(0, item);
        }
        let response = |(shard, items): (String, Vec<Value>)| {
            (
                shard,
                json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items})
                    .to_string(),
            )
        };
        let connector =
            SharedHttpConnector::new(Shards(shards.into_iter().map(response).collect()));
        let config = Builder::new()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        EventStore::new(client_from(config), &settings(SHARDS))
    }

    #[divan::bench(args = [10, 100, 1000])]
    fn read(bencher: Bencher, events: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let store = log(events);
        let everyone = Selection {
            scope: Scope::Everyone,
            range: IdRange::ALL,
            order: Order::Descending,
        };
        bencher.counter(ItemsCount::new(events)).bench_local(|| {
            let read = async {
                let partitions = store.partitions(&everyone.scope);
                let mut reader = store.page_reader(&everyone, partitions, events);
                reader.start().await.unwrap();
                let rows = reader.read(|_| true).await.unwrap();
                store.page(rows, |_| true).await.unwrap()
            };
            let page = runtime.block_on(read);
            assert_eq!(page.events.len(), events);
            page
        });
    }
}

/// A list's way in and out: its parameters, cursor included, and its links.
mod query {
    use audit_log::event::EventId;
    use audit_log::http::{ListLinks, ListQuery, RequestContext};
    use divan::{Bencher, black_box};
    use lambda_http::aws_lambda_events::query_map::QueryMap;

    use super::ID;

    /// Every parameter there is, as a `next` link has them.
    const FULL: &str = "user_id=7&from=2024-03-01T00%3A00%3A00Z&to=2024-04-01T00%3A00%3A00Z&page=3&per_page=100\
        &cursor=018df9ab-c47a-7000-8017-9689cac02131";

    #[divan::bench(args = ["one parameter", "all of them"])]
    fn parse(bencher: Bencher, which: &str) {
        let raw = if which == "one parameter" {
            "page=3"
        } else {
            FULL
        };
        let parameters: QueryMap = raw.parse().unwrap();
        bencher.bench(|| ListQuery::parse(black_box(&parameters), black_box(Some(raw))).unwrap());
    }

    #[divan::bench]
    fn links(bencher: Bencher) {
        let query = ListQuery::parse(&FULL.parse::<QueryMap>().unwrap(), Some(FULL)).unwrap();
        let context = RequestContext {
            path: "/events".to_owned(),
            ..RequestContext::default()
        };
        let links = ListLinks {
            context: &context,
            query: &query,
            total_pages: Some(50_000),
            next: EventId::parse(ID),
        };
        bencher.bench(|| black_box(links).header());
    }
}

/// The count index. The storage is a map behind a lock, which packs what is written as DynamoDB's
/// does: nearly all of the time is the trie's.
mod trie {
    use audit_log::count::trie::{
        Digit, LaneId, MAX_LEAF_KEYS, Node, Prefix, Storage, Trie, Tries,
    };
    use audit_log::event::EventId;
    use audit_log_testing::trie::{Memory, count_turns};
    use divan::Bencher;
    use divan::counter::ItemsCount;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::{MONTH, SHARDS, ids};

    /// Events in the log.
    const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

    fn lane_of(key: u128) -> LaneId {
        (key & 0xf) as LaneId
    }

    /// Adds keys to the lanes that they belong to.
    fn add(storage: &Memory, keys: &[u128]) {
        for lane in 0..SHARDS {
            let keys: Vec<u128> = keys
                .iter()
                .copied()
                .filter(|key| lane_of(*key) == lane)
                .collect();
            count_turns(Trie::new(storage, lane).apply(&keys))
                .0
                .unwrap();
        }
    }

    fn started() -> Memory {
        let storage = Memory::new();
        for lane in 0..SHARDS {
            count_turns(Trie::new(&storage, lane).start(0)).0.unwrap();
        }
        storage
    }

    /// A log of so many events over a month, and its keys from the oldest on.
    fn filled(events: u32) -> (Memory, Vec<u128>) {
        let (storage, keys) = (
            started(),
            keys(events).take(events as usize).collect::<Vec<_>>(),
        );
        add(&storage, &keys);
        (storage, keys)
    }

    fn keys(events_a_month: u32) -> impl Iterator<Item = u128> {
        ids(MONTH / events_a_month).map(EventId::to_bits)
    }

    fn roots(storage: &Memory) -> Vec<(LaneId, Node)> {
        let (level, _) = count_turns(storage.level(Prefix::ROOT));
        level
            .unwrap()
            .into_iter()
            .map(|(lane, entry)| (lane, entry.node))
            .collect()
    }

    /// A batch of the stream, added at the end of a log of 10,000 events. It is new each time, so
    /// the log grows on.
    #[divan::bench(args = [1, 10, 100, 1000], sample_count = 100, sample_size = 1)]
    fn apply_batch(bencher: Bencher, events: usize) {
        let (storage, old) = filled(10_000);
        let mut new = keys(10_000).skip(old.len());
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(|| new.by_ref().take(events).collect::<Vec<_>>())
            .bench_local_values(|keys| add(&storage, &keys));
    }

    /// What a redelivered batch costs: everything is there already.
    #[divan::bench(args = [1, 10, 100, 1000])]
    fn apply_again(bencher: Bencher, events: usize) {
        let (storage, keys) = filled(10_000);
        let batch = &keys[keys.len() - events..];
        bencher
            .counter(ItemsCount::new(events))
            .bench_local(|| add(&storage, batch));
    }

    /// A backfill of the whole log at once.
    #[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
    fn apply_all(bencher: Bencher, events: u32) {
        let keys: Vec<u128> = keys(events).take(events as usize).collect();
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(started)
            .bench_local_refs(|storage| add(storage, &keys));
    }

    /// From a page's number to the id at its start, anywhere in the log.
    #[divan::bench(name = "select", args = SIZES)]
    fn select_anywhere(bencher: Bencher, events: u32) {
        let ((storage, keys), mut rng) = (filled(events), StdRng::seed_from_u64(2));
        let roots = roots(&storage);
        bencher
            .with_inputs(|| rng.random_range(0..keys.len()))
            .bench_local_values(|position| {
                let before = count_turns(Tries::new(&storage, &roots).path_to(u128::MAX))
                    .0
                    .unwrap();
                let found =
                    count_turns(before.select(&storage, (keys.len() - 1 - position) as u64))
                        .0
                        .unwrap();
                assert_eq!(found, Some(keys[position]));
            });
    }

    /// How many events are older than one, anywhere in the log.
    #[divan::bench(name = "rank", args = SIZES)]
    fn rank_anywhere(bencher: Bencher, events: u32) {
        let ((storage, keys), mut rng) = (filled(events), StdRng::seed_from_u64(2));
        let roots = roots(&storage);
        bencher
            .with_inputs(|| rng.random_range(0..keys.len()))
            .bench_local_values(|position| {
                let found = count_turns(Tries::new(&storage, &roots).rank(keys[position]))
                    .0
                    .unwrap();
                assert_eq!(found, position as u64);
            });
    }

    /// The total of a list with `from` and `to`, each anywhere in the log.
    #[divan::bench(name = "count", args = SIZES)]
    fn count_anywhere(bencher: Bencher, events: u32) {
        let ((storage, keys), mut rng) = (filled(events), StdRng::seed_from_u64(2));
        let roots = roots(&storage);
        let range = || {
            let (a, b) = (
                rng.random_range(0..keys.len()),
                rng.random_range(0..keys.len()),
            );
            (a.min(b), a.max(b))
        };
        bencher
            .with_inputs(range)
            .bench_local_values(|(first, end)| {
                let found = count_turns(Tries::new(&storage, &roots).count(keys[first], keys[end]))
                    .0
                    .unwrap();
                assert_eq!(found, (end - first) as u64);
            });
    }

    /// The fullest nodes there are, with where they lie: what every read unpacks and every write
    /// packs.
    fn nodes() -> [(Prefix, Node); 2] {
        let keys: Vec<u128> = keys(1_000_000).take(MAX_LEAF_KEYS).collect();
        let prefix = Prefix::path(keys[0]).next().unwrap();
        let greatest = keys[keys.len() - 1];
        let counts = (0..256)
            .map(|step: Digit| (step, 1000 + u64::from(step)))
            .collect();
        [
            (prefix, Node::Leaf(keys)),
            (prefix, Node::Inner { greatest, counts }),
        ]
    }

    #[divan::bench(args = ["leaf", "inner"])]
    fn pack(bencher: Bencher, kind: &str) {
        let [leaf, inner] = nodes();
        let (prefix, node) = if kind == "leaf" { leaf } else { inner };
        bencher.bench(|| node.pack(prefix));
    }

    #[divan::bench(args = ["leaf", "inner"])]
    fn unpack(bencher: Bencher, kind: &str) {
        let [leaf, inner] = nodes();
        let (prefix, node) = if kind == "leaf" { leaf } else { inner };
        let bytes = node.pack(prefix);
        assert_eq!(Node::unpack(prefix, &bytes), Ok(node));
        bencher.bench(|| Node::unpack(prefix, &bytes));
    }
}
