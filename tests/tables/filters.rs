//! Filters on large tables: exact totals, any page, and what they cost.

use std::collections::BTreeSet;
use std::time::Duration;

use audit_log::event::{EventId, Field, FieldValue, Filters, Timestamp};
use audit_log::limits::SETTLE;
use audit_log::list_events::ListEvents;
use audit_log::store::{EventKey, Partition};
use audit_log_cli::serve::tables::create_tables;
use audit_log_cli::serve::template::Template;
use audit_log_testing::tables::{SHARDS, events, events_from, with};
use audit_log_testing::{Tables, ids, list_request, repo_path};
use lambda_http::Body;
use lambda_http::http::Response;
use serde_json::{Value, json};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const LATER: &str = "2024-03-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The same events with types and services. Two of three are logins, half are the web's.
fn typed(events: Vec<EventKey>) -> Vec<EventKey> {
    let mut typed = Vec::new();
    for (number, mut event) in events.into_iter().enumerate() {
        let kind = if number % 3 == 0 { "logout" } else { "login" };
        let service = ["web", "billing"][number / 7 % 2];
        for (field, value) in [(Field::EventType, kind), (Field::SrcService, service)] {
            event.values.push(FieldValue::new(field, value).unwrap());
        }
        typed.push(event);
    }
    typed
}

/// The ids of the events that have this value of a field.
fn ids_with(events: &[EventKey], field: Field, value: &str) -> BTreeSet<EventId> {
    let has = |event: &&EventKey| {
        let mut values = event.values.iter();
        values.any(|found| found.field() == field && found.as_str() == value)
    };
    events.iter().filter(has).map(|event| event.id).collect()
}

fn partitions() -> Vec<Partition> {
    vec![
        with(Field::EventType, "login"),
        with(Field::SrcService, "web"),
    ]
}

/// Gives each of the partitions a trie.
async fn index(tables: &Tables, now: Timestamp) {
    tables.index(now).await;
    for partition in partitions() {
        let since = now.saturating_sub(SETTLE);
        tables.indexer.start(&partition, since).await.unwrap();
        tables.indexer.complete(&partition).await.unwrap();
    }
}

async fn get(tables: &Tables, query: &str) -> Response<Body> {
    ListEvents::new(tables.deps())
        .handle(list_request(query))
        .await
}

