//! What a request costs on DynamoDB: calls, rounds and capacity units, as the engine charges them.

use std::time::Duration;

use audit_log::create_event::CreateEvent;
use audit_log::dynamodb::{Units, Usage};
use audit_log::event::{EventId, Field, FieldValue, Timestamp};
use audit_log::limits::{LATE, SETTLE};
use audit_log_testing::tables::{events, of_user, user, with};
use audit_log_testing::{Tables, event_with, usage};
use lambda_http::Body;
use lambda_http::http::{Request, Response};
use serde_json::json;

const AT: &str = "2024-01-01T00:00:00Z";

/// Records a document of about 1 KB, as DynamoDB measures an item, this long after its event
/// happened.
async fn record(tables: &Tables, key: Option<&str>, after: Duration) -> Response<Body> {
    let now = Timestamp::parse(AT).unwrap().saturating_add(after);
    let document = event_with("1", AT, &format!("\"{}\"", "x".repeat(700)));
    tables.post(key, document, now).await
}

#[tokio::test]
async fn a_post_of_1_kb_is_one_call_and_a_unit_an_index_more() {
    for (filters, indexes) in [
        ("event_type,src_service", 3.0),
        ("src_service", 2.0),
        ("none", 1.0),
    ] {
        let tables = Tables::with_filters(filters.parse().unwrap()).await;
        let response = record(&tables, None, LATE).await;
        assert_eq!(response.status(), 201);
        let written = Units {
            tables: 1.0,
            indexes,
        };
        assert_eq!(
            usage(&response),
            Usage {
                calls: 1,
                rounds: 1,
                written,
                ..Usage::default()
            },
            "{filters}"
        );
    }
}

#[tokio::test]
async fn a_post_under_a_key_is_one_call_and_seven_units() {
    let tables = Tables::start().await;
    let response = record(&tables, Some("k"), LATE).await;
    assert_eq!(response.status(), 201);
    let Usage {
        calls,
        rounds,
        written,
        ..
    } = usage(&response);
    // Two for the event and two for its key, within a transaction; one on each index. DynamoDB Local
    // doubles those, too.
    assert_eq!((calls, rounds, written.tables), (1, 1, 4.0));
    let most = if std::env::var("AUDIT_LOG_TEST_DYNAMODB").is_ok() {
        6.0
    } else {
        3.0
    };
    assert!((3.0..=most).contains(&written.indexes), "{written:?}");
    // The transaction that finds the key, and the first event, which is compared.
    let replay = record(&tables, Some("k"), LATE).await;
    let Usage {
        calls,
        rounds,
        read,
        ..
    } = usage(&replay);
    assert_eq!(replay.status(), 200);
    assert_eq!((calls, rounds, read.total()), (2, 2, 1.0));
}

#[tokio::test]
async fn a_late_event_costs_a_write_for_each_node_above_it() {
    let tables = Tables::start().await;
    let old = events(3000, Duration::from_secs(30 * 24 * 3600));
    tables.write(&old).await;
    tables
        .index(Timestamp::parse("2024-03-01T00:00:00Z").unwrap())
        .await;
    let response = record(&tables, None, LATE + Duration::from_nanos(1)).await;
    let usage = usage(&response);
    assert_eq!(response.status(), 201);
    assert_eq!(
        usage.written,
        Units {
            tables: 4.0,
            indexes: 3.0
        },
        "the event; a leaf and the two nodes above it"
    );
    assert!(usage.rounds <= 8 && usage.calls <= 8, "{usage:?}");
    let again = record(&tables, None, LATE + Duration::from_nanos(1)).await;
    let (list, _) = tables
        .get(
            "per_page=1",
            Timestamp::parse("2024-03-01T00:00:00Z").unwrap(),
        )
        .await;
    assert_eq!(
        (again.status().as_u16(), &list["total"]),
        (201, &json!(3002))
    );
}

/// A hundred events within four seconds, as one batch.
fn batch_from(start: Timestamp) -> String {
    let events = (0..100).map(|number| {
        let at = start.saturating_add(Duration::from_millis(40) * number);
        event_with("1", &at.to_string(), "{}")
    });
    format!("[{}]", events.collect::<Vec<_>>().join(","))
}

