//! What a page costs by number, from a thousand events to a million: `cargo bench --bench reading`.
//!
//! Round trips and read units, as the engine charges them, are the same on every machine. The bench
//! fails if they are beyond the limits of benches/results/reading.md. It takes some minutes and 4
//! GB, nearly all of it to fill the tables.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_testing::Tables;
use audit_log_testing::report::Report;
use audit_log_testing::tables::{events, sample};

/// The events of each size are spread over this time.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    let (mut report, mut rows) = (Report::new("reading"), Vec::new());
    let mut at_10_000: Vec<f64> = Vec::new();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let (tables, events) = (Tables::start().await, events(count, MONTH));
        tables.write(&events).await;
        tables.index(now).await;
        tables.promote(sample(&events), now).await;
        let mut units = Vec::new();
        for (whose, filter) in [("everyone", ""), ("one user", "&user_id=1")] {
            let of = if filter.is_empty() { count } else { count / 2 };
            for (name, page) in [("first", 1), ("middle", of / 20), ("last", of / 10)] {
                let (list, usage) = tables.get(&format!("page={page}{filter}"), now).await;
                assert_eq!(
                    (list["total"].as_u64(), list["page"].as_u64()),
                    (Some(of as u64), Some(page as u64))
                );
                assert_eq!(list["events"].as_array().map(Vec::len), Some(10));
                assert!(usage.rounds <= if page == 1 { 3 } else { 9 }, "{usage:?}");
                let read = usage.read.total();
                let (whose, name) = (whose.to_owned(), name.to_owned());
                let figures = [
                    usage.rounds.to_string(),
                    usage.calls.to_string(),
                    read.to_string(),
                ];
                rows.push(
                    [count.to_string(), whose, name, of.to_string()]
                        .into_iter()
                        .chain(figures)
                        .collect(),
                );
                units.push(read);
            }
        }
        match count {
            10_000 => at_10_000 = units,
            1_000_000 => {
                for (million, thousands) in units.iter().zip(&at_10_000) {
                    assert!(
                        *million <= thousands * 1.5,
                        "{million} units at 10^6, {thousands} at 10^4"
                    );
                }
            }
            _ => {}
        }
    }
    let columns = [
        "events",
        "of",
        "page",
        "total",
        "round trips",
        "calls",
        "read units",
    ];
    report.table("Ten events a page", &columns, rows);
    report.finish();
}
