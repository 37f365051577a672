//! What a list costs beyond its page, whatever is written meanwhile and however it is dated.

use std::time::Duration;

use audit_log::count::Indexer;
use audit_log::deps::Deps;
use audit_log::event::{EventId, Timestamp};
use audit_log::store::EventKey;
use audit_log_testing::tables::{
    LAG, OLD_EVENTS, SHARDS, events, events_from, is_of_user, list, of_user,
};
use audit_log_testing::{Tables, ids, settings};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// The read units that a list may cost beyond its page.
const MAX_TOTAL_UNITS: f64 = 64.0;
/// The read units that a page by number may cost beyond its page.
const MAX_PLACE_UNITS: f64 = 256.0;
const MAX_ROUNDS: u32 = 8;
/// To the place of a page by number a level of the index follows another.
const MAX_PLACE_ROUNDS: u32 = 9;

fn now() -> Timestamp {
    Timestamp::parse("2024-03-01T00:00:00Z").unwrap()
}

/// Checks page 1, pages by cursor and a page by number, of everyone and of user 1, from a function
/// that has just started and from one that runs. The latter is asked twice, because it learns of
/// the load.
async fn check_costs(tables: &Tables, condition: &str) {
    for user in ["", "&user_id=1"] {
        let first = format!("per_page=10{user}");
        let (list, _) = tables.get_cold(&first, now()).await;
        let next = format!(
            "per_page=10&cursor={}{user}",
            list["next_cursor"].as_str().unwrap()
        );
        // Deep in the past, where items are small.
        let past = format!(
            "per_page=10&cursor={}{user}",
            EventId::lowest_at(now().saturating_sub(MONTH))
        );
        let second = format!("per_page=10&page=2{user}");
        for (query, alone, most, rounds) in [
            (&first, &first, MAX_TOTAL_UNITS, MAX_ROUNDS),
            (&next, &next, MAX_TOTAL_UNITS, MAX_ROUNDS),
            (&past, &past, MAX_TOTAL_UNITS, MAX_ROUNDS),
            (&second, &first, MAX_PLACE_UNITS, MAX_PLACE_ROUNDS),
        ] {
            let (_, page) = tables
                .get_cold(&format!("{alone}&total=false"), now())
                .await;
            let mut usages = vec![tables.get_cold(query, now()).await.1];
            for _ in 0..2 {
                usages.push(tables.get(query, now()).await.1);
            }
            for usage in usages {
                let beyond = usage.read.total() - page.read.total();
                assert!(
                    beyond <= most,
                    "{condition}, {query}: {beyond} units beyond the page, {usage:?}"
                );
                // DynamoDB Local can begin to answer the calls of a round one after another, which
                // looks like more rounds.
                let slack = if std::env::var("AUDIT_LOG_TEST_DYNAMODB").is_ok() {
                    2
                } else {
                    0
                };
                assert!(
                    usage.rounds <= rounds + slack,
                    "{condition}, {query}: {usage:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_list_costs_its_page_and_a_little_at_every_rate() {
    for item_bytes in [1 << 10, 10 << 10, 100 << 10] {
        for per_second in [0, 10, 100, 1000] {
            let tables = Tables::quiet(now()).await;
            tables.load(per_second, item_bytes, now()).await;
            check_costs(
                &tables,
                &format!("{per_second} events a second of {item_bytes} bytes"),
            )
            .await;
        }
    }
}

/// The budget is shared by all shards, so more of them make a list no dearer but for the roots and
/// nodes of each.
#[tokio::test]
async fn sixteen_shards_share_one_budget() {
    let tables = Tables::start().await;
    let deps = Deps::new(tables.client.clone(), &settings(16));
    let load: Vec<EventKey> = (0..6400_u64)
        .map(|number| {
            let at = now().saturating_sub(Duration::from_millis(3 * number));
            of_user(
                EventId::new(at, number.wrapping_mul(0x9E37_79B9_7F4A_7C15), 16),
                "1",
            )
        })
        .collect();
    tables.write_of(&load, 2 << 10).await;
    let indexer = Indexer::new(deps.store.clone(), deps.counts.clone());
    for batch in load.chunks(1000) {
        let added = indexer.add(batch, now()).await;
        indexer
            .backfill(added.building, now(), || true)
            .await
            .unwrap();
    }
    let page = list(&deps, "per_page=10&total=false", now())
        .await
        .1
        .read
        .total();
    for (query, most) in [
        ("per_page=10", MAX_TOTAL_UNITS),
        ("per_page=10&page=2", MAX_PLACE_UNITS),
    ] {
        let (list, usage) = list(&deps, query, now()).await;
        assert_eq!(
            (&list["total_exact"], ids(&list).len()),
            (&false.into(), 10)
        );
        // A node of each shard is a part of the level that is read, and a Query of few keys costs a
        // whole unit.
        let beyond = usage.read.total() - page;
        assert!(
            beyond <= most + 64.0,
            "{query}: {beyond} units beyond the page, {usage:?}"
        );
    }
}

/// One service with a wrong time zone, or two minutes of bad intent.
#[tokio::test]
async fn a_list_costs_no_more_for_100000_events_ahead() {
    let tables = Tables::quiet(now()).await;
    let ahead = events_from(
        now().saturating_add(Duration::from_secs(8 * 3600)),
        100_000,
        Duration::from_secs(120),
    );
    // What lies ahead enters the index before it is acknowledged.
    tables.write_of(&ahead, 200).await;
    tables.deliver_events(&ahead, now()).await;
    let load = tables.load(5, 1 << 10, now()).await;
    check_costs(&tables, "100,000 events ahead").await;
    let (list, _) = tables.get("per_page=10", now()).await;
    let all = OLD_EVENTS + ahead.len() + load.len();
    assert_eq!(
        (&list["total"], &list["total_exact"]),
        (&all.into(), &true.into())
    );
    let page = ahead.len() / 10 + 2;
    let (deep, usage) = tables.get(&format!("per_page=10&page={page}"), now()).await;
    assert_eq!((ids(&deep).len(), &deep["total_exact"]), (10, &true.into()));
    assert!(usage.read.total() <= MAX_PLACE_UNITS, "{usage:?}");
}

#[tokio::test]
async fn page_1_of_a_quiet_log_is_one_round_3_calls_and_9_units() {
    let tables = Tables::start().await;
    let old = events(OLD_EVENTS, MONTH);
    tables.write_of(&old, 1 << 10).await;
    tables.index(now()).await;
    let (list, usage) = tables.get("", now()).await;
    assert_eq!(
        (&list["total"], &list["total_exact"]),
        (&OLD_EVENTS.into(), &true.into())
    );
    assert!(
        usage.rounds == 1 && usage.calls <= 3 && usage.read.total() <= 9.0,
        "{usage:?}"
    );
}

/// Page by page, against what was there: the budget ends somewhere in the last seconds, and the
/// index before that.
#[tokio::test]
async fn pages_by_number_meet_without_a_gap_under_load() {
    for per_second in [15, 50, 150, 500] {
        let tables = Tables::quiet(now()).await;
        let load = tables.load(per_second, 1 << 10, now()).await;
        let newest: Vec<String> = load
            .iter()
            .rev()
            .map(|event| event.id.to_string())
            .collect();
        for page in 1..=30 {
            let (list, _) = tables.get(&format!("per_page=10&page={page}"), now()).await;
            assert_eq!(
                ids(&list),
                newest[page * 10 - 10..page * 10],
                "page {page} at {per_second} events a second"
            );
            let (total, there) = (
                list["total"].as_u64().unwrap(),
                (OLD_EVENTS + load.len()) as u64,
            );
            assert!(total <= there, "{total} of {there}");
            assert!(
                list["total_exact"] == false || total == there,
                "{total} of {there}, exact"
            );
        }
    }
}

#[tokio::test]
async fn a_total_that_left_something_out_says_so() {
    let tables = Tables::quiet(now()).await;
    let load = tables.load(1000, 1 << 10, now()).await;
    let there = (OLD_EVENTS + load.len()) as u64;
    for query in [
        "",
        "page=2",
        "user_id=1",
        &format!("cursor={}", load[100].id),
    ] {
        let list = tables.get(query, now()).await.0;
        let total = list["total"].as_u64().unwrap();
        let all = if query == "user_id=1" {
            there / 2
        } else {
            there
        };
        // All that the stream has delivered counts, and what was read of the rest.
        let delivered = EventId::lowest_at(now().saturating_sub(LAG));
        let delivered = load
            .iter()
            .filter(|event| event.id < delivered && (all == there || is_of_user(event, "1")));
        let least = if all == there {
            OLD_EVENTS
        } else {
            OLD_EVENTS / 2
        } as u64
            + delivered.count() as u64;
        assert!(
            total >= least,
            "{query}: {total} of {all}, and {least} are in the index"
        );
        assert_eq!(
            list["total_exact"],
            total == all,
            "{query}: {total} of {all}"
        );
        assert!(total <= all, "{query}: {total} of {all}");
    }
    let list = tables.get("", now()).await.0;
    assert_eq!(list["total_exact"], false);
    // A range that ends before the live window begins is exact all the same.
    let list = tables.get("to=2024-02-01T00:00:00Z", now()).await.0;
    assert_eq!(
        (&list["total"], &list["total_exact"]),
        (&OLD_EVENTS.into(), &true.into())
    );
}

#[tokio::test]
async fn a_range_on_either_side_of_now_is_counted_exactly() {
    let tables = Tables::quiet(now()).await;
    let load = tables.load(5, 1 << 10, now()).await;
    let ahead = events_from(
        now().saturating_add(Duration::from_secs(3600)),
        600,
        Duration::from_secs(600),
    );
    tables.write(&ahead).await;
    tables.deliver_events(&ahead, now()).await;
    let all: Vec<&EventKey> = load.iter().chain(&ahead).collect();
    let at = |seconds: i64| {
        let offset = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 {
            now().saturating_sub(offset)
        } else {
            now().saturating_add(offset)
        }
    };
    for (from, to) in [
        (-25, -21),
        (-25, -5),
        (-20, 0),
        (-15, 30),
        (-3, 3600),
        (-25, 3900),
        (29, 31),
        (31, 3800),
        (3605, 3700),
        (3700, 9000),
    ] {
        let (first, end) = (EventId::lowest_at(at(from)), EventId::lowest_at(at(to)));
        for (user, filter) in [(None, ""), (Some("1"), "&user_id=1")] {
            let within = |event: &&&EventKey| {
                first <= event.id
                    && event.id < end
                    && user.is_none_or(|user| is_of_user(event, user))
            };
            let expected: Vec<String> = all
                .iter()
                .filter(within)
                .rev()
                .map(|event| event.id.to_string())
                .collect();
            for page in [1, 2, expected.len() / 7 + 1] {
                let query = format!(
                    "from={}&to={}&per_page=7&page={page}{filter}",
                    at(from),
                    at(to)
                );
                let (list, _) = tables.get(&query, now()).await;
                assert_eq!(
                    (&list["total"], &list["total_exact"]),
                    (&expected.len().into(), &true.into()),
                    "{query}"
                );
                assert_eq!(
                    ids(&list),
                    expected.chunks(7).nth(page - 1).unwrap_or_default(),
                    "{query}"
                );
            }
        }
    }
}

/// A setting that was lowered, or mistyped: no event loses its place.
#[tokio::test]
async fn a_lower_number_of_shards_still_lists_every_shard() {
    let tables = Tables::start().await;
    let old = events(600, MONTH);
    let of_shard = |shard: u8| {
        old.iter()
            .filter(move |event| event.id.shard() == shard)
            .count()
    };
    assert!((0..SHARDS).all(|shard| of_shard(shard) > 200));
    tables.write(&old).await;
    tables.index(now()).await;
    let deps = Deps::new(tables.client.clone(), &settings(1));
    let newest: Vec<String> = old.iter().rev().map(|event| event.id.to_string()).collect();
    for (query, shown) in [
        ("per_page=50", &newest[..50]),
        ("per_page=50&total=false", &newest[..50]),
        ("per_page=50&page=7", &newest[300..350]),
        (
            &format!("per_page=50&cursor={}", newest[99]),
            &newest[100..150],
        ),
    ] {
        let (list, _) = list(&deps, query, now()).await;
        assert_eq!(ids(&list), shown, "{query}");
        assert!(
            list["total"].is_null() || list["total"] == 600,
            "{query}: {}",
            list["total"]
        );
    }
    let indexer = Indexer::new(deps.store, deps.counts);
    assert_eq!(
        indexer.shards().await.unwrap().len(),
        usize::from(SHARDS),
        "rebuild compares every shard"
    );
}
