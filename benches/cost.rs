//! What each kind of request costs, from an empty log to 100,000 events: `cargo bench --bench cost`.
//!
//! DynamoDB's calls, rounds and units, as the engine charges them, are the same on every machine; it fails when they
//! are not what README.md promises. The last two columns are US dollars a million requests: DynamoDB's alone, and with
//! the gateway and the function. Not in them: what is charged by the month or by the gigabyte (storage, backups,
//! traffic, logs, traces), and what `index-events` writes for an event later, which depends on the rate
//! (docs/performance.md).
//!
//! `-- --short` stops at 1,000 events.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

#[path = "../tests/support/filled.rs"]
#[allow(dead_code, reason = "shared with the tests of the service")]
mod filled;
mod report;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::collections::HashMap;
use std::time::Duration;

use audit_log::boot::{Sources, Units, Usage};
use audit_log::create_event::CreateEvent;
use audit_log::event::{EventId, Timestamp};
use audit_log::list_events::ListEvents;
use audit_log::log::EventKey;
use filled::{Tables, events, sample};
use lambda_http::http::{Method, Request, Response};
use lambda_http::{Body, RequestExt};
use report::Report;
use support::event_with;

/// The events of each size are spread over this time from [`START`] on, as in docs/performance.md.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const START: &str = "2024-01-01T00:00:00Z";
const NOW: &str = "2024-03-01T00:00:00Z";

/// Prices of us-east-1, first tier, without the free tier, as of November 2026.
mod price {
    /// A million write request units, on demand, since November 2024:
    /// <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
    pub const WRITE_UNITS: f64 = 0.625;
    /// A million read request units: the same.
    pub const READ_UNITS: f64 = 0.125;
    /// A million requests of at most 512 KB to an HTTP API: <https://aws.amazon.com/api-gateway/pricing/>.
    pub const GATEWAY: f64 = 1.00;
    /// A million invocations: <https://aws.amazon.com/lambda/pricing/>.
    pub const INVOCATIONS: f64 = 0.20;
    /// A million gigabyte-seconds on arm64.
    pub const GB_SECONDS: f64 = 13.3334;
}

/// What `MemorySize` is in template.yaml unless it is set.
const MEMORY_GB: f64 = 256.0 / 1024.0;
/// How long a function runs for a request. An assumption: only AWS can measure it.
const RUN_MS: f64 = 10.0;

/// What a put of 1 KB whose condition fails is charged. Its answer does not say so, and so [`Usage`] has none of it:
/// "Capacity units consumed by conditional writes" in
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html>.
const FAILED_PUT: f64 = 1.0;

/// How many late events are sent. Where they fall decides how deep and how full the index's leaves are.
const LATE_EVENTS: u32 = 16;

/// What requests of one kind cost: the most calls and rounds of any of them, and the mean of their units.
struct Cost {
    calls: u32,
    rounds: u32,
    read: f64,
    written: f64,
}

impl Cost {
    fn of(usages: &[Usage]) -> Cost {
        let mean = |units: fn(&Usage) -> Units| {
            usages.iter().map(|usage| units(usage).total()).sum::<f64>() / usages.len() as f64
        };
        Cost {
            calls: usages.iter().map(|usage| usage.calls).max().unwrap(),
            rounds: usages.iter().map(|usage| usage.rounds).max().unwrap(),
            read: mean(|usage| usage.read),
            written: mean(|usage| usage.written),
        }
    }

    /// Of requests whose put was refused because the event was there.
    fn of_replays(usages: &[Usage]) -> Cost {
        let cost = Cost::of(usages);
        Cost { written: cost.written + FAILED_PUT, ..cost }
    }

    /// US dollars a million requests, for DynamoDB.
    fn dollars(&self) -> f64 {
        self.written * price::WRITE_UNITS + self.read * price::READ_UNITS
    }
}

