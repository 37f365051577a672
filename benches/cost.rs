//! What each kind of request costs, from an empty log to 100,000 events: `cargo bench --bench
//! cost`.
//!
//! DynamoDB's calls, rounds and units, as the engine charges them, are the same on every machine;
//! it fails when they are not what README.md promises. The last columns are US dollars a million
//! requests: DynamoDB's alone, those of the logs, and both with the gateway and the function. Not
//! in them: what is charged by the month or by the gigabyte (storage, backups, traffic, traces),
//! and what `index-events` writes for an event later, which depends on the rate
//! (docs/cost.md).
//!
//! `-- --short` stops at 1,000 events.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

use std::time::Duration;

use audit_log::dynamodb::{Units, Usage};
use audit_log::event::{EventId, Timestamp};
use audit_log::store::EventKey;
use audit_log_testing::report::Report;
use audit_log_testing::tables::{SHARDS, events, events_from, sample};
use audit_log_testing::{Tables, event_with, usage};

/// The events of each size are spread over this time from [`START`] on, as in docs/cost.md.
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
    /// A million requests of at most 512 KB to an HTTP API:
    /// <https://aws.amazon.com/api-gateway/pricing/>.
    pub const GATEWAY: f64 = 1.00;
    /// A million invocations: <https://aws.amazon.com/lambda/pricing/>.
    pub const INVOCATIONS: f64 = 0.20;
    /// A million gigabyte-seconds on arm64.
    pub const GB_SECONDS: f64 = 13.3334;
    /// A gigabyte of logs taken in, standard class: <https://aws.amazon.com/cloudwatch/pricing/>.
    pub const LOG_GB: f64 = 0.50;
}

/// The bytes of logs of one request: what the function writes, Lambda's `platform.start` and
/// `platform.report`, the gateway's access log, and 26 bytes that CloudWatch counts for each line.
/// The first is measured, of a request without errors. The others are of the documented forms.
mod log_bytes {
    /// A line, a metric, and the rest.
    pub const POST: f64 = 714.0 + 550.0 + 430.0 + 5.0 * 26.0;
    /// A line and the rest.
    pub const GET: f64 = 509.0 + 550.0 + 430.0 + 4.0 * 26.0;
}

/// What `MemorySize` is in template.yaml unless it is set.
const MEMORY_GB: f64 = 256.0 / 1024.0;
/// How long a function runs for a request. An assumption: only AWS can measure it.
const RUN_MS: f64 = 10.0;

/// What a transaction of an event of 1 KB and its key is charged that is cancelled, because the key
/// is there: two units an item, as if it had been done. Its answer does not say so, and so
/// [`Usage`] has none of it:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>,
/// "Capacity management".
const CANCELLED_TRANSACTION: f64 = 4.0;

/// The read units that a partition gives in a second:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>.
const PARTITION_READ_UNITS: f64 = 3000.0;

/// How many events lie ahead.
const AHEAD_EVENTS: usize = 100_000;
/// How many late events are sent. Where they fall decides how deep and how full the index's leaves
/// are.
const LATE_EVENTS: u32 = 16;

