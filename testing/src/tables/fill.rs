//! Events, and how they get into the tables without the API.

use std::collections::HashMap;
use std::time::Duration;

use audit_log::event::{EventId, Timestamp};
use audit_log::store::EventKey;
use serde_json::json;

use super::keys::{is_of_user, of_user};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{StreamExt, iter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{SHARDS, Tables};
use crate::settings;

/// How many events a quiet log has.
pub const OLD_EVENTS: usize = 3000;
/// How far the index trails a load: the stream's window, its poll and the work.
pub const LAG: Duration = Duration::from_secs(7);
/// The time over which the events of a quiet log are spread.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// How long before a list a load began: longer than the live window reaches back.
const LOAD: Duration = Duration::from_secs(30);
/// All events of a load together have at most this many bytes.
const MAX_LOAD_BYTES: usize = 16 << 20;
/// The size of an item that is written without more.
const ITEM_BYTES: usize = 800;
/// What an item has besides its filling: names, keys, and the rest of its document.
const BARE_ITEM_BYTES: usize = 200;

impl Tables {
    /// A log of a month with a trie of user 1, of which nothing is new at `now`.
    pub async fn quiet(now: Timestamp) -> Tables {
        let tables = Tables::start().await;
        let old = events(OLD_EVENTS, MONTH);
        tables.write(&old).await;
        tables.index(now).await;
        tables.promote(sample(&old), now).await;
        tables
    }

    /// This many events of one hour, of which none is sealed, and their ids.
    pub async fn unsealed(count: usize) -> (Tables, Vec<EventId>) {
        let tables = Tables::start().await;
        let events = events(count, HOUR);
        tables.write(&events).await;
        let ids = events.iter().map(|event| event.id).collect();
        (tables, ids)
    }

    /// A log in this many shards, with an event of user 1 a minute until a minute before `now`. The
    /// functions know all of these shards, and the count index has all events.
    pub async fn minutely(shards: u8, count: u32, now: Timestamp) -> Tables {
        Tables::minutely_of(ITEM_BYTES, shards, count, now).await
    }

    /// The same, where an item has about so many bytes.
    pub async fn minutely_of(item_bytes: usize, shards: u8, count: u32, now: Timestamp) -> Tables {
        let tables = Tables::with_settings(settings(shards)).await;
        let mut rng = StdRng::seed_from_u64(1);
        let event = |number: u32| {
            let at = now.saturating_sub(MINUTE * number);
            of_user(EventId::new(at, rng.random(), shards), "1")
        };
        let events: Vec<EventKey> = (1..=count).map(event).collect();
        tables.write_of(&events, item_bytes).await;
        tables.index(now).await;
        tables
    }

    /// Events at a rate up to `now`. The index has them, but for those of the last [`LAG`]. Half of
    /// them are user 1's.
    pub async fn load(&self, per_second: u32, item_bytes: usize, now: Timestamp) -> Vec<EventKey> {
        if per_second == 0 {
            return Vec::new();
        }
        let count = usize::try_from(per_second).unwrap() * LOAD.as_secs() as usize;
        let mut load = events_from(now.saturating_sub(LOAD), count, LOAD);
        // Of large events only the newest: a list that reads further is too expensive anyway.
        let surplus = count.saturating_sub(MAX_LOAD_BYTES / item_bytes);
        load.drain(..surplus);
        self.write_of(&load, item_bytes).await;
        let lag = EventId::lowest_at(now.saturating_sub(LAG));
        let delivered = load.partition_point(|event| event.id < lag);
        self.deliver_events(&load[..delivered], now).await;
        load
    }

    /// See [`write`](fn@write).
    pub async fn write(&self, events: &[EventKey]) {
        write(&self.client, events).await;
    }

    /// The same, where an item has about so many bytes.
    pub async fn write_of(&self, events: &[EventKey], item_bytes: usize) {
        write_of(&self.client, events, item_bytes).await;
    }
}

/// Writes events without the API, as a table has them that is older than the index.
pub async fn write(client: &Client, events: &[EventKey]) {
    write_of(client, events, ITEM_BYTES).await;
}

async fn write_of(client: &Client, events: &[EventKey], item_bytes: usize) {
    let filling = "x".repeat(item_bytes.saturating_sub(BARE_ITEM_BYTES));
    let filling = filling.as_str();
    let batches = events.chunks(25).map(async |events| {
        let requests = events.iter().map(|event| put(event, filling)).collect();
        let write = client
            .batch_write_item()
            .request_items("EventsTable", requests);
        let response = write.send().await.unwrap();
        assert!(response.unprocessed_items().is_none_or(HashMap::is_empty));
    });
    iter(batches).buffer_unordered(4).collect::<Vec<()>>().await;
}

fn put(event: &EventKey, filling: &str) -> WriteRequest {
    // As an event without a user has it.
    let mut document = json!({"user_id": null, "x": filling});
    for value in &event.values {
        document[value.field().name()] = json!(value);
    }
    let attributes = [
        ("shard", format!("{:x}", event.id.shard())),
        ("id", event.id.to_string()),
        ("event", document.to_string()),
        ("recorded_at", "2024-01-01T00:00:00.000Z".to_owned()),
    ];
    let fields = event.values.iter();
    let fields = fields.map(|value| (value.field().name(), value.to_string()));
    let item = attributes.into_iter().chain(fields);
    let item = item.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    let put = PutRequest::builder()
        .set_item(Some(item.collect()))
        .build()
        .unwrap();
    WriteRequest::builder().put_request(put).build()
}

/// `count` events, evenly spread over `span` from 2024 on, oldest first. Every second one is user
/// 1's.
pub fn events(count: usize, span: Duration) -> Vec<EventKey> {
    events_from(
        Timestamp::parse("2024-01-01T00:00:00Z").unwrap(),
        count,
        span,
    )
}

/// The same from `start` on.
pub fn events_from(start: Timestamp, count: usize, span: Duration) -> Vec<EventKey> {
    let mut rng = StdRng::seed_from_u64(1);
    let count = u32::try_from(count).unwrap();
    let gap = span / count;
    let event = |number: u32| {
        let at = start.saturating_add(gap * number);
        let user_id = match number % 2 {
            0 => "1".to_owned(),
            _ => format!("u{}", number % 5000),
        };
        of_user(EventId::new(at, rng.random(), SHARDS), &user_id)
    };
    (0..count).map(event).collect()
}

/// An event of user 1's that makes the indexer count the events of the user.
pub fn sample(events: &[EventKey]) -> &EventKey {
    let sampled =
        |event: &&EventKey| is_of_user(event, "1") && (event.id.to_bits() >> 4).is_multiple_of(32);
    events.iter().find(sampled).unwrap()
}
