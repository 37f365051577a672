//! What holds for any bytes: checked by the fuzzer (`fuzz/`), by proptest, and for each file of the
//! kept corpus.
//!
//! Each property takes bytes and panics if something does not hold.

mod document;
mod fake_dynamodb;
mod functions;
mod instant;
mod note;
mod payload;
mod query;
mod tile_path;

pub use document::document;
pub use functions::{Function, response};
pub use instant::instant;
pub use note::note;
pub use payload::payload;
pub use query::query;
pub use tile_path::tile_path;

use audit_log::event::Timestamp;
use serde_json::Value;

/// A property.
pub type Property = fn(&[u8]);

/// How many bytes API Gateway allows the headers of a request together. It says nothing of those of
/// a response, so they have no more:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
pub const MAX_HEADER_BYTES: usize = 10_240;

/// The service's clock.
fn now() -> Timestamp {
    Timestamp::parse("2024-06-01T00:00:00Z").unwrap()
}

/// The body of an error: a sentence, a code, a request ID, fields where there is more to say, and
/// nothing else.
fn check_error(body: &Value) {
    let sentence = body["error"].as_str().unwrap();
    assert!(sentence.ends_with('.'), "{body}");
    let code = body["code"].as_str().unwrap();
    assert!(
        code.bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_lowercase()),
        "{body}"
    );
    assert!(body["request_id"].is_string(), "{body}");
    let expected = match body["fields"].as_array() {
        Some(fields) if !fields.is_empty() => 4,
        _ => 3,
    };
    assert_eq!(body.as_object().unwrap().len(), expected, "{body}");
}

/// A reference in `Link` and `Location`: a path on this host, of characters that cannot end it
/// early.
fn check_reference(reference: &str) {
    let on_this_host = reference.starts_with('/') && !reference.starts_with("//");
    assert!(on_this_host, "another host: {reference}");
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?&=%".contains(&byte);
    assert!(reference.bytes().all(allowed), "{reference}");
}