/// What requests of one kind cost: the most calls and rounds of any of them, and the mean of their
/// units.
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

    /// Of requests whose transaction was cancelled because the key was there.
    fn of_replays(usages: &[Usage]) -> Cost {
        let cost = Cost::of(usages);
        Cost {
            written: cost.written + CANCELLED_TRANSACTION,
            ..cost
        }
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

/// US dollars a million requests, for the logs.
fn logs(request: &str) -> f64 {
    let bytes = if request.starts_with("POST") {
        log_bytes::POST
    } else {
        log_bytes::GET
    };
    bytes * 1e6 / 1e9 * price::LOG_GB
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Reports an event of about 1 KB, as DynamoDB measures an item, at [`NOW`]. By `status` it is a
/// new one or a replay.
async fn report(
    tables: &Tables,
    status: u16,
    key: Option<&str>,
    user: &str,
    time: Timestamp,
) -> Usage {
    let document = event_with(user, &time.to_string(), &format!("\"{}\"", "x".repeat(700)));
    let response = tables.post(key, document, at(NOW)).await;
    assert_eq!(response.status(), status, "{response:?}");
    usage(&response)
}

/// `GET /events/{id}`.
async fn get_one(tables: &Tables, id: EventId) -> Usage {
    let response = tables.get_one(id).await;
    assert_eq!(response.status(), 200, "{response:?}");
    usage(&response)
}

/// An indexed log of `count` events, of which half are user 1's.
async fn indexed(count: usize) -> (Tables, Vec<EventKey>) {
    let events = if count == 0 {
        Vec::new()
    } else {
        events(count, MONTH)
    };
    let tables = Tables::start().await;
    let now = at(NOW);
    tables.write(&events).await;
    tables.index(now).await;
    if count > 0 {
        tables.promote(sample(&events), now).await;
    }
    (tables, events)
}

/// Sends requests of each kind. First those that read, while nothing was written in the last 20
/// seconds.
async fn measure(tables: &Tables, events: &[EventKey]) -> Vec<(&'static str, Cost)> {
    let (now, mut costs) = (at(NOW), Vec::new());
    let get = async |query: String| {
        let (list, usage) = tables.get(&query, now).await;
        let expected = if events.is_empty() { 0 } else { 10 };
        assert_eq!(
            list["events"].as_array().map(Vec::len),
            Some(expected),
            "{query}"
        );
        usage
    };
    let first = get("page=1".to_owned()).await;
    assert_eq!(first.rounds, 1, "page 1: {first:?}");
    costs.push(("GET page 1", Cost::of(&[first])));
    costs.push((
        "GET page 1 of a user",
        Cost::of(&[get("page=1&user_id=1".to_owned()).await]),
    ));
    if !events.is_empty() {
        let (middle, page) = (events[events.len() / 2].id, events.len() / 20);
        costs.push((
            "GET a page in the middle, by number",
            Cost::of(&[get(format!("page={page}")).await]),
        ));
        costs.push((
            "GET a page in the middle, by cursor",
            Cost::of(&[get(format!("cursor={middle}")).await]),
        ));
        costs.push((
            "GET /events/{id}",
            Cost::of(&[get_one(tables, middle).await]),
        ));
    }

    let on_time = report(tables, 201, None, "new", now).await;
    let written = Units {
        tables: 1.0,
        indexes: 3.0,
    };
    assert_eq!(
        on_time,
        Usage {
            calls: 1,
            rounds: 1,
            written,
            ..Usage::default()
        },
        "a POST of 1 KB"
    );
    costs.push(("POST on time", Cost::of(&[on_time])));
    let with_key = report(tables, 201, Some("key"), "new", now).await;
    let written = Units {
        tables: 4.0,
        indexes: 3.0,
    };
    assert_eq!(
        with_key,
        Usage {
            calls: 1,
            rounds: 1,
            written,
            ..Usage::default()
        },
        "a POST of 1 KB under a key"
    );
    costs.push(("POST on time, with a key", Cost::of(&[with_key])));
    let replay = report(tables, 200, Some("key"), "new", now).await;
    assert_eq!((replay.calls, replay.rounds), (2, 2), "a replay");
    costs.push(("POST replayed at once", Cost::of_replays(&[replay])));
    for (user, without, sent, replayed) in [
        (
            "old",
            "POST late",
            "POST late, with a key",
            "POST late, replayed",
        ),
        (
            "1",
            "POST late, of the user with half of the log",
            "POST late, of that user, with a key",
            "POST late, of that user, replayed",
        ),
    ] {
        let times = (0..LATE_EVENTS)
            .map(|number| at(START).saturating_add(MONTH / LATE_EVENTS * number + MONTH / 37));
        let (mut new, mut keyed, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for time in times {
            let key = format!("{user}-{time}");
            new.push(report(tables, 201, None, user, time).await);
            keyed.push(report(tables, 201, Some(&key), user, time).await);
            again.push(report(tables, 200, Some(&key), user, time).await);
        }
        costs.push((without, Cost::of(&new)));
        costs.push((sent, Cost::of(&keyed)));
        costs.push((replayed, Cost::of_replays(&again)));
    }
    let refused = tables.post(None, "{}".to_owned(), now).await;
    assert_eq!(
        (refused.status().as_u16(), usage(&refused)),
        (400, Usage::default())
    );
    costs.push(("POST refused", Cost::of(&[usage(&refused)])));

    // A late event that could not be counted is acknowledged all the same: its figures would be too
    // low.
    let (list, _) = tables.get("page=1", now).await;
    assert_eq!(list["total"], events.len() + 2 + 4 * LATE_EVENTS as usize);
    costs
}

/// Lists of everyone and of user 1 while events of 1 KB are written: what they cost, and how many
/// of them a second the log's partitions carry.
async fn measure_under_load(condition: &str, tables: &Tables) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (whose, user) in [("everyone", ""), ("a user", "&user_id=1")] {
        let (first, _) = tables.get(&format!("per_page=10{user}"), at(NOW)).await;
        let cursor = first["next_cursor"].as_str().unwrap();
        for (page, query) in [
            ("1", format!("per_page=10{user}")),
            ("1, total=false", format!("per_page=10&total=false{user}")),
            ("by cursor", format!("per_page=10&cursor={cursor}{user}")),
            ("2 by number", format!("per_page=10&page=2{user}")),
        ] {
            let (_, first) = tables.get_cold(&query, at(NOW)).await;
            // A function that has found its budget too small spends less for some seconds.
            tables.get(&query, at(NOW)).await;
            let (list, usage) = tables.get(&query, at(NOW)).await;
            // Lists read all shards alike. A user's part of the index is one partition.
            let busiest = (usage.read.tables / f64::from(SHARDS)).max(usage.read.indexes);
            let carried = PARTITION_READ_UNITS / busiest;
            let exact = list["total_exact"]
                .as_bool()
                .map_or("", |exact| if exact { "yes" } else { "at least" });
            rows.push(vec![
                condition.to_owned(),
                whose.to_owned(),
                page.to_owned(),
                first.calls.max(usage.calls).to_string(),
                first.rounds.max(usage.rounds).to_string(),
                format!("{:.1}", first.read.total()),
                format!("{:.1}", usage.read.total()),
                exact.to_owned(),
                format!("{carried:.0}"),
            ]);
        }
    }
    rows
}

/// One service with a wrong time zone.
async fn eight_hours_ahead(tables: &Tables) {
    let ahead = events_from(
        at(NOW).saturating_add(Duration::from_secs(8 * 3600)),
        AHEAD_EVENTS,
        Duration::from_secs(120),
    );
    tables.write_of(&ahead, 300).await;
    tables.deliver_events(&ahead, at(NOW)).await;
}

// On one thread, as the functions: on two, an operation can be answered before the next of the same
// round has begun.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    // `cargo test --benches` only asks whether it starts.
    if given("--test") || !given("--bench") {
        return;
    }
    let sizes: &[usize] = if given("--short") {
        &[0, 1_000]
    } else {
        &[0, 1_000, 10_000, 100_000]
    };
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
                format!("{:.2}", logs(request)),
                format!("{:.2}", dollars + around() + logs(request)),
            ]);
        }
    }
    let columns = [
        "events",
        "request",
        "calls",
        "round trips",
        "read units",
        "write units",
        "DynamoDB, $",
        "logs, $",
        "all, $",
    ];
    report.table("A million requests of each kind", &columns, rows);

    let mut rows = Vec::new();
    for per_second in [0, 10, 100, 1000] {
        let tables = Tables::quiet(at(NOW)).await;
        tables.load(per_second, 1 << 10, at(NOW)).await;
        rows.extend(measure_under_load(&format!("{per_second} a second"), &tables).await);
    }
    if !given("--short") {
        let tables = Tables::quiet(at(NOW)).await;
        eight_hours_ahead(&tables).await;
        rows.extend(measure_under_load("100,000 events 8 h ahead", &tables).await);
    }
    let columns = [
        "events written",
        "of",
        "page",
        "calls",
        "round trips",
        "units, first",
        "units, then",
        "exact",
        "lists a second",
    ];
    report.table(
        "A list of ten events of 1 KB while events are written",
        &columns,
        rows,
    );
    report.finish();
}
