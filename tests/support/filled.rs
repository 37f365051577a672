//! Tables of any size, without a gateway or a stream: filled as they would be found, indexed when a test says so.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log::config::Settings;
use audit_log::count::{CountsTable, Indexer};
use audit_log::limits::SETTLE;
use audit_log::dynamodb::Usage;
use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use audit_log::list_events::ListEvents;
use audit_log::store::{EventKey, EventStore, Partition};
use audit_log_cli::serve::engine::{Address, Engine, Storage};
use audit_log_cli::serve::tables::{Table, create_tables};
use audit_log_cli::serve::template::Template;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{StreamExt, iter};
use lambda_http::http::Request;
use lambda_http::{Body, RequestExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// As many as the template has by default.
pub const SHARDS: u8 = 2;
/// How many events a quiet log has.
pub const OLD_EVENTS: usize = 3000;
/// How long before a list a load began: longer than the live window reaches back.
const LOAD: Duration = Duration::from_secs(30);
/// How far the index trails a load: the stream's window, its poll and the work.
pub const LAG: Duration = Duration::from_secs(7);
/// The events of a load are so many bytes at most.
const MAX_LOAD_BYTES: usize = 16 << 20;
/// How often a batch is delivered before that counts as a fault.
const MAX_DELIVERIES: usize = 5;

pub struct Tables {
    /// Where the engine answers.
    pub dynamodb: Address,
    pub client: Client,
    pub store: EventStore,
    pub counts: CountsTable,
    pub indexer: Indexer,
    lists: ListEvents,
    /// What the clock of `lists` shows.
    now: Arc<Mutex<Timestamp>>,
}

impl Tables {
    /// Empty tables in an engine of their own, which lives as long as the test.
    pub async fn start() -> Tables {
        let template = Template::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
        let tables: Vec<_> = template.tables.into_iter().map(Table::without_stream).collect();
        let dynamodb = engine().await;
        let client = dynamodb.client().await;
        create_tables(&client, &dynamodb.url, &tables).await.unwrap();
        Tables::at(dynamodb).await
    }

    /// The tables that an engine has.
    pub async fn at(dynamodb: Address) -> Tables {
        let client = dynamodb.client().await;
        let settings = settings("CountsTable");
        let (store, counts) = (EventStore::new(client.clone(), &settings), CountsTable::new(client.clone(), &settings));
        let now = Arc::new(Mutex::new(Timestamp::EPOCH));
        let clock = now.clone();
        let effects = Effects::system().with_clock(move || *clock.lock().unwrap());
        let lists = ListEvents::new(audit_log::deps::Deps { store: store.clone(), counts: counts.clone(), effects });
        Tables { dynamodb, client, indexer: Indexer::new(store.clone(), counts.clone()), store, counts, lists, now }
    }

    /// The dependencies of a handler on these tables.
    pub fn deps(&self) -> audit_log::deps::Deps {
        audit_log::deps::Deps { store: self.store.clone(), counts: self.counts.clone(), effects: Effects::system() }
    }

    /// The count index in another table.
    pub fn counts_named(&self, table: &str) -> CountsTable {
        CountsTable::new(self.client.clone(), &settings(table))
    }

    /// See [`write`].
    pub async fn write(&self, events: &[EventKey]) {
        write(&self.client, events).await;
    }

    /// The same, where an item has about so many bytes.
    pub async fn write_of(&self, events: &[EventKey], item_bytes: usize) {
        write_of(&self.client, events, item_bytes).await;
    }

    /// How often the index was written.
    pub async fn writes_of_the_index(&self) -> u64 {
        let nodes = self.client.scan().table_name("CountsTable").consistent_read(true).send().await.unwrap();
        let versions = nodes.items().iter().filter_map(|node| node.get("version")?.as_n().ok()?.parse::<u64>().ok());
        versions.sum()
    }

    /// Starts every lane and fills it from the table, as the first batches of a stream do.
    pub async fn index(&self, now: Timestamp) {
        self.deliver_all(&[], now).await;
    }

    /// A log of a month, with user 1's trie, of which nothing is new at `now`.
    pub async fn quiet(now: Timestamp) -> Tables {
        let (tables, old) = (Tables::start().await, events(OLD_EVENTS, Duration::from_secs(30 * 24 * 3600)));
        tables.write(&old).await;
        tables.index(now).await;
        tables.promote(sample(&old), now).await;
        tables
    }

    /// Events at a rate up to `now`, which the index has but for those of the last [`LAG`]. Half of them are user 1's.
    pub async fn load(&self, per_second: u32, item_bytes: usize, now: Timestamp) -> Vec<EventKey> {
        if per_second == 0 {
            return Vec::new();
        }
        let all = events_from(now.minus(LOAD), (per_second * LOAD.as_secs() as u32) as usize, LOAD);
        // Of large events the newest alone: a list that reads further is too dear all the same.
        let load = all[all.len() - all.len().min(MAX_LOAD_BYTES / item_bytes)..].to_vec();
        self.write_of(&load, item_bytes).await;
        let delivered = EventId::lowest_at(now.minus(LAG));
        let delivered: Vec<EventKey> = load.iter().filter(|event| event.id < delivered).cloned().collect();
        self.deliver_events(&delivered, now).await;
        load
    }

    /// Adds events to the index, batch by batch.
    pub async fn deliver_events(&self, events: &[EventKey], now: Timestamp) {
        for batch in events.chunks(1000) {
            let added = self.indexer.add(batch, now).await;
            assert!(added.failed.is_empty(), "{added:?}");
        }
    }

    /// Gives a user a trie, as a batch with this event of the user's does, and one more when the index has settled.
    pub async fn promote(&self, event: &EventKey, now: Timestamp) {
        for now in [now, now.plus(SETTLE)] {
            self.deliver_all(std::slice::from_ref(event), now).await;
        }
    }

    /// Adds a batch and fills the lanes that are building. What one delivery cannot end, because a busy machine lets DynamoDB
    /// answer too late, the next takes up, as with a stream.
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

    /// Compares the index with the events: there is no difference.
    pub async fn reconcile(&self, partitions: impl Iterator<Item = Partition>, now: Timestamp) {
        for partition in partitions {
            let mut differences = Vec::new();
            let tell = |difference| differences.push(difference);
            self.indexer.reconcile(&partition, || now, |_| {}, tell).await.unwrap();
            assert_eq!(differences, [], "{partition:?}");
        }
    }

    /// Answers `GET /events?query` at `now`, as a function does that has answered all queries before. Queries at the same
    /// time must have the same `now`.
    pub async fn get(&self, query: &str, now: Timestamp) -> (Value, Usage) {
        *self.now.lock().unwrap() = now;
        ask(&self.lists, query).await
    }

    /// The same, as a function does that has just been started.
    pub async fn get_cold(&self, query: &str, now: Timestamp) -> (Value, Usage) {
        list(&self.store, &self.counts, query, now).await
    }
}

fn settings(counts_table: &str) -> Settings {
    Settings {
        events_table: "EventsTable".to_owned(),
        keys_table: "KeysTable".to_owned(),
        counts_table: counts_table.to_owned(),
        shards: SHARDS.to_string().parse().unwrap(),
    }
}

/// An engine of the test's own, which lives as long as the test.
pub async fn engine() -> Address {
    match crate::support::storage() {
        Storage::Elsewhere(address) => address,
        _ => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = Address::new(format!("http://{}", listener.local_addr().unwrap()));
            Engine::open(None).unwrap().serve(listener, std::future::pending());
            address
        }
    }
}

