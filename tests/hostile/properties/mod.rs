//! What holds for any bytes: asked by the fuzzer (`fuzz/`), by proptest, and of each file of the kept corpus.
//!
//! Each takes bytes and panics if something does not hold.

mod document;
mod fake_dynamodb;
mod functions;
mod instant;
mod payload;
mod query;

pub use document::document;
pub use functions::{Function, response};
pub use instant::instant;
pub use payload::payload;
pub use query::query;

use audit_log::event::Timestamp;
use serde_json::Value;

/// A property.
pub type Property = fn(&[u8]);

/// What API Gateway lets the headers of a request have altogether; of an answer's it says nothing, so no more than that:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
pub const MAX_HEADER_BYTES: usize = 10_240;

/// The service's clock.
fn now() -> Timestamp {
    Timestamp::parse("2024-06-01T00:00:00Z").unwrap()
}

/// An error's body: a sentence, a code, a request id, fields where there is more to say, and nothing else.
fn check_error(body: &Value) {
    let members = body.as_object().unwrap();
    assert!(body["error"].as_str().unwrap().ends_with('.'), "{body}");
    assert!(body["code"].as_str().unwrap().bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{body}");
    assert!(body["request_id"].is_string(), "{body}");
    let fields = body["fields"].as_array().map_or(0, Vec::len);
    assert_eq!(members.len(), if fields > 0 { 4 } else { 3 }, "{body}");
}

/// A reference as it stands in Link and Location: a path on this host, of characters that cannot end it early.
fn check_reference(reference: &str) {
    assert!(reference.starts_with('/') && !reference.starts_with("//"), "another host: {reference}");
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?&=%".contains(&byte);
    assert!(reference.bytes().all(allowed), "{reference}");
}
