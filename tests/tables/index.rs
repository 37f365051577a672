//! The count index on the engine: exact whatever is delivered when, and what reading by it costs.

use std::time::Duration;

use audit_log::count::{Indexer, trie};
use audit_log::deps::Deps;
use audit_log::dynamodb::Usage;
use audit_log::event::{EventId, Timestamp};
use audit_log::index_events::{BatchResponse, StreamBatch};
use audit_log::limits::SETTLE;
use audit_log::store::{EventKey, Partition};
use audit_log_testing::tables::{
    SHARDS, events, events_from, is_of_user, list, of_user, sample, user,
};
use audit_log_testing::{Rounds, Tables, ids, settings};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{StreamExt, iter};
use serde_json::json;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const LATER: &str = "2024-03-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// What user 1's total costs: a page that is past the end reads nothing else.
async fn units_of_a_total(tables: &Tables, now: Timestamp) -> Usage {
    let past_the_end = "user_id=1&per_page=1&cursor=00000000-0000-7000-8000-000000000000";
    let (_, usage) = tables.get(past_the_end, now).await;
    usage
}

#[tokio::test]
async fn a_log_from_before_the_count_index_is_backfilled() {
    let tables = Tables::start().await;
    let events = events(3000, MONTH);
    let now = at(LATER);
    tables.write(&events).await;
    tables.check(&events, now).await;
    let (_, before) = tables.get("page=100", now).await;
    tables.index(now).await;
    tables.promote(sample(&events), now).await;
    tables.check(&events, now).await;
    let (_, after) = tables.get("page=100", now).await;
    assert!(
        after.read.total() * 5.0 < before.read.total(),
        "{after:?} against {before:?}"
    );
}

#[tokio::test]
async fn a_range_is_the_difference_of_two_ranks() {
    let tables = Tables::start().await;
    let events = events(2000, MONTH);
    let now = at(LATER);
    tables.write(&events).await;
    tables.index(now).await;
    for (from, to) in [
        ("2024-01-05T00:00:00Z", "2024-01-20T12:00:00Z"),
        ("2024-01-10T00:00:00Z", "2024-01-10T00:30:00Z"),
    ] {
        let within: Vec<String> = events
            .iter()
            .rev()
            .filter(|event| {
                let (from, to) = (
                    audit_log::event::EventId::lowest_at(at(from)),
                    audit_log::event::EventId::lowest_at(at(to)),
                );
                from <= event.id && event.id < to
            })
            .map(|event| event.id.to_string())
            .collect();
        let last = within.len().div_ceil(5);
        for page in [1, 2, last] {
            let (list, usage) = tables
                .get(&format!("from={from}&to={to}&per_page=5&page={page}"), now)
                .await;
            assert!(usage.rounds <= if page == 1 { 3 } else { 9 }, "{usage:?}");
            assert_eq!(list["total"], within.len());
            assert_eq!(
                ids(&list),
                within.chunks(5).nth(page - 1).unwrap_or_default()
            );
        }
    }
}

/// The figures of docs/performance.md, up to what a test may take; `cargo bench --bench reading`
/// goes on.
#[tokio::test]
async fn any_page_costs_the_same_at_every_size() {
    let now = at(LATER);
    let mut costs: Vec<Vec<f64>> = Vec::new();
    for count in [1_000, 10_000, 30_000] {
        let tables = Tables::start().await;
        let events = events(count, MONTH);
        tables.write(&events).await;
        tables.index(now).await;
        tables.promote(sample(&events), now).await;
        let mut units = Vec::new();
        for filter in ["", "&user_id=1"] {
            let of = if filter.is_empty() { count } else { count / 2 };
            for page in [1, of / 20, of / 10] {
                let (list, usage) = tables.get(&format!("page={page}{filter}"), now).await;
                assert_eq!(
                    (&list["total"], list["events"].as_array().unwrap().len()),
                    (&json!(of), 10)
                );
                assert!(
                    usage.rounds <= if page == 1 { 3 } else { 9 },
                    "{count} events, page {page}{filter}: {usage:?}"
                );
                units.push(usage.read.total());
            }
        }
        costs.push(units);
    }
    for (at_10_000, at_30_000) in costs[1].iter().zip(&costs[2]) {
        assert!(*at_30_000 <= at_10_000 * 1.5, "{costs:?}");
    }
}

