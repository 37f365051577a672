//! The records of a stream, as Lambda delivers them to a function.

use std::collections::HashMap;

use audit_log::http::MAX_LAMBDA_PAYLOAD_BYTES;
use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record, StreamRecord};
use serde_json::{Map, Value, json};

/// The size of a payload apart from its records.
const ENVELOPE_BYTES: usize = 1024;

/// The JSON of as many of these records as one invocation can carry. It is at least one.
pub fn fitting(records: &[Record]) -> Vec<String> {
    let mut left = MAX_LAMBDA_PAYLOAD_BYTES - ENVELOPE_BYTES;
    let mut texts = Vec::new();
    for record in records {
        let text = to_json(record).to_string();
        // With the comma after it.
        let bytes = text.len() + 1;
        if bytes > left && !texts.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        texts.push(text);
    }
    texts
}

/// The sequence number of a record.
pub fn number(record: &Record) -> Option<&str> {
    record.dynamodb()?.sequence_number()
}

/// The format: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-create-package.html>.
fn to_json(record: &Record) -> Value {
    let change = record.dynamodb();
    let created = change.and_then(StreamRecord::approximate_creation_date_time);
    let mut json = json!({
        "eventID": record.event_id(),
        "eventName": record.event_name().map(OperationType::as_str),
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": record.aws_region(),
        "dynamodb": {
            "ApproximateCreationDateTime": created.map(DateTime::secs),
            "Keys": image(change.and_then(StreamRecord::keys)),
            "SequenceNumber": change.and_then(StreamRecord::sequence_number),
            "SizeBytes": change.and_then(StreamRecord::size_bytes),
            "StreamViewType": "NEW_IMAGE",
        },
    });
    // An item that was removed has no new image.
    if let Some(attributes) = change.and_then(StreamRecord::new_image) {
        json["dynamodb"]["NewImage"] = image(Some(attributes));
    }
    json
}

/// The attributes of an item that are strings. All attributes of an event are.
fn image(attributes: Option<&HashMap<String, AttributeValue>>) -> Value {
    let mut image = Map::new();
    for (name, value) in attributes.into_iter().flatten() {
        if let Ok(text) = value.as_s() {
            image.insert(name.clone(), json!({ "S": text }));
        }
    }
    Value::Object(image)
}
