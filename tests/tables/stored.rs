//! What lies in the tables, word for word: a deploy, and one that is rolled back, meets what
//! another version has written.

use std::collections::HashMap;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use audit_log::limits::{LATE, SETTLE};
use audit_log::list_events::ListEvents;
use audit_log::store::{EventKey, Partition};
use audit_log_testing::tables::{SHARDS, events, of_user, user};
use audit_log_testing::{Tables, event, get_request, ids, leaf_of};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::Body;
use lambda_http::http::Response;
use serde_json::{Map, Value, json};

/// The items of all tables, as the first version wrote them. Not to be made anew: a version that
/// writes something else must still read this, and what it writes must be read by the version
/// before it.
const ITEMS: &str = include_str!("stored.json");
/// The items of the events table, as they are written since the transparency log. Those of the other
/// tables are the same.
const SALTED: &str = include_str!("stored-salted.json");
/// The item of an event without a user, which lacks the attribute.
const WITHOUT_USER: &str = include_str!("stored-no-user.json");
const TABLES: [&str; 3] = ["EventsTable", "KeysTable", "CountsTable"];
const AT: &str = "2024-01-01T00:00:00Z";

fn at(after: Duration) -> Timestamp {
    Timestamp::parse(AT).unwrap().saturating_add(after)
}

/// So many that the lane's leaf has split: a root, two nodes, and two leaves.
fn indexed() -> Vec<EventKey> {
    let key = |number: u64| {
        of_user(
            EventId::new(
                at(Duration::from_millis(300 * number)),
                number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                1,
            ),
            "1",
        )
    };
    (0..300).map(key).collect()
}

/// What this version writes.
fn written_now() -> Value {
    let mut items: Value = serde_json::from_str(ITEMS).unwrap();
    items["EventsTable"] = serde_json::from_str(SALTED).unwrap();
    items
}

/// The same for an event without a user.
fn written_without_user() -> Value {
    let mut items = written_now();
    items["EventsTable"] = serde_json::from_str(WITHOUT_USER).unwrap();
    // Nothing has counted it yet.
    items["CountsTable"] = json!([]);
    items
}

async fn post_under_a_key(tables: &Tables, random: u64) -> Response<Body> {
    post_document(tables, event("1", AT), random).await
}