#[tokio::test]
async fn a_batch_that_comes_twice_late_or_in_pieces_counts_once() {
    let tables = Tables::start().await;
    let events = events(1500, MONTH);
    let now = at(LATER);
    // The lanes are ready before there is any event: only what is delivered gets into them.
    tables.deliver(&[], now).await;
    tables.write(&events).await;
    for (events, times) in [
        (&events[900..], 2),
        (&events[..1000], 1),
        (&events[400..401], 3),
    ] {
        for _ in 0..times {
            assert_eq!(
                tables.deliver(events, now).await,
                BatchResponse {
                    failures: Vec::new()
                }
            );
        }
    }
    tables.check(&events, now).await;
}

#[tokio::test]
async fn two_invocations_at_once_do_not_get_in_each_others_way() {
    let tables = Tables::start().await;
    let events = events(1200, MONTH);
    let now = at(LATER);
    tables.write(&events).await;
    let first = tables.deliver(&events[..800], now);
    let second = tables.deliver(&events[400..], now);
    let (first, second) = tokio::join!(first, second);
    assert!(first.failures.is_empty() && second.failures.is_empty());
    tables.check(&events, now).await;
}

#[tokio::test]
async fn while_the_stream_is_stalled_page_1_stays_current() {
    let tables = Tables::start().await;
    let events = events(600, Duration::from_secs(600));
    let (old, new) = events.split_at(300);
    tables.write(old).await;
    tables.index(at("2024-01-01T00:05:20Z")).await;
    // The stream stops here, for an hour; events keep coming.
    tables.write(new).await;
    let hour_later = at("2024-01-01T01:00:00Z");
    let (list, _) = tables.get("per_page=5", hour_later).await;
    assert_eq!(
        list["total"],
        old.len(),
        "only what was delivered is counted"
    );
    let newest: Vec<String> = events
        .iter()
        .rev()
        .take(5)
        .map(|event| event.id.to_string())
        .collect();
    assert_eq!(ids(&list), newest);
    for piece in new.chunks(100) {
        tables.deliver(piece, hour_later).await;
    }
    tables.check(&events, hour_later).await;
}

#[tokio::test]
async fn an_index_that_was_deleted_is_not_missed_and_grows_again() {
    let tables = Tables::start().await;
    let events = events(1500, MONTH);
    let now = at(LATER);
    tables.write(&events).await;
    tables.index(now).await;
    let items = tables
        .client
        .scan()
        .table_name("CountsTable")
        .send()
        .await
        .unwrap();
    for item in items.items() {
        let delete = tables.client.delete_item().table_name("CountsTable");
        delete
            .key("node", item["node"].clone())
            .key("lane", item["lane"].clone())
            .send()
            .await
            .unwrap();
    }
    tables.check(&events, now).await;
    tables.deliver(&events[..1], now).await;
    tables.check(&events, now).await;
}

