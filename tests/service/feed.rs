//! GET /events/feed: each event once, in the order in which they were sealed.

use std::collections::HashSet;
use std::time::Duration;

use audit_log::dynamodb::Usage;
use audit_log::event::{EventId, Timestamp};
use audit_log::http::MAX_LAMBDA_PAYLOAD_BYTES;
use audit_log::list_events::ListEvents;
use audit_log::store::EventKey;
use audit_log_testing::tables::{Log, SHARDS, entries, events, of_user};
use audit_log_testing::{Tables, event_with, feed_request, get_request, ids, levels, usage};
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, header};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

async fn feed(tables: &Tables, query: &str) -> Response<Body> {
    let function = ListEvents::new(tables.deps());
    function.handle(feed_request(query)).await
}

fn body(response: &Response<Body>) -> Value {
    assert_eq!(response.status(), 200, "{response:?}");
    serde_json::from_slice(response.body()).unwrap()
}

async fn page(tables: &Tables, query: &str) -> Value {
    body(&feed(tables, query).await)
}

fn key_of(id: EventId) -> [(String, AttributeValue); 2] {
    let shard = AttributeValue::S(format!("{:x}", id.shard()));
    let id = AttributeValue::S(id.to_string());
    [("shard".to_owned(), shard), ("id".to_owned(), id)]
}

/// Removes an event, which no function does.
async fn remove(tables: &Tables, id: EventId) {
    let delete = tables.client.delete_item().table_name("EventsTable");
    let delete = delete.set_key(Some(key_of(id).into()));
    delete.send().await.unwrap();
}

/// Sets an attribute of an event, which no function does.
async fn set(tables: &Tables, id: EventId, name: &str, value: AttributeValue) {
    let update = tables
        .client
        .update_item()
        .table_name("EventsTable")
        .set_key(Some(key_of(id).into()))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", value);
    update.send().await.unwrap();
}

#[tokio::test]
async fn a_log_without_entries_has_an_empty_feed() {
    let (tables, _) = Tables::unsealed(3).await;
    let response = feed(&tables, "").await;
    assert_eq!(response.headers()[header::RETRY_AFTER], "10");
    assert_eq!(
        body(&response),
        json!({"events": [], "next": 0, "sealed": 0})
    );
}

