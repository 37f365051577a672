//! Very many requests to one instance of each function: it takes no more memory in the end than
//! after the first of them.

use std::collections::BTreeMap;
use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_cli::serve::engine::Address;
use audit_log_testing::memory::allocated;
use audit_log_testing::tables::{events, sample, stream_batch};
use audit_log_testing::{RuntimeApi, Tables, event, payload, payload_with};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How many invocations there are in all; the long form is 100,000.
const INVOCATIONS: &str = "AUDIT_LOG_SOAK_INVOCATIONS";
const INVOCATIONS_SHORT: usize = 600;
/// In how many of them all buffers, pools and caches have their size: a fifth.
const WARM_UP: usize = 5;
/// By how much a function may grow after that, in KiB: the nodes of the count index that a batch
/// meets are larger as the log is. Of the long form's invocations each function has 20,000 or more
/// after the warm-up: 400 bytes that each of them leaks are 8 MB.
const MAX_GROWTH: u64 = 8192;

/// Events that the log has from the start, a month's, so that lists are read by an index with inner
/// nodes.
const OLD: usize = 3000;
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Invokes a function `count` times with the payloads in turn, checks each answer by the payload's
/// number, and that the function stays as large as it is.
async fn soak(
    binary: &str,
    engine: &Address,
    count: usize,
    payloads: impl Fn(usize) -> Value,
    check: impl Fn(usize, &Value),
) {
    let mut api = RuntimeApi::start().await;
    let function = api.spawn(binary, engine);
    let process = function.id().unwrap();
    let (mut before, started) = (0, Instant::now());
    for number in 0..count {
        let (response, _) = api.invoke(&payloads(number)).await;
        check(number, &response);
        if number == count / WARM_UP {
            before = allocated(process);
        }
    }
    let (after, took) = (allocated(process), started.elapsed());
    println!(
        "{binary}: {before} KiB after {}, {after} KiB after {count} invocations in {took:.0?}",
        count / WARM_UP
    );
    assert!(
        after <= before + MAX_GROWTH,
        "{binary} grew from {before} to {after} KiB"
    );
}

fn list_of(query: &str) -> Value {
    let parameters: BTreeMap<&str, &str> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    payload_with("list-events.json", |payload| {
        payload["rawQueryString"] = json!(query);
        payload["queryStringParameters"] = json!(parameters);
    })
}

/// Payloads in turn, each with the status that its answers have.
fn in_turn(kinds: &[(Value, u64)]) -> (impl Fn(usize) -> Value, impl Fn(usize, &Value)) {
    let check = |number: usize, response: &Value| {
        let (payload, status) = &kinds[number % kinds.len()];
        assert_eq!(
            response["statusCode"], *status,
            "invocation {number}: {response}, to {payload}"
        );
    };
    (|number| kinds[number % kinds.len()].0.clone(), check)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_takes_no_more_memory_after_many_requests() {
    let count = std::env::var(INVOCATIONS)
        .map_or(INVOCATIONS_SHORT, |count| count.parse().expect(INVOCATIONS));
    let tables = Tables::start().await;
    let engine = &tables.dynamodb;
    let old = events(OLD, MONTH);
    tables.write(&old).await;
    tables
        .promote(
            sample(&old),
            Timestamp::parse("2024-03-01T00:00:00Z").unwrap(),
        )
        .await;

    // Lists, of all and of a user, by the index and by a cursor, and single events.
    let id = old[OLD / 2].id.to_string();
    let one = payload_with("get-event.json", |payload| {
        payload["pathParameters"]["id"] = json!(id);
    });
    let lists = [
        (list_of("per_page=20"), 200),
        (list_of("per_page=20&page=100"), 200),
        (list_of("user_id=1&page=7"), 200),
        (
            list_of("from=2024-01-10T00:00:00Z&to=2024-01-20T00:00:00Z&page=30"),
            200,
        ),
        (list_of(&format!("cursor={id}")), 200),
        (one, 200),
        (payload("get-event.json"), 404),
        (payload("list-events-invalid.json"), 400),
    ];
    let (list, listed) = in_turn(&lists);
    soak(
        env!("CARGO_BIN_EXE_list-events"),
        engine,
        count / 4,
        list,
        listed,
    )
    .await;

    // New events, all of which are late, one under a key that is repeated, and refused ones.
    let create = |number: usize| match number % 4 {
        3 => payload("create-event-invalid.json"),
        2 => payload("create-event-idempotent.json"),
        _ => {
            let at = Timestamp::parse("2024-01-01T00:00:00Z")
                .unwrap()
                .saturating_add(Duration::from_secs(number as u64));
            payload_with("create-event.json", |payload| {
                payload["body"] = json!(event("1", &at.to_string()));
            })
        }
    };
    let created = |number: usize, response: &Value| {
        let expected = [201, 201, if number == 2 { 201 } else { 200 }, 400][number % 4];
        assert_eq!(
            response["statusCode"], expected,
            "invocation {number}: {response}"
        );
    };
    soak(
        env!("CARGO_BIN_EXE_create-event"),
        engine,
        count / 2,
        create,
        created,
    )
    .await;

    let events = events(count * 2, MONTH);
    let index = |number: usize| stream_batch(&events[number * 8..number * 8 + 8]);
    let added = |number: usize, response: &Value| {
        assert_eq!(
            *response,
            json!({"batchItemFailures": []}),
            "invocation {number}"
        );
    };
    soak(
        env!("CARGO_BIN_EXE_index-events"),
        engine,
        count / 4,
        index,
        added,
    )
    .await;
}