/// What adding the events of a batch to the count index costs, from the request until the stream
/// has delivered them.
async fn index_units(tables: &Tables, start: Timestamp, now: Timestamp) -> f64 {
    let response = tables.post(None, batch_from(start), now).await;
    assert_eq!(response.status(), 200, "{response:?}");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["recorded"], 100);
    let posted = usage(&response);
    // A put of each event is one unit on the table and on each index.
    let put = 100.0 * 4.0;
    let on_time = posted.written.total() - put + posted.read.total();

    let mut keys = Vec::new();
    for result in body["results"].as_array().unwrap() {
        let id = EventId::parse(result["id"].as_str().unwrap()).unwrap();
        let mut key = of_user(id, "1");
        for (field, value) in [(Field::EventType, "test"), (Field::SrcService, "tests")] {
            key.values.push(FieldValue::new(field, value).unwrap());
        }
        keys.push(key);
    }
    let (added, delivered) = Usage::of(tables.indexer.add(&keys, now)).await;
    assert!(added.failed.is_empty(), "{added:?}");
    on_time + delivered.written.total() + delivered.read.total()
}

/// Three thousand events of a month, with tries for everyone, the user, the type and the service.
async fn indexed(now: Timestamp) -> Tables {
    let tables = Tables::start().await;
    tables
        .write(&events(3000, Duration::from_secs(30 * 24 * 3600)))
        .await;
    tables.index(now).await;
    for partition in [
        user("1"),
        with(Field::EventType, "test"),
        with(Field::SrcService, "tests"),
    ] {
        let since = now.saturating_sub(SETTLE);
        tables.indexer.start(&partition, since).await.unwrap();
        tables.indexer.complete(&partition).await.unwrap();
    }
    tables
}

#[tokio::test]
async fn late_events_of_a_batch_cost_little_more_than_on_time() {
    let happened = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    let mut units = Vec::new();
    for after in [Duration::from_secs(4), Duration::from_secs(3600)] {
        let now = happened.saturating_add(after);
        let tables = indexed(now).await;
        units.push(index_units(&tables, happened, now).await);
    }
    let [on_time, late] = units[..] else {
        panic!("{units:?}");
    };
    assert!(late <= 1.5 * on_time, "{late} units against {on_time}");
}

#[tokio::test]
async fn a_refused_document_costs_nothing() {
    let tables = Tables::start().await;
    let create = CreateEvent::new(tables.deps());
    let request = Request::builder()
        .header("content-type", "application/json")
        .body("{}".into())
        .unwrap();
    let response = create.handle(request).await;
    assert_eq!(
        (response.status().as_u16(), usage(&response)),
        (400, Usage::default())
    );
}

#[tokio::test]
async fn page_1_reads_each_shard_once_and_the_roots_for_the_total() {
    let (tables, now) = (
        Tables::start().await,
        Timestamp::parse("2024-03-01T00:00:00Z").unwrap(),
    );
    tables.write(&events(400, Duration::from_secs(3600))).await;
    tables.index(now).await;
    let (_, usage) = tables.get("per_page=10", now).await;
    assert_eq!((usage.calls, usage.rounds), (3, 1));
    // A user of few events: keys, and one batch of events; a root that is not there, and a count.
    let (_, usage) = tables.get("per_page=10&user_id=1", now).await;
    assert_eq!((usage.calls, usage.rounds), (4, 2));
}

#[tokio::test]
async fn page_1_takes_one_round_on_any_number_of_shards() {
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    for shards in [1, 2, 4] {
        let tables = Tables::minutely(shards, 1000, now).await;
        let (list, usage) = tables.get("per_page=10", now).await;
        assert_eq!(
            (&list["total"], &list["total_exact"]),
            (&json!(1000), &json!(true))
        );
        let expected = (u32::from(shards) + 1, 1);
        assert_eq!((usage.calls, usage.rounds), expected, "{shards} shards");
    }
}

#[tokio::test]
async fn page_1_counts_what_it_has_not_read_of_the_last_20_s() {
    let (tables, hour) = (Tables::start().await, Duration::from_secs(3600));
    let start = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
    tables.write(&events(3600, hour)).await;
    tables.index(start.saturating_add(hour * 2)).await;
    // 20 of the 3,600 are younger than 20 s, about 10 a shard. A page of 20 reads 18 of each shard
    // and so has met them all. A page of 2 reads 4.
    let now = start.saturating_add(hour);
    let cost = async |per_page| {
        let (list, usage) = tables.get(&format!("per_page={per_page}"), now).await;
        assert_eq!(list["total"], 3600, "per_page={per_page}");
        usage
    };
    let (all, some) = (cost(20).await, cost(2).await);
    // The page and the roots, what is left of the last 20 s, and the nodes on the way to where they
    // begin.
    assert_eq!((all.rounds, some.rounds), (2, 3));
    assert_eq!(some.calls - all.calls, 2, "{some:?} against {all:?}");
}