#[tokio::test]
async fn a_log_with_more_shards_is_complete_at_once() {
    let tables = Tables::start().await;
    let old = events(3000, MONTH);
    let now = at(LATER);
    tables.write(&old).await;
    tables.index(now).await;
    let raise = at("2024-02-01T00:00:00Z");
    let deps = Deps::new(tables.client.clone(), &settings(4));
    let new = (0..600).map(|number| {
        let id = EventId::new(
            raise.saturating_add(Duration::from_secs(number)),
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            deps.store.shards().get(),
        );
        of_user(id, "1")
    });
    let new: Vec<EventKey> = new.collect();
    let newest_first = |events: &[&[EventKey]]| {
        let mut ids: Vec<String> = events
            .concat()
            .iter()
            .map(|event| event.id.to_string())
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    };
    let check = async |expected: &[String], page: usize| {
        let (list, usage) = list(&deps, &format!("per_page=100&page={page}"), now).await;
        assert_eq!(
            (&list["total"], ids(&list)),
            (
                &json!(expected.len()),
                expected[page * 100 - 100..page * 100].to_vec()
            )
        );
        usage
    };

    let before = newest_first(&[&old]);
    let (first, deep) = (check(&before, 1).await, check(&before, 25).await);
    // To count the 3,000 events themselves takes 600 units.
    assert!(
        first.read.total() < 100.0 && deep.read.total() < 100.0,
        "{first:?}, {deep:?}"
    );

    tables.write(&new).await;
    let indexer = Indexer::new(deps.store.clone(), deps.counts.clone());
    let (in_old_shards, in_new): (Vec<EventKey>, Vec<EventKey>) = new
        .iter()
        .cloned()
        .partition(|event| event.id.shard() < SHARDS);
    assert!(
        tables
            .indexer
            .add(&in_old_shards, now)
            .await
            .failed
            .is_empty()
    );
    let all = newest_first(&[&old, &new]);
    check(&all, 1).await;
    let deep = check(&all, 30).await;
    assert!(
        deep.read.total() < 300.0,
        "the events without a lane alone are read besides: {deep:?}"
    );
    let added = indexer.add(&in_new, now).await;
    indexer
        .backfill(added.building, now, || true)
        .await
        .unwrap();
    check(&all, 30).await;
    assert_eq!(check(&all, 1).await.rounds, 1);
}

#[tokio::test]
async fn a_user_gets_a_trie_beyond_1000_events_once_settled() {
    let tables = Tables::start().await;
    let now = at(LATER);
    let events = events(2004, MONTH);
    let sample = sample(&events);
    let (few, one_more) = (&events[..2000], &events[2000..]);
    tables.write(few).await;
    tables.promote(sample, now).await;
    let usage = units_of_a_total(&tables, now).await;
    assert_eq!(
        usage.calls, 3,
        "the root, which is not there, a count of 1,000, the page: {usage:?}"
    );
    tables.write(one_more).await;
    tables
        .deliver(&[one_more, std::slice::from_ref(sample)].concat(), now)
        .await;
    tables.check(&events, now).await;
    let unsettled = units_of_a_total(&tables, now).await;
    tables
        .deliver(std::slice::from_ref(sample), now.saturating_add(SETTLE))
        .await;
    tables.check(&events, now).await;
    let settled = units_of_a_total(&tables, now).await;
    assert!(
        settled.read.total() < unsettled.read.total() / 2.0,
        "{settled:?} against {unsettled:?}"
    );
}

#[tokio::test]
async fn reconcile_reports_and_corrects_each_difference() {
    use audit_log::count::Difference;
    use audit_log::count::trie::{Entry, Node, Prefix, Storage, Trie};
    use audit_log::event::EventId;
    use audit_log::store::{Partition, Scope};

    let tables = Tables::start().await;
    let events = events(3000, MONTH);
    let now = at(LATER);
    tables.write(&events).await;
    tables.index(now).await;
    let (partition, lanes) = (Partition::Shard(1), tables.counts.nodes(&Scope::Everyone));
    let reconciled = async || {
        let mut found = Vec::new();
        tables
            .indexer
            .reconcile(
                &partition,
                || now,
                |_| {},
                |difference| found.push(difference),
            )
            .await
            .unwrap();
        found
    };
    assert_eq!(reconciled().await, []);

    let missing = events
        .iter()
        .find(|event| event.id.shard() == 1)
        .unwrap()
        .id;
    Trie::new(&lanes, 1)
        .remove(missing.to_bits())
        .await
        .unwrap();
    let found = reconciled().await;
    assert!(found.contains(&Difference::Missing(missing)), "{found:?}");
    let no_event = (0..)
        .map(|random| EventId::new(at("2024-01-09T00:00:00Z"), random, SHARDS))
        .find(|id| id.shard() == 1);
    let no_event = no_event.unwrap().to_bits();
    Trie::new(&lanes, 1).apply(&[no_event]).await.unwrap();
    assert!(reconciled().await.contains(&Difference::Extra(no_event)));
    let root = lanes.node(1, Prefix::ROOT).await.unwrap().unwrap();
    let Node::Inner {
        greatest,
        mut counts,
    } = root.node.clone()
    else {
        panic!("{root:?}")
    };
    *counts.values_mut().next().unwrap() += 5;
    lanes
        .swap(
            1,
            Prefix::ROOT,
            &Entry {
                node: Node::Inner { greatest, counts },
                ..root
            },
        )
        .await
        .unwrap();
    assert!(
        matches!(reconciled().await.as_slice(), [Difference::Miscount(miscount)] if miscount.counted == miscount.found + 5)
    );
    assert_eq!(reconciled().await, []);
    tables.check(&events, now).await;
}