#[tokio::test]
async fn a_page_has_the_events_that_follow_in_sealed_order() {
    let (tables, mut order) = Tables::unsealed(600).await;
    order.reverse();
    order.swap(10, 400);
    let mut log = tables.log();
    log.seal(order.iter().copied()).await;
    for (query, expected) in [
        ("", 0..100),
        ("after=0&per_page=1", 0..1),
        ("after=100", 100..200),
        ("after=255&per_page=2", 255..257),
        ("per_page=1000&after=1", 1..600),
        ("after=256&per_page=256", 256..512),
        ("after=550", 550..600),
        ("after=00599", 599..600),
        ("after=600", 600..600),
    ] {
        let response = feed(&tables, query).await;
        let page = body(&response);
        assert_eq!(page["next"], expected.end, "{query}");
        assert_eq!(page["sealed"], 600, "{query}");
        let events = page["events"].as_array().unwrap();
        let indexes = events.iter().map(|event| event["index"].as_u64().unwrap());
        assert!(indexes.eq(expected.start as u64..expected.end as u64));
        let names: Vec<String> = order[expected.clone()]
            .iter()
            .map(EventId::to_string)
            .collect();
        assert_eq!(ids(&page), names, "{query}");
        // There is something to wait for at the end only.
        let waits = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(waits, expected.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn an_event_of_the_feed_is_byte_for_byte_the_event() {
    let tables = Tables::start().await;
    let at = "2024-01-01T00:00:00Z";
    let document = event_with("1", at, "{\"a\": 1.0,\n \"b\": \"é\\u0041\"}");
    let now = Timestamp::parse(at).unwrap();
    let response = tables.post(Some("k"), document.clone(), now).await;
    let recorded: Value = serde_json::from_slice(response.body()).unwrap();
    let id = EventId::parse(recorded["id"].as_str().unwrap()).unwrap();
    tables.log().seal([id]).await;

    let function = ListEvents::new(tables.deps());
    let one = function.handle(get_request(id)).await;
    let one = std::str::from_utf8(one.body()).unwrap();
    let expected =
        format!(r#"{{"events":[{{"index":0,"id":"{id}","event":{one}}}],"next":1,"sealed":1}}"#);
    let response = feed(&tables, "").await;
    assert_eq!(std::str::from_utf8(response.body()).unwrap(), expected);
    assert!(expected.contains(document.strip_prefix('{').unwrap()));
}

/// Each entry has an index, so the feed is one level deeper than a list. docs/api.md says so.
#[tokio::test]
async fn the_feed_puts_three_levels_around_an_event() {
    let tables = Tables::start().await;
    let at = "2024-01-01T00:00:00Z";
    // The document is the first of its 62 levels.
    let deep = format!("{}{}", "[".repeat(61), "]".repeat(61));
    let now = Timestamp::parse(at).unwrap();
    let response = tables.post(None, event_with("1", at, &deep), now).await;
    assert_eq!(response.status(), 201, "{response:?}");
    let recorded: Value = serde_json::from_slice(response.body()).unwrap();
    let id = EventId::parse(recorded["id"].as_str().unwrap()).unwrap();
    tables.log().seal([id]).await;
    let response = feed(&tables, "").await;
    assert_eq!(body(&response)["next"], 1);
    let text = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(levels(text), 65);
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_named() {
    let (tables, ids) = Tables::unsealed(2).await;
    tables.log().seal(ids).await;
    for (query, field, problem) in [
        ("after=-1", "after", "must be a whole number from 0 on"),
        ("after=", "after", "must be a whole number from 0 on"),
        ("after=%2B1", "after", "must be a whole number from 0 on"),
        ("after=1.0", "after", "must be a whole number from 0 on"),
        ("after=1&after=1", "after", "must be given once"),
        ("after=3", "after", "is more than the 2 entries"),
        (
            "after=99999999999999999999999",
            "after",
            "is more than the 2 entries",
        ),
        ("per_page=0", "per_page", "from 1 to 1000"),
        ("per_page=1001", "per_page", "from 1 to 1000"),
        ("per_page=x", "per_page", "from 1 to 1000"),
        ("cursor=1", "cursor", "there are after, per_page"),
    ] {
        let response = feed(&tables, query).await;
        assert_eq!(response.status(), 400, "{query}");
        let error: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(error["code"], "invalid_parameter", "{query}");
        let first = &error["fields"][0];
        assert_eq!(first["field"], field, "{query}");
        let found = first["problem"].as_str().unwrap();
        assert!(found.contains(problem), "{query}: {found}");
    }
}

#[tokio::test]
async fn a_feed_is_json_and_nothing_else() {
    let (tables, ids) = Tables::unsealed(1).await;
    tables.log().seal(ids).await;
    for (accept, status) in [
        ("application/json", 200),
        ("*/*", 200),
        ("text/csv", 406),
        ("application/x-ndjson", 406),
    ] {
        let mut request = feed_request("");
        let accept = HeaderValue::from_static(accept);
        request.headers_mut().insert(header::ACCEPT, accept);
        let response = ListEvents::new(tables.deps()).handle(request).await;
        assert_eq!(response.status(), status, "{response:?}");
    }
}

#[tokio::test]
async fn an_event_that_is_gone_or_changed_is_named_not_hidden() {
    let (tables, ids) = Tables::unsealed(8).await;
    let mut log = tables.log();
    log.seal(ids.iter().copied()).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    remove(&tables, ids[1]).await;
    set(&tables, ids[2], "event", text("{}")).await;
    set(&tables, ids[3], "recorded_by", text("somebody")).await;
    set(&tables, ids[4], "event", AttributeValue::Bool(true)).await;
    set(&tables, ids[5], "recorded_at", AttributeValue::Null(true)).await;
    // This one is recorded again as it is now, so it has two entries.
    set(&tables, ids[6], "event", text("{\"x\":1}")).await;
    log.seal([ids[6], ids[7]]).await;

    let page = page(&tables, "").await;
    let events = page["events"].as_array().unwrap();
    let found: Vec<Option<&str>> = events
        .iter()
        .map(|event| event["problem"].as_str())
        .collect();
    let changed = Some("changed");
    let expected = [
        None,
        Some("missing"),
        changed,
        changed,
        changed,
        changed,
        changed,
        None,
        None,
        None,
    ];
    assert_eq!(found, expected);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["index"], index);
        let has_event = event["event"].is_object();
        assert_eq!(has_event, event["problem"].is_null(), "{event}");
        let members = event.as_object().unwrap().len();
        assert_eq!(members, if has_event { 3 } else { 4 });
    }
    assert_eq!(page["next"], 10);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_shorter_and_goes_on() {
    let tables = Tables::start().await;
    let events = events(60, Duration::from_secs(60));
    tables.write_of(&events, 250_000).await;
    let mut log = tables.log();
    log.seal(events.iter().map(|event| event.id)).await;
    let mut next = 0;
    let mut pages = 0;
    while next < 60 {
        let response = feed(&tables, &format!("after={next}&per_page=1000")).await;
        let as_lambda_returns_it = serde_json::to_string(response.body()).unwrap();
        assert!(as_lambda_returns_it.len() < MAX_LAMBDA_PAYLOAD_BYTES);
        let page = body(&response);
        let events = page["events"].as_array().unwrap();
        assert!(!events.is_empty());
        assert_eq!(page["next"], next + events.len() as u64);
        for event in events {
            assert_eq!(event["index"], next);
            next += 1;
        }
        pages += 1;
    }
    assert_eq!(pages, 3, "24 events of 250 KB fit into 6 MB");
}

#[tokio::test]
async fn a_poll_without_news_costs_one_unit() {
    let (tables, ids) = Tables::unsealed(300).await;
    tables.log().seal(ids).await;
    let polled = usage(&feed(&tables, "after=300").await);
    let Usage {
        calls,
        rounds,
        read,
        ..
    } = polled;
    assert_eq!((calls, rounds, read.total()), (1, 1, 1.0));
}

#[tokio::test]
async fn a_page_costs_its_bundles_and_its_events() {
    let (tables, ids) = Tables::unsealed(600).await;
    tables.log().seal(ids).await;
    // The checkpoint; the bundles at 2 units each at most; an event of 800 bytes is a unit.
    for (query, calls, rounds, most) in [
        ("after=0&per_page=25", 3, 3, 1.0 + 2.0 + 25.0),
        ("after=200&per_page=100", 5, 4, 1.0 + 4.0 + 100.0),
        ("after=0&per_page=1000", 11, 9, 1.0 + 6.0 + 600.0),
    ] {
        let usage = usage(&feed(&tables, query).await);
        assert_eq!((usage.calls, usage.rounds), (calls, rounds), "{query}");
        assert!(usage.read.total() <= most, "{query}: {usage:?}");
    }
}

/// A log that grows while somebody polls it.
struct Growing {
    rng: StdRng,
    tables: Tables,
    log: Log,
    /// Events that are recorded and not sealed.
    waiting: Vec<EventId>,
    recorded: HashSet<EventId>,
}

impl Growing {
    async fn start(seed: u64) -> Growing {
        let tables = Tables::start().await;
        Growing {
            rng: StdRng::seed_from_u64(seed),
            log: tables.log(),
            tables,
            waiting: Vec::new(),
            recorded: HashSet::new(),
        }
    }

    /// Records events that happened at any time: long ago, now, or in the future.
    async fn record(&mut self) {
        let now = Timestamp::parse("2024-06-01T00:00:00Z").unwrap();
        let events: Vec<EventKey> = (0..self.rng.random_range(1..40))
            .map(|_| {
                let distance = Duration::from_secs(self.rng.random_range(0..100_000_000));
                let at = match self.rng.random_range(0..3) {
                    0 => now.saturating_sub(distance),
                    1 => now,
                    _ => now.saturating_add(distance / 1000),
                };
                of_user(EventId::new(at, self.rng.random(), SHARDS), "1")
            })
            .collect();
        self.tables.write(&events).await;
        self.waiting.extend(events.iter().map(|event| event.id));
        self.recorded.extend(events.iter().map(|event| event.id));
    }

    /// Seals some of them, in any order. Some only get into a checkpoint later.
    async fn seal(&mut self) {
        let count = self.rng.random_range(0..=self.waiting.len());
        for _ in 0..count {
            let at = self.rng.random_range(0..self.waiting.len());
            let last = self.waiting.len() - 1;
            self.waiting.swap(at, last);
        }
        let rest = self.waiting.len() - count;
        let entries = entries(&self.tables.client, self.waiting.split_off(rest)).await;
        if entries.is_empty() {
            return;
        }
        self.log.append(&entries).await;
        if self.rng.random_bool(0.7) {
            self.log.publish().await;
        }
    }
}

/// A client that polls the feed, and keeps `next` together with what it got.
#[derive(Default)]
struct Poller {
    next: u64,
    got: Vec<(u64, String)>,
}

impl Poller {
    async fn poll(&mut self, growing: &mut Growing) {
        let per_page = growing.rng.random_range(1..30);
        let query = format!("after={}&per_page={per_page}", self.next);
        let page = page(&growing.tables, &query).await;
        // It is killed before it has kept anything.
        if growing.rng.random_bool(0.3) {
            return;
        }
        for event in page["events"].as_array().unwrap() {
            let index = event["index"].as_u64().unwrap();
            self.got
                .push((index, event["id"].as_str().unwrap().to_owned()));
        }
        self.next = page["next"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn a_poller_gets_each_event_once_however_it_is_dated() {
    for seed in 0..6 {
        let mut growing = Growing::start(seed).await;
        let mut poller = Poller::default();
        for _ in 0..40 {
            match growing.rng.random_range(0..10) {
                0..2 => growing.record().await,
                2..4 => growing.seal().await,
                // Somebody removes an event. Its entry stays.
                4 if !growing.log.entries.is_empty() => {
                    let at = growing.rng.random_range(0..growing.log.entries.len());
                    remove(&growing.tables, growing.log.entries[at].id).await;
                }
                _ => poller.poll(&mut growing).await,
            }
        }
        let waiting = std::mem::take(&mut growing.waiting);
        growing.record().await;
        growing.waiting.extend(waiting);
        let rest = std::mem::take(&mut growing.waiting);
        growing.log.seal(rest).await;
        while poller.next < growing.log.size() {
            poller.poll(&mut growing).await;
        }

        let sealed = growing.log.entries.iter().map(|entry| entry.id.to_string());
        let expected: Vec<(u64, String)> = (0..).zip(sealed).collect();
        assert_eq!(poller.got, expected, "seed {seed}");
        let got: HashSet<&str> = poller.got.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(got.len(), growing.recorded.len(), "seed {seed}");
        assert_eq!(poller.got.len(), growing.recorded.len(), "seed {seed}");
    }
}
