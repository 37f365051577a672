//! Events without a user: they are in no user's partition, and nothing else makes a difference.

use std::collections::BTreeSet;
use std::time::Duration;

use audit_log::event::{EventId, Field, FieldValue, Timestamp};
use audit_log::index_events::BatchResponse;
use audit_log::limits::SETTLE;
use audit_log::store::{EventKey, Partition};
use audit_log_testing::Tables;
use audit_log_testing::tables::{SHARDS, events, is_of_user, user, with};

/// The events of each test are of this time, a month before they are counted.
const HOUR: Duration = Duration::from_secs(3600);
const LATER: &str = "2024-02-01T00:00:00Z";

fn later() -> Timestamp {
    Timestamp::parse(LATER).unwrap()
}

/// Events of one type. One in three has no user, and half of all are user 1's.
fn mixed(count: usize) -> Vec<EventKey> {
    let mut mixed = Vec::new();
    for (number, mut event) in events(count, HOUR).into_iter().enumerate() {
        if number % 3 == 0 {
            event.values.clear();
        }
        let kind = FieldValue::new(Field::EventType, "backup_done").unwrap();
        let service = FieldValue::new(Field::SrcService, "cron").unwrap();
        event.values.extend([kind, service]);
        mixed.push(event);
    }
    mixed
}

/// The list of everyone, of the type and of user 1 have their events, and so has the count index.
async fn check(tables: &Tables, events: &[EventKey], partitions: &[Partition]) {
    let all: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
    for filter in ["", "&event_type=backup_done", "&src_service=cron"] {
        tables.check_pages(filter, &all, later()).await;
    }
    let of_1 = events.iter().filter(|event| is_of_user(event, "1"));
    let of_1: BTreeSet<EventId> = of_1.map(|event| event.id).collect();
    tables.check_pages("&user_id=1", &of_1, later()).await;
    let shards = (0..SHARDS).map(Partition::Shard);
    let partitions = shards.chain(partitions.iter().cloned());
    tables.reconcile(partitions, later()).await;
}

#[tokio::test]
async fn the_stream_counts_an_event_without_a_user() {
    let tables = Tables::start().await;
    let now = later();
    let events = mixed(300);
    // The tries are ready before there is an event: they have only what is delivered.
    tables.index(now).await;
    tables.write(&events).await;
    let delivered = tables.deliver(&events, now).await;
    let failures = Vec::new();
    assert_eq!(delivered, BatchResponse { failures });
    check(&tables, &events, &[]).await;
}

#[tokio::test]
async fn a_backfill_counts_events_without_a_user() {
    let tables = Tables::start().await;
    let events = mixed(300);
    tables.write(&events).await;
    tables.index(later()).await;
    let partitions = [
        with(Field::EventType, "backup_done"),
        with(Field::SrcService, "cron"),
        user("1"),
    ];
    for partition in &partitions {
        let since = later().saturating_sub(SETTLE);
        tables.indexer.start(partition, since).await.unwrap();
        tables.indexer.complete(partition).await.unwrap();
    }
    check(&tables, &events, &partitions).await;
}
