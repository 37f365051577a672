//! An invocation's payload, whatever it is, through each of the handlers.

use audit_log::event::{Field, FieldValue, NewEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Function, check_error, check_reference, now, response};
use crate::leaf;

const JSON: &str = "application/json";
const OTHER_FORMATS: [&str; 2] = [
    "application/x-ndjson",
    "text/csv; charset=utf-8; header=present",
];

/// Either function responds to any JSON in our own form, and never with a 500.
pub fn payload(bytes: &[u8]) {
    for function in [Function::Create, Function::List] {
        let Ok((response, written)) = response(function, bytes) else {
            let json = serde_json::from_slice::<Box<RawValue>>(bytes);
            assert!(json.is_err(), "this is JSON");
            return;
        };
        check(&response);
        if let Some(acknowledged) = acknowledged(function, &response) {
            assert_eq!(
                written.len(),
                acknowledged,
                "what is acknowledged is recorded, and nothing else"
            );
        }
        written.iter().for_each(check_recorded);
        if let [item] = written.as_slice() {
            check_leaf(&response, item);
        }
    }
}

/// How many events a response acknowledges. `None` for a batch whose response is compressed.
fn acknowledged(function: Function, response: &Value) -> Option<usize> {
    match response["statusCode"].as_u64().unwrap() {
        201 => Some(1),
        200 if function == Function::Create => {
            let body = response["body"].as_str().unwrap();
            let batch: Value = serde_json::from_str(body).ok()?;
            batch["recorded"].as_u64()?.try_into().ok()
        }
        _ => Some(0),
    }
}

/// Checks the form of a response.
fn check(response: &Value) {
    let status = response["statusCode"].as_u64().unwrap();
    assert!((200..500).contains(&status), "{response}");
    let headers = response["headers"].as_object().unwrap();
    let is_compressed = headers.contains_key("content-encoding");
    assert_eq!(response["isBase64Encoded"], is_compressed);
    let content_type = headers["content-type"].as_str().unwrap();
    if content_type != JSON {
        assert_eq!(status, 200, "an error is JSON");
        assert!(OTHER_FORMATS.contains(&content_type), "{content_type}");
    } else if !is_compressed {
        let body = response["body"].as_str().unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        if status >= 400 {
            check_error(&body);
        }
    }
    for (name, value) in headers {
        let value = value.as_str().unwrap();
        let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(visible && !value.is_empty(), "{name}: {value:?}");
    }
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    if let Some(location) = headers.get("location") {
        check_reference(location.as_str().unwrap());
    }
}

/// A response has the leaf of the item that was written for it, alone or as the one of its batch.
fn check_leaf(response: &Value, item: &Value) {
    let Ok(body) = serde_json::from_str::<Value>(response["body"].as_str().unwrap()) else {
        return; // It is compressed.
    };
    let text = |name: &str| item[name]["S"].as_str();
    let recorded = json!({
        "at": text("recorded_at"),
        "by": text("recorded_by"),
        "from": text("recorded_from"),
        "salt": text("salt"),
    });
    let expected = json!(leaf(text("id").unwrap(), &recorded, text("event").unwrap()));
    let results = body["results"].as_array();
    let mut leaves: Vec<&Value> = results
        .into_iter()
        .flatten()
        .chain([&body])
        .map(|result| &result["leaf"])
        .collect();
    leaves.retain(|leaf| !leaf.is_null());
    assert_eq!(leaves, [&expected]);
}

/// An item has a document that keeps the rules, and the fields of that document by which lists can
/// be filtered.
fn check_recorded(item: &Value) {
    let document = item["event"]["S"].as_str().unwrap();
    let event = NewEvent::parse(document, now()).unwrap();
    assert_eq!(event.document(), document);
    for field in Field::ALL {
        let values = event.values();
        let value = values.iter().find(|value| value.field() == field);
        let attribute = item[field.name()]["S"].as_str();
        assert_eq!(value.map(FieldValue::as_str), attribute);
    }
    assert_eq!(item["salt"]["S"].as_str().unwrap().len(), 22);
}