/// US dollars a million requests, for the gateway and the function.
fn around() -> f64 {
    price::GATEWAY + price::INVOCATIONS + price::GB_SECONDS * MEMORY_GB * RUN_MS / 1000.0
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn usage(answer: &Response<Body>) -> Usage {
    *answer.extensions().get::<Usage>().unwrap()
}

impl Tables {
    /// `POST /events` at [`NOW`]. The key decides the id, so the figures are the same at each run.
    async fn post(&self, key: &str, document: String) -> Response<Body> {
        let request = Request::builder().method(Method::POST).uri("/events").header("content-type", "application/json");
        let request = request.header("idempotency-key", key).body(document.into()).unwrap();
        let clock = Sources::system().with_clock(|| at(NOW));
        CreateEvent::new(self.log.clone(), self.counts.clone(), clock).handle(request).await
    }

    /// Reports an event of about 1 KB, as DynamoDB measures an item. `status` tells whether it is a replay.
    async fn report(&self, status: u16, user: &str, at: Timestamp) -> Usage {
        let document = event_with(user, &at.to_string(), &format!("\"{}\"", "x".repeat(700)));
        let answer = self.post(&format!("{user}-{at}"), document).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        usage(&answer)
    }

    /// `GET /events/{id}`.
    async fn get_one(&self, id: EventId) -> Usage {
        let request =
            Request::new(Body::Empty).with_path_parameters(HashMap::from([("id".to_owned(), id.to_string())]));
        let answer = ListEvents::new(self.log.clone(), self.counts.clone(), Sources::system()).handle(request).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        usage(&answer)
    }
}

/// An indexed log of `count` events, of which half are user 1's.
async fn indexed(count: usize) -> (Tables, Vec<EventKey>) {
    let events = if count == 0 { Vec::new() } else { events(count, MONTH) };
    let (tables, now) = (Tables::start().await, at(NOW));
    tables.write(&events).await;
    tables.index(now).await;
    if count > 0 {
        tables.promote(sample(&events), now).await;
    }
    (tables, events)
}

/// Sends requests of each kind. First those that read, while nothing was written in the last 15 seconds.
async fn measure(tables: &Tables, events: &[EventKey]) -> Vec<(&'static str, Cost)> {
    let (now, mut costs) = (at(NOW), Vec::new());
    let get = async |query: String| {
        let (list, usage) = tables.get(&query, now).await;
        let expected = if events.is_empty() { 0 } else { 10 };
        assert_eq!(list["events"].as_array().map(Vec::len), Some(expected), "{query}");
        usage
    };
    let first = get("page=1".to_owned()).await;
    assert_eq!(first.rounds, 1, "page 1: {first:?}");
    costs.push(("GET page 1", Cost::of(&[first])));
    costs.push(("GET page 1 of a user", Cost::of(&[get("page=1&user_id=1".to_owned()).await])));
    if !events.is_empty() {
        let (middle, page) = (events[events.len() / 2].id, events.len() / 20);
        costs.push(("GET a page in the middle, by number", Cost::of(&[get(format!("page={page}")).await])));
        costs.push(("GET a page in the middle, by cursor", Cost::of(&[get(format!("cursor={middle}")).await])));
        costs.push(("GET /events/{id}", Cost::of(&[tables.get_one(middle).await])));
    }

    let on_time = tables.report(201, "new", now).await;
    let written = Units { tables: 1.0, indexes: 1.0 };
    assert_eq!(on_time, Usage { calls: 1, rounds: 1, written, ..Usage::default() }, "a POST of 1 KB");
    costs.push(("POST on time", Cost::of(&[on_time])));
    let replay = tables.report(200, "new", now).await;
    assert_eq!((replay.calls, replay.rounds), (1, 1), "a replay");
    costs.push(("POST replayed at once", Cost::of_replays(&[replay])));
    for (user, sent, replayed) in [
        ("old", "POST late", "POST late, replayed"),
        ("1", "POST late, of the user with half of the log", "POST late, of that user, replayed"),
    ] {
        let times = (0..LATE_EVENTS).map(|number| at(START).plus(MONTH / LATE_EVENTS * number + MONTH / 37));
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for time in times {
            new.push(tables.report(201, user, time).await);
            again.push(tables.report(200, user, time).await);
        }
        costs.push((sent, Cost::of(&new)));
        costs.push((replayed, Cost::of_replays(&again)));
    }
    let refused = tables.post("refused", "{}".to_owned()).await;
    assert_eq!((refused.status().as_u16(), usage(&refused)), (400, Usage::default()));
    costs.push(("POST refused", Cost::of(&[usage(&refused)])));

    // A late event that could not be counted is acknowledged all the same: its figures would be too low.
    let (list, _) = tables.get("page=1", now).await;
    assert_eq!(list["total"], events.len() + 1 + 2 * LATE_EVENTS as usize);
    costs
}

// On one thread, as the functions: on two, an operation can be answered before the next of the same round has begun.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    // `cargo test --benches` only asks whether it starts.
    if given("--test") || !given("--bench") {
        return;
    }
    let sizes: &[usize] = if given("--short") { &[0, 1_000] } else { &[0, 1_000, 10_000, 100_000] };
    let (mut report, mut rows) = (Report::new("cost"), Vec::new());
    for count in sizes {
        let (tables, events) = indexed(*count).await;
        for (request, cost) in measure(&tables, &events).await {
            let dollars = cost.dollars();
            rows.push(vec![
                count.to_string(),
                request.to_owned(),
                cost.calls.to_string(),
                cost.rounds.to_string(),
                format!("{:.1}", cost.read),
                format!("{:.1}", cost.written),
                format!("{dollars:.2}"),
                format!("{:.2}", dollars + around()),
            ]);
        }
    }
    let columns = ["events", "request", "calls", "rounds", "read units", "write units", "DynamoDB, $", "all, $"];
    report.table("A million requests of each kind", &columns, rows);
    report.finish();
}