/// Answers `GET /events?query` from these tables at `now`, and gives what it used.
pub async fn list(store: &EventStore, counts: &CountsTable, query: &str, now: Timestamp) -> (Value, Usage) {
    ask(&ListEvents::new(audit_log::deps::Deps { store: store.clone(), counts: counts.clone(), effects: Effects::system().with_clock(move || now) }), query).await
}

async fn ask(list: &ListEvents, query: &str) -> (Value, Usage) {
    let parameters: lambda_http::aws_lambda_events::query_map::QueryMap = query.parse().unwrap();
    let response = list.handle(Request::new(Body::Empty).with_query_string_parameters(parameters)).await;
    assert_eq!(response.status(), 200, "{response:?}");
    (serde_json::from_slice(response.body()).unwrap(), *response.extensions().get::<Usage>().unwrap())
}

/// Writes events past the API, as a table that is older than the index has them.
pub async fn write(client: &Client, events: &[EventKey]) {
    write_of(client, events, 800).await;
}

/// The same, where an item has about so many bytes.
async fn write_of(client: &Client, events: &[EventKey], item_bytes: usize) {
    // What an item has beside its filling: names, keys, and the rest of its document.
    let filling = "x".repeat(item_bytes.saturating_sub(200));
    let filling = &filling;
    let batches = events.chunks(25).map(|events| async move {
        let put = |event: &EventKey| {
            let string = |text: &str| AttributeValue::S(text.to_owned());
            let item = HashMap::from([
                ("shard".to_owned(), string(&format!("{:x}", event.id.shard()))),
                ("id".to_owned(), string(&event.id.to_string())),
                ("user_id".to_owned(), string(event.user_id.as_str())),
                ("event".to_owned(), string(&format!("{{\"user_id\":\"{}\",\"x\":\"{}\"}}", event.user_id, filling))),
                ("recorded_at".to_owned(), string("2024-01-01T00:00:00.000Z")),
            ]);
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let requests = events.iter().map(put).collect();
        let response = client.batch_write_item().request_items("EventsTable", requests).send().await.unwrap();
        assert!(response.unprocessed_items().is_none_or(HashMap::is_empty));
    });
    iter(batches).buffer_unordered(4).collect::<Vec<()>>().await;
}

/// `count` events, evenly spread over `span` from 2024 on, oldest first; every second one is user 1's.
pub fn events(count: usize, span: Duration) -> Vec<EventKey> {
    events_from(Timestamp::parse("2024-01-01T00:00:00Z").unwrap(), count, span)
}

/// The same from `start` on.
pub fn events_from(start: Timestamp, count: usize, span: Duration) -> Vec<EventKey> {
    let rng = &mut StdRng::seed_from_u64(1);
    let gap = span / u32::try_from(count).unwrap();
    (0..count)
        .map(|number| {
            let at = start.plus(gap * u32::try_from(number).unwrap());
            let user_id = if number % 2 == 0 { "1".to_owned() } else { format!("u{}", number % 5000) };
            EventKey { id: EventId::new(at, rng.random(), SHARDS), user_id: user_id.parse().unwrap() }
        })
        .collect()
}

/// An event of user 1's that makes the indexer look how many events the user has.
pub fn sample(events: &[EventKey]) -> &EventKey {
    events.iter().find(|event| event.user_id.as_str() == "1" && (event.id.to_bits() >> 4) % 32 == 0).unwrap()
}

/// A stream's batch of new events, as Lambda delivers it.
pub fn stream_batch(events: &[EventKey]) -> Value {
    let record = |(number, event): (usize, &EventKey)| {
        let image = json!({"id": {"S": event.id.to_string()}, "user_id": {"S": event.user_id}, "event": {"S": "{}"}});
        json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": number.to_string(), "NewImage": image}})
    };
    json!({"Records": events.iter().enumerate().map(record).collect::<Vec<_>>()})
}
