//! An invocation's payload, whatever it is, through each of the handlers.

use audit_log::event::NewEvent;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Function, check_error, check_reference, now, response};

/// JSON of any kind is answered in our own form, by either function, and never with a 500.
pub fn payload(bytes: &[u8]) {
    for function in [Function::Create, Function::List] {
        let Ok((response, written)) = response(function, bytes) else {
            assert!(serde_json::from_slice::<Box<RawValue>>(bytes).is_err(), "this is JSON");
            return;
        };
        let status = check(&response);
        let recorded = function == Function::Create && status == 201;
        assert_eq!(written.len(), usize::from(recorded), "what is acknowledged is recorded, and nothing else");
        written.iter().for_each(check_recorded);
    }
}

/// Checks an answer's form, and gives its status.
fn check(response: &Value) -> u64 {
    let status = response["statusCode"].as_u64().unwrap();
    assert!((200..500).contains(&status), "{response}");
    assert_eq!(response["isBase64Encoded"], false);
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    if status >= 400 {
        check_error(&body);
    }
    let headers = response["headers"].as_object().unwrap();
    for (name, value) in headers {
        let value = value.as_str().unwrap();
        assert!(!value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
    }
    for (name, value) in
        [("content-type", "application/json"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(headers[name], value);
    }
    if let Some(location) = headers.get("location") {
        check_reference(location.as_str().unwrap());
    }
    status
}

/// An item has a document that keeps the rules, and a user id that a key can be.
fn check_recorded(item: &Value) {
    let document = item["event"]["S"].as_str().unwrap();
    let event = NewEvent::parse(document, now()).unwrap();
    assert_eq!((event.document(), event.user_id().as_str()), (document, item["user_id"]["S"].as_str().unwrap()));
}
