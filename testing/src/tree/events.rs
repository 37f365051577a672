//! Events as the stream delivers them, by a number.

use std::time::Duration;

use audit_log::event::{EventId, Timestamp};
use audit_log::tree::{Content, Entry, Salt};
use serde_json::{Value, json};

/// When the first event happened, and when it was recorded.
const START: &str = "2024-01-01T00:00:00Z";

fn id(number: u64) -> EventId {
    let at = Timestamp::parse(START).unwrap();
    let at = at.saturating_add(Duration::from_secs(number));
    EventId::new(at, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 2)
}

fn salt(number: u64) -> Salt {
    Salt::new(u128::from(number).to_be_bytes())
}

fn document(number: u64) -> String {
    format!(r#"{{"user_id":"{number}"}}"#)
}

/// The entry of the event with this number.
pub fn entry(number: u64) -> Entry {
    let salt = salt(number);
    let content = Content {
        salt: Some(salt.as_str()),
        at: START,
        by: None,
        from: Some("127.0.0.1"),
        document: &document(number),
    };
    Entry::new(id(number), &content)
}

/// The item of the event with this number.
pub fn image(number: u64) -> Value {
    let id = id(number);
    json!({
        "shard": {"S": format!("{:x}", id.shard())},
        "id": {"S": id.to_string()},
        "user_id": {"S": number.to_string()},
        "event": {"S": document(number)},
        "recorded_at": {"S": START},
        "recorded_from": {"S": "127.0.0.1"},
        "salt": {"S": salt(number).as_str()},
    })
}

/// The record of an item that was put.
pub fn insert(sequence_number: u64, image: &Value) -> Value {
    json!({
        "eventName": "INSERT",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_704_067_200,
            "Keys": {"shard": image["shard"], "id": image["id"]},
            "NewImage": image,
            "SequenceNumber": sequence_number.to_string(),
        },
    })
}

/// A batch of the stream with the events of these numbers, which are their sequence numbers, too.
pub fn seal_batch(numbers: impl IntoIterator<Item = u64>) -> Value {
    let records: Vec<Value> = numbers
        .into_iter()
        .map(|number| insert(number, &image(number)))
        .collect();
    json!({ "Records": records })
}