/// A log that is written while it is compared: what is too young for the count index is not a difference,
/// however long it takes.
#[tokio::test]
async fn reconcile_leaves_live_events_to_the_stream() {
    let tables = Tables::start().await;
    let old = events(3000, MONTH);
    let now = at(LATER);
    tables.write(&old).await;
    tables.index(now).await;
    let young = events_from(
        now.saturating_add(Duration::from_secs(59)),
        40,
        Duration::from_secs(1),
    );
    tables.write(&young).await;
    // Each slice takes half a minute.
    let slices = std::sync::atomic::AtomicU64::new(0);
    let clock = || {
        now.saturating_add(
            Duration::from_secs(30)
                * slices.fetch_add(1, std::sync::atomic::Ordering::SeqCst) as u32,
        )
    };
    let mut found = Vec::new();
    let tell = |difference| found.push(difference);
    tables
        .indexer
        .reconcile(&Partition::Shard(0), clock, |_| {}, tell)
        .await
        .unwrap();
    assert_eq!(found, []);
    assert!(slices.into_inner() >= 2);
}

/// A deploy that was taken back finds what the newer version wrote. It must not take it away.
#[tokio::test]
async fn a_node_of_a_newer_version_is_kept_and_not_used() {
    let tables = Tables::start().await;
    let old = events(3000, MONTH);
    let now = at(LATER);
    tables.write(&old).await;
    tables.index(now).await;
    tables.promote(sample(&old), now).await;
    let nodes = tables
        .client
        .scan()
        .table_name("CountsTable")
        .send()
        .await
        .unwrap();
    let root = nodes
        .items()
        .iter()
        .find(|node| node["node"].as_s().unwrap() == "user_id#1#")
        .unwrap();
    let mut newer = root.clone();
    newer.insert(
        "packed".to_owned(),
        AttributeValue::B(Blob::new([9, 1, 2, 3])),
    );
    tables
        .client
        .put_item()
        .table_name("CountsTable")
        .set_item(Some(newer.clone()))
        .send()
        .await
        .unwrap();

    tables.check(&old, now).await;
    let response = tables
        .deliver(std::slice::from_ref(sample(&old)), now)
        .await;
    assert_eq!(
        response.failures.len(),
        1,
        "the batch waits for the version that knows it"
    );
    let key = ["node", "lane"].map(|name| (name.to_owned(), root[name].clone()));
    let get = tables
        .client
        .get_item()
        .table_name("CountsTable")
        .set_key(Some(key.into()))
        .send()
        .await
        .unwrap();
    assert_eq!(get.item.unwrap(), newer);
}

#[tokio::test]
async fn a_users_trie_is_completed_without_new_events() {
    let tables = Tables::start().await;
    let now = at(LATER);
    let events = events(3000, MONTH);
    tables.write(&events).await;
    tables
        .deliver(std::slice::from_ref(sample(&events)), now)
        .await;
    let building = units_of_a_total(&tables, now).await;
    let others: Vec<EventKey> = events
        .iter()
        .filter(|event| !is_of_user(event, "1"))
        .take(1)
        .cloned()
        .collect();
    tables.deliver(&others, now.saturating_add(SETTLE)).await;
    let ready = units_of_a_total(&tables, now).await;
    assert!(
        ready.read.total() < building.read.total() / 2.0,
        "{ready:?} against {building:?}"
    );
    tables.check(&events, now).await;
}