async fn post_without_user(tables: &Tables, random: u64) -> Response<Body> {
    let document = event("1", AT).replace(r#""user_id":"1""#, r#""user_id":null"#);
    post_document(tables, document, random).await
}

async fn post_document(tables: &Tables, document: String, random: u64) -> Response<Body> {
    let effects = Effects::system()
        .with_clock(|| at(LATE))
        .with_random(move || random);
    tables
        .post_with(Some("order-4711"), document, effects)
        .await
}

/// Puts kept items into their tables.
async fn put_items(tables: &Tables, kept: &Value) {
    for table in TABLES {
        for item in kept[table].as_array().unwrap() {
            let put = tables.client.put_item().table_name(table);
            put.set_item(Some(from_json(item))).send().await.unwrap();
        }
    }
}

async fn items(tables: &Tables, table: &str) -> Value {
    let scan = tables.client.scan().table_name(table).consistent_read(true);
    let scanned = scan.send().await.unwrap();
    let mut items: Vec<Value> = scanned.items().iter().map(to_json).collect();
    items.sort_by_key(Value::to_string);
    json!(items)
}

/// As DynamoDB's JSON has it, but for bytes, which are in hex.
fn to_json(item: &HashMap<String, AttributeValue>) -> Value {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => {
            json!({ "B": bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
        }
        other => panic!("{other:?}"),
    };
    Value::Object(
        item.iter()
            .map(|(name, found)| (name.clone(), value(found)))
            .collect::<Map<_, _>>(),
    )
}

fn from_json(item: &Value) -> HashMap<String, AttributeValue> {
    let value = |value: &Value| {
        let (kind, text) = value.as_object().unwrap().iter().next().unwrap();
        let text = text.as_str().unwrap();
        match kind.as_str() {
            "S" => AttributeValue::S(text.to_owned()),
            "N" => AttributeValue::N(text.to_owned()),
            _ => {
                let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
                AttributeValue::B(Blob::new(
                    (0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>(),
                ))
            }
        }
    };
    item.as_object()
        .unwrap()
        .iter()
        .map(|(name, found)| (name.clone(), value(found)))
        .collect()
}

#[tokio::test]
async fn what_is_written_is_what_other_versions_read() {
    let tables = Tables::start().await;
    let now = at(Duration::from_secs(120));
    assert_eq!(
        post_under_a_key(&tables, 0x0123_4567_89ab_cdef)
            .await
            .status(),
        201
    );
    let recorded = items(&tables, "EventsTable").await;
    let keys = items(&tables, "KeysTable").await;
    // The lanes of the shards are ready, that of a user is building.
    tables.index(now).await;
    tables.indexer.start(&user("1"), now).await.unwrap();
    let added = tables.indexer.add(&indexed(), now).await;
    assert!(added.failed.is_empty(), "{added:?}");
    let counts = items(&tables, "CountsTable").await;
    let written = json!({"EventsTable": recorded, "KeysTable": keys, "CountsTable": counts});
    assert!(
        written == written_now(),
        "what is written is not what is kept: {written:#}"
    );
}

#[tokio::test]
async fn what_another_version_wrote_is_read_and_added_to() {
    read_and_add_to(&serde_json::from_str(ITEMS).unwrap()).await;
}

#[tokio::test]
async fn what_this_version_wrote_is_read_and_added_to() {
    read_and_add_to(&written_now()).await;
}

#[tokio::test]
async fn an_event_without_a_user_is_written_without_the_attribute() {
    let tables = Tables::start().await;
    let recorded = post_without_user(&tables, 0x0123_4567_89ab_cdef).await;
    assert_eq!(recorded.status(), 201, "{recorded:?}");
    let kept = written_without_user();
    for table in ["EventsTable", "KeysTable"] {
        assert_eq!(items(&tables, table).await, kept[table]);
    }
}

#[tokio::test]
async fn a_stored_event_without_a_user_is_read_and_counted() {
    let kept = written_without_user();
    let tables = Tables::start().await;
    put_items(&tables, &kept).await;
    let again = post_without_user(&tables, 1).await;
    assert_eq!(again.status(), 200, "{again:?}");
    check_leaf(&tables, again.body(), &kept["EventsTable"][0]).await;

    let id = kept["EventsTable"][0]["id"]["S"].clone();
    let now = at(Duration::from_secs(120) + SETTLE * 2);
    tables.index(now).await;
    tables
        .reconcile((0..SHARDS).map(Partition::Shard), now)
        .await;
    for filter in ["", "&event_type=test", "&src_service=tests"] {
        let (list, _) = tables.get(&format!("page=1{filter}"), now).await;
        let event = &list["events"][0];
        assert_eq!((&list["total"], &event["id"]), (&json!(1), &id));
        assert_eq!(event["user_id"], Value::Null, "{filter}");
    }
}

async fn read_and_add_to(kept: &Value) {
    let tables = Tables::start().await;
    put_items(&tables, kept).await;
    let again = post_under_a_key(&tables, 1).await;
    assert_eq!(
        again.status(),
        200,
        "the event is found under its key: {again:?}"
    );
    check_leaf(&tables, again.body(), &kept["EventsTable"][0]).await;

    let all = indexed();
    let new = events(600, Duration::from_secs(60));
    tables.write(&all).await;
    tables.write(&new).await;
    // A minute after the index has settled: nothing is counted live.
    let now = at(Duration::from_secs(120) + SETTLE * 2);
    let added = tables.indexer.add(&new, now).await;
    tables
        .indexer
        .backfill(added.building, now, || true)
        .await
        .unwrap();
    let recorded = kept["EventsTable"][0]["id"]["S"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut expected: Vec<String> = all
        .iter()
        .chain(&new)
        .map(|event| event.id.to_string())
        .chain([recorded])
        .collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    for page in 1..=10 {
        let (list, _) = tables.get(&format!("per_page=100&page={page}"), now).await;
        let shown = expected.chunks(100).nth(page - 1).unwrap_or_default();
        assert_eq!(
            (&list["total"], ids(&list)),
            (&json!(expected.len()), shown.to_vec())
        );
    }
    tables
        .reconcile((0..SHARDS).map(Partition::Shard).chain([user("1")]), now)
        .await;
}

/// Checks that the retry and a reader are told what was stored: its salt, or none.
async fn check_leaf(tables: &Tables, retry: &[u8], item: &Value) {
    let id = item["id"]["S"].as_str().unwrap();
    let list = ListEvents::new(tables.deps());
    let shown = list.handle(get_request(id)).await;
    let shown = std::str::from_utf8(shown.body()).unwrap();
    let event: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(event["recorded"]["salt"], item["salt"]["S"]);
    assert!(shown.contains(r#","from":null,"salt":"#), "{shown}");

    let retry: Value = serde_json::from_slice(retry).unwrap();
    assert_eq!(retry["leaf"], json!(leaf_of(shown)));
}