fn body(response: &Response<Body>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn each_filter_has_exact_totals_and_any_page() {
    let tables = Tables::start().await;
    let now = at(LATER);
    let mut events = typed(events(4000, MONTH));
    tables.write(&events).await;
    let (login, web) = (
        ids_with(&events, Field::EventType, "login"),
        ids_with(&events, Field::SrcService, "web"),
    );
    // Without tries, and with them.
    tables.check_pages("&event_type=login", &login, now).await;
    index(&tables, now).await;
    tables.check_pages("&event_type=login", &login, now).await;
    tables.check_pages("&src_service=web", &web, now).await;

    // Events of the last seconds, and some of the future.
    for (start, count) in [
        (now.saturating_sub(Duration::from_secs(15)), 60),
        (at("2024-03-01T01:00:00Z"), 30),
    ] {
        let new = typed(events_from(start, count, Duration::from_secs(20)));
        tables.write(&new).await;
        tables.deliver_events(&new, now).await;
        events.extend(new);
    }
    let login = ids_with(&events, Field::EventType, "login");
    tables.check_pages("&event_type=login", &login, now).await;
    let all = events.iter().map(|event| event.id).collect();
    tables.check_pages("", &all, now).await;
    let shards = (0..SHARDS).map(Partition::Shard);
    tables.reconcile(shards.chain(partitions()), now).await;
}

#[tokio::test]
async fn a_busy_type_gets_a_trie_and_then_costs_no_more() {
    let tables = Tables::start().await;
    let now = at(LATER);
    let events = typed(events(3000, MONTH));
    tables.write(&events).await;
    let past_the_end = "event_type=login&per_page=1&cursor=00000000-0000-7000-8000-000000000000";
    let (_, before) = tables.get(past_the_end, now).await;
    // One event in 32 has its partitions counted. The batch after the GSI has settled fills the
    // tries that the first one started.
    for now in [now, now.saturating_add(SETTLE)] {
        let response = tables.deliver(&events[..1000], now).await;
        assert!(response.failures.is_empty());
    }
    for partition in partitions() {
        let state = tables.indexer.state(&partition).await.unwrap();
        assert_eq!(
            state,
            Some(audit_log::count::trie::State::Ready),
            "{partition:?}"
        );
    }
    let (list, after) = tables.get(past_the_end, now).await;
    assert_eq!(list["total"], 2000);
    assert!(
        after.read.total() * 3.0 < before.read.total(),
        "{after:?} against {before:?}"
    );
    // The page of a type: the keys and the events. The total takes as long.
    let (_, page) = tables.get("event_type=login&total=false", now).await;
    assert!(page.rounds <= 2, "{page:?}");
}

#[tokio::test]
async fn several_filters_examine_1_mb_of_an_index_a_request() {
    // DynamoDB Local applies the limit of 1 MB to what the filter leaves, and not to what it reads.
    if std::env::var("AUDIT_LOG_TEST_DYNAMODB").is_ok() {
        return;
    }
    let tables = Tables::start().await;
    let now = at(LATER);
    let mut events = typed(events(12_000, MONTH));
    // Entries of the index are large. Few events match, and they are the oldest.
    let long = FieldValue::new(Field::SrcService, &"x".repeat(256)).unwrap();
    for event in &mut events {
        *event.values.last_mut().unwrap() = long.clone();
    }
    let rare = FieldValue::new(Field::SrcService, "rare").unwrap();
    for event in &mut events[..25] {
        *event.values.last_mut().unwrap() = rare.clone();
        event.values[1] = FieldValue::new(Field::EventType, "login").unwrap();
    }
    tables.write(&events).await;
    let mut expected: Vec<String> = events[..25]
        .iter()
        .map(|event| event.id.to_string())
        .collect();
    expected.reverse();

    let mut shown = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let query = format!("event_type=login&src_service=rare&per_page=10{cursor}");
        let (list, usage) = tables.get(&query, now).await;
        assert!(
            usage.read.total() <= 150.0 && usage.rounds <= 2,
            "{usage:?}"
        );
        shown.extend(ids(&list));
        pages += 1;
        let Some(next) = list["next_cursor"].as_str() else {
            break;
        };
        assert_eq!(list["total_exact"], false, "entries were left to examine");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(shown, expected);
    assert!(pages > 3, "{pages} pages");

    let first = get(&tables, "event_type=login&src_service=rare&per_page=10").await;
    let link = first.headers()["link"].to_str().unwrap();
    assert!(
        link.contains("rel=\"next\"") && !link.contains("rel=\"last\""),
        "{link}"
    );
    let number = get(
        &tables,
        "event_type=login&src_service=rare&per_page=10&page=3",
    )
    .await;
    let error = body(&number);
    assert_eq!(
        (number.status().as_u16(), &error["code"]),
        (422, &json!("page_out_of_reach"))
    );
    assert!(error["error"].as_str().unwrap().contains("next"), "{error}");
    // From the other end, the events are on the first page.
    let (list, _) = tables
        .get(
            "event_type=login&src_service=rare&per_page=100&order=asc",
            now,
        )
        .await;
    expected.reverse();
    assert_eq!(ids(&list), expected);
}

#[tokio::test]
async fn a_log_without_a_filter_says_so() {
    let tables = Tables::with_filters(Filters::NONE).await;
    let now = at(LATER);
    let events = typed(events(40, MONTH));
    tables.write(&events).await;
    let refused = get(&tables, "event_type=login").await;
    let error = body(&refused);
    assert_eq!(
        (refused.status().as_u16(), &error["code"]),
        (400, &json!("invalid_parameter"))
    );
    assert_eq!(error["fields"][0]["field"], "event_type");
    assert!(
        error["error"].as_str().unwrap().contains("Filters"),
        "{error}"
    );
    // The index of users has the other fields too.
    let (list, _) = tables.get("user_id=1&event_type=login", now).await;
    let of_1 = ids_with(&events, Field::UserId, "1");
    let login = ids_with(&events, Field::EventType, "login");
    assert_eq!(list["total"], of_1.intersection(&login).count());
}

#[tokio::test]
async fn a_filter_that_is_added_later_has_the_older_events() {
    let before = Tables::with_filters(Filters::NONE).await;
    let now = at(LATER);
    let events = typed(events(1500, MONTH));
    before.write(&events).await;
    before.index(now).await;

    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let url = &before.dynamodb.url;
    // Twice: there is nothing left to add the second time.
    for _ in 0..2 {
        create_tables(&before.client, url, &template.tables)
            .await
            .unwrap();
    }
    let tables = Tables::at(before.dynamodb.clone()).await;
    let login = ids_with(&events, Field::EventType, "login");
    tables.check_pages("&event_type=login", &login, now).await;
    index(&tables, now).await;
    tables.check_pages("&event_type=login", &login, now).await;
}