/// Each user's trie has two levels, as that of a user with some thousand events of a year.
async fn with_tries(tables: &Tables, users: usize, now: Timestamp) {
    let users = (0..users).map(|number| async move {
        let partition = user(&format!("busy-{number}"));
        tables
            .indexer
            .start(&partition, now.saturating_sub(SETTLE))
            .await
            .unwrap();
        let burst = events_from(at("2024-01-05T00:00:00Z"), 255, Duration::from_secs(3600));
        let before = events_from(at("2024-01-01T00:00:00Z"), 5, Duration::from_secs(3600));
        let keys: Vec<u128> = burst
            .iter()
            .chain(&before)
            .map(|event| event.id.to_bits())
            .collect();
        trie::Trie::new(&tables.counts.nodes(&partition.scope()), 0)
            .apply(&keys)
            .await
            .unwrap();
        trie::Trie::new(&tables.counts.nodes(&partition.scope()), 0)
            .finish(now.saturating_sub(SETTLE).millis())
            .await
            .unwrap();
    });
    iter(users).buffer_unordered(16).collect::<Vec<()>>().await;
}

/// What a batch waits for in sequence is what bounds how many events a second the index takes.
#[tokio::test]
async fn a_batch_of_many_users_waits_a_few_times_in_sequence() {
    let tables = Tables::start().await;
    let now = at(LATER);
    tables.index(now).await;
    with_tries(&tables, 500, now).await;
    let rounds = Rounds::default();
    let deps = Deps::new(rounds.client(&tables.dynamodb).await, &settings(SHARDS));
    let indexer = Indexer::new(deps.store, deps.counts);
    let batch = |user: fn(usize) -> String| -> Vec<EventKey> {
        let events = events_from(at("2024-02-29T23:00:00Z"), 1000, Duration::from_secs(10));
        events
            .into_iter()
            .enumerate()
            .map(|(number, event)| of_user(event.id, &user(number)))
            .collect()
    };
    for (name, events, most) in [
        (
            "1,000 users without tries",
            batch(|number| format!("rare-{number}")),
            25,
        ),
        (
            "500 users with tries",
            batch(|number| format!("busy-{}", number % 500)),
            40,
        ),
    ] {
        tables.write(&events).await;
        let (added, usage) = Usage::of(rounds.run(indexer.add(&events, now))).await;
        assert!(added.failed.is_empty(), "{name}: {added:?}");
        println!("{name}: {usage:?}");
        assert!(usage.rounds <= most, "{name}: {usage:?}");
    }
    let (list, _) = tables
        .get(
            "user_id=busy-7&per_page=1",
            now.saturating_add(Duration::from_secs(3600)),
        )
        .await;
    assert_eq!(
        (&list["total"], &list["total_exact"]),
        (&json!(262), &json!(true))
    );
}

#[tokio::test]
async fn what_is_no_event_does_not_hold_up_the_stream() {
    let tables = Tables::start().await;
    let now = at(LATER);
    let batch = json!({"Records": [
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": {"id": {"S": "none"}, "user_id": {"S": "1"}}}},
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "2", "NewImage": {"id": {"N": "1"}}}},
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "3"}},
        {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "4"}},
    ]});
    let batch: StreamBatch = serde_json::from_value(batch).unwrap();
    let response = tables.deliver_batch(batch, now).await;
    assert_eq!(
        response,
        BatchResponse {
            failures: Vec::new()
        }
    );
}

/// The index may hold events that are still counted live: each counts once, on whatever side of the
/// edge it is.
#[tokio::test]
async fn pages_are_exact_across_the_edge_of_the_live_window() {
    let tables = Tables::start().await;
    let events = events(2400, Duration::from_secs(400));
    let (old, young) = events.split_at(2340);
    tables.write(old).await;
    tables.index(at("2024-01-01T00:06:31Z")).await;
    tables
        .promote(sample(old), at("2024-01-01T00:05:31Z"))
        .await;
    tables.write(young).await;
    let now = at("2024-01-01T00:06:40Z");
    tables.check(&events, now).await;
    tables.deliver(young, now).await;
    tables.check(&events, now).await;
    assert!(
        units_of_a_total(&tables, now).await.read.total() < 10.0,
        "by the user's trie"
    );
}
