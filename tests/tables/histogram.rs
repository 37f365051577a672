//! A histogram at every state of the count index: what it counts, and what it costs.

use std::time::Duration;

use audit_log::count::trie::Trie;
use audit_log::dynamodb::Usage;
use audit_log::event::{EventId, Exact, IdRange, Timestamp};
use audit_log::limits::{LIVE_WINDOW, LIVE_WINDOW_AHEAD};
use audit_log::store::{EventKey, Scope};
use audit_log_testing::Tables;
use audit_log_testing::tables::{LAG, SHARDS, events, events_from, is_of_user, sample};
use serde_json::Value;

const DAY: Duration = Duration::from_secs(24 * 3600);
const START: &str = "2024-01-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The range of a bucket, from the texts of the response.
fn range(bucket: &Value) -> IdRange {
    let border = |name: &str| at(bucket[name].as_str().unwrap());
    IdRange::ALL
        .starting_at(border("from"))
        .ending_before(border("to"))
}

/// Compares each bucket with the events, and returns what the histogram cost.
async fn check(tables: &Tables, events: &[EventKey], query: &str, now: Timestamp) -> Usage {
    let (histogram, usage) = tables.histogram(query, now).await;
    assert_eq!(histogram["total_exact"], true, "{query}");
    let user = query.split_once("user_id=").map(|(_, user)| user);
    let counts_user = |event: &&EventKey| user.is_none_or(|user| is_of_user(event, user));
    for bucket in histogram["buckets"].as_array().unwrap() {
        let range = range(bucket);
        let within = events.iter().filter(|event| range.contains(event.id));
        assert_eq!(
            bucket["count"],
            within.filter(counts_user).count(),
            "{query}: {bucket}"
        );
    }
    usage
}

/// Ranges of the past, around now, and of everything; of everyone, and of users with and without a
/// trie.
async fn check_all(tables: &Tables, events: &[EventKey], now: Timestamp) {
    let ago = |seconds| now.saturating_sub(Duration::from_secs(seconds));
    let ahead = |seconds| now.saturating_add(Duration::from_secs(seconds));
    for (from, to, buckets) in [
        (at(START), ago(3 * 3600), 60),
        (at(START), ahead(2 * 3600), 60),
        (ago(100), ahead(100), 100),
        (ago(15), ahead(7), 9),
        (ago(3600), ago(10), 1),
        (ahead(60), ahead(7200), 13),
        (Timestamp::EPOCH, Timestamp::MAX, 100),
    ] {
        for user in ["", "&user_id=1", "&user_id=u3", "&user_id=nobody"] {
            let (from, to) = (Exact(from), Exact(to));
            let query = format!("from={from}&to={to}&buckets={buckets}{user}");
            check(tables, events, &query, now).await;
        }
    }
}

#[tokio::test]
async fn a_histogram_is_exact_at_every_state_of_the_index() {
    let tables = Tables::start().await;
    let now = at(START).saturating_add(DAY);
    let mut all = events(3000, DAY);
    // Around now, and ahead of the live window.
    all.extend(events_from(
        now.saturating_sub(LIVE_WINDOW),
        40,
        LIVE_WINDOW + LIVE_WINDOW_AHEAD,
    ));
    all.extend(events_from(now.saturating_add(DAY / 24), 30, DAY / 24));
    tables.write(&all).await;
    check_all(&tables, &all, now).await;

    tables.index(now).await;
    check_all(&tables, &all, now).await;
    tables.promote(sample(&all), now).await;
    check_all(&tables, &all, now).await;
}

#[tokio::test]
async fn an_inexact_histogram_never_counts_too_many() {
    let now = at("2024-03-01T00:00:00Z");
    let tables = Tables::quiet(now).await;
    let load = tables.load(1000, 1 << 10, now).await;
    let from = now.saturating_sub(Duration::from_secs(60));
    let query = format!("from={}&to={}&buckets=60", Exact(from), Exact(now));
    let (histogram, usage) = tables.histogram(&query, now).await;
    assert_eq!(histogram["total_exact"], false);
    let mut counted = 0;
    for bucket in histogram["buckets"].as_array().unwrap() {
        let range = range(bucket);
        let within = load.iter().filter(|event| range.contains(event.id)).count() as u64;
        let count = bucket["count"].as_u64().unwrap();
        assert!(count <= within, "{within}: {bucket}");
        counted += count;
    }
    // All that the count index has, and what was read of the rest.
    let delivered = EventId::lowest_at(now.saturating_sub(LAG));
    let delivered = load.partition_point(|event| event.id < delivered) as u64;
    assert!(counted >= delivered, "{counted} of {delivered}");
    assert!(
        usage.rounds <= 12 && usage.read.total() <= 200.0,
        "{usage:?}"
    );
}

/// Measures 60 buckets over events of the past. Only the count index has them, because no other
/// table is read.
async fn measure(count: usize, span: Duration) -> Usage {
    let tables = Tables::start().await;
    let all = events(count, span);
    let nodes = tables.counts.nodes(&Scope::Everyone);
    for shard in 0..SHARDS {
        let of_shard = all.iter().filter(|event| event.id.shard() == shard);
        let keys: Vec<u128> = of_shard.map(|event| event.id.to_bits()).collect();
        let trie = Trie::new(&nodes, shard);
        trie.start(0).await.unwrap();
        // Part by part, so that a busy engine is not asked for everything at once.
        for keys in keys.chunks(5_000) {
            trie.apply(keys).await.unwrap();
        }
        trie.finish(0).await.unwrap();
    }
    let to = at(START).saturating_add(span);
    let query = format!("from={START}&to={}&buckets=60", Exact(to));
    let usage = check(&tables, &all, &query, to.saturating_add(DAY)).await;
    println!(
        "{count} events in {} days: {usage:?}",
        span.as_secs() / DAY.as_secs()
    );
    usage
}

fn check_cost(usage: Usage) {
    assert!(
        usage.rounds <= 12 && usage.read.total() <= 200.0,
        "{usage:?}"
    );
    // One Query of the roots, and at most one of each level of nodes.
    assert!(usage.calls <= 1 + 2 + 61 + 61, "{usage:?}");
}

#[tokio::test]
async fn sixty_buckets_of_many_events_cost_little() {
    check_cost(measure(100_000, DAY).await);
}

/// It takes minutes. tests/trie/intervals.rs measures the same without the engine.
#[tokio::test]
#[ignore = "fills a count index with a million events"]
async fn sixty_buckets_of_a_million_events_cost_little() {
    for days in [7, 30] {
        check_cost(measure(1_000_000, days * DAY).await);
    }
}
