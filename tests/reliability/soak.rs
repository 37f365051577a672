//! Very many requests to one instance of each function: it takes no more memory in the end than after the first of them.

use std::time::Duration;

use audit_log_local::engine::Address;
use serde_json::{Value, json};

use crate::filled::{Tables, events, stream_batch};
use crate::memory::allocated;
use crate::runtime_api::{RuntimeApi, payload};
use crate::support::event;

/// How many invocations there are in all; the long form is 100,000.
const INVOCATIONS: &str = "AUDIT_LOG_SOAK_INVOCATIONS";
const INVOCATIONS_SHORT: usize = 1000;
/// In how many of them all buffers, pools and caches have their size: a fifth.
const WARM_UP: usize = 5;
/// By how much a function may grow after that, in KiB: the nodes of the count index that a batch meets are larger as the
/// log is. Of the long form's invocations each function has 20,000 or more after the warm-up: 400 bytes that each of
/// them leaks are 8 MB.
const GROWTH_MAX: u64 = 8192;

/// Invokes a function `count` times with the payloads in turn, and checks that it stays as large as it is.
async fn soak(
    binary: &str,
    engine: &Address,
    count: usize,
    payloads: impl Fn(usize) -> String,
    good: fn(&Value) -> bool,
) {
    let mut api = RuntimeApi::start().await;
    let function = api.spawn(binary, engine);
    let process = function.id().unwrap();
    let mut before = 0;
    for number in 0..count {
        let (answer, _) = api.invoke(payloads(number)).await;
        assert!(good(&answer), "{binary}, invocation {number}: {answer}");
        if number == count / WARM_UP {
            before = allocated(process);
        }
    }
    let after = allocated(process);
    println!("{binary}: {before} KiB after {} invocations, {after} KiB after {count}", count / WARM_UP);
    assert!(after <= before + GROWTH_MAX, "{binary} grew from {before} to {after} KiB");
}

/// An HTTP API's payload of `file` with another body.
fn with_body(file: &str, body: &str) -> String {
    let mut payload: Value = serde_json::from_str(&payload(file)).unwrap();
    payload["body"] = json!(body);
    payload.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_takes_no_more_memory_after_many_requests() {
    let count = std::env::var(INVOCATIONS).map_or(INVOCATIONS_SHORT, |count| count.parse().expect(INVOCATIONS));
    let tables = Tables::start().await;
    let engine = &tables.dynamodb;

    // New events, late ones among them, repeated ones, and refused ones.
    let create = |number: usize| match number % 4 {
        3 => payload("create-event-invalid.json"),
        2 => payload("create-event-idempotent.json"),
        _ => with_body("create-event.json", &event("1", &format!("2024-01-01T00:00:00.{number:06}Z"))),
    };
    let answered = |answer: &Value| matches!(answer["statusCode"].as_u64(), Some(200 | 201 | 400 | 404));
    soak(env!("CARGO_BIN_EXE_create-event"), engine, count / 2, create, answered).await;

    let files = ["list-events.json", "get-event.json", "list-events-by-user.json", "list-events-invalid.json"];
    let list = |number: usize| payload(files[number % files.len()]);
    soak(env!("CARGO_BIN_EXE_list-events"), engine, count / 4, list, answered).await;

    let events = events(count * 2, Duration::from_secs(30 * 24 * 3600));
    let index = |number: usize| stream_batch(&events[number * 8..number * 8 + 8]).to_string();
    let added = |answer: &Value| *answer == json!({"batchItemFailures": []});
    soak(env!("CARGO_BIN_EXE_index-events"), engine, count / 4, index, added).await;
}
