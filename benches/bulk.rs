//! What it takes to load old events through the API, one by one and in batches:
//! `cargo bench --bench bulk`. It takes half an hour.
//!
//! The events happened within a year, so each is late and enters the count index before it is
//! acknowledged. That is what takes the time, and what events of a batch share.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

use std::time::{Duration, Instant};

use audit_log::event::Timestamp;
use audit_log_cli::Service;
use audit_log_cli::serve::engine::Storage;
use audit_log_testing::report::Report;
use audit_log_testing::{event_with, options};
use futures_util::stream::{StreamExt, iter};
use serde_json::Value;

/// How many events are loaded.
const EVENTS: u32 = 100_000;
/// They are spread over this time, and sent in its order.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// How many requests are on their way at a time.
const CLIENTS: usize = 16;

fn document(number: u32) -> String {
    let start = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    let at = start.saturating_add(YEAR / EVENTS * number);
    let user = format!("user-{}", number % 500);
    event_with(&user, &at.to_string(), &format!("{{\"n\":{number}}}"))
}

/// Sends all bodies, some at a time, to a service of its own. Gives how long it took.
async fn load(bodies: Vec<String>) -> Duration {
    let service = Service::start(&options(Storage::Memory)).await.unwrap();
    let url = format!("{}/events", service.url());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let started = Instant::now();
    let send = |body: String| {
        let request = http
            .post(&url)
            .header("content-type", "application/json")
            .body(body);
        async move {
            let response = request.send().await.unwrap();
            assert!(response.status().is_success(), "{response:?}");
            response.bytes().await.unwrap();
        }
    };
    let requests: Vec<_> = bodies.into_iter().map(send).collect();
    iter(requests)
        .buffer_unordered(CLIENTS)
        .collect::<Vec<()>>()
        .await;
    let took = started.elapsed();

    let first = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    let first: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(first["total"], EVENTS, "each event is counted at once");
    service.stop().await;
    took
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let documents: Vec<String> = (0..EVENTS).map(document).collect();
    let batches: Vec<String> = documents
        .chunks(100)
        .map(|documents| format!("[{}]", documents.join(",")))
        .collect();
    let mut rows = Vec::new();
    for (how, bodies) in [("in batches of 100", batches), ("one by one", documents)] {
        let requests = bodies.len();
        let took = load(bodies).await.as_secs_f64();
        rows.push(vec![
            how.to_owned(),
            requests.to_string(),
            format!("{took:.0}"),
            format!("{:.0}", f64::from(EVENTS) / took),
        ]);
    }
    let mut report = Report::new("bulk");
    let columns = ["sent", "requests", "seconds", "events a second"];
    let title = "100,000 events of last year through the local service, 16 requests at a time";
    report.table(title, &columns, rows);
    report.finish();
}
