//! The form of every response, and the size that Lambda allows.

use lambda_http::Body;
use lambda_http::http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// The bytes that an invocation of a Lambda function may carry, either way: 6 MB,
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub const MAX_LAMBDA_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
/// The part of these that is left for the headers (four links that repeat a user id of 256
/// percent-encoded bytes) and for the members around the events of a list.
const ENVELOPE_BYTES: usize = 32 * 1024;
/// The size that the events of a response may have, in bytes as [`json_string_bytes`] counts them.
pub const MAX_EVENTS_BYTES: usize = MAX_LAMBDA_PAYLOAD_BYTES - ENVELOPE_BYTES;

/// A response with the body `json`, and the headers that each response has.
pub(crate) fn json_response(
    status: StatusCode,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    json: String,
) -> Response<Body> {
    let mut response = Response::new(Body::Text(json));
    *response.status_mut() = status;
    let all = response.headers_mut();
    all.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    all.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    all.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    all.extend(headers);
    response
}

/// How many bytes a text takes within a JSON string, which is how a Lambda function returns a body:
/// each quote, backslash and line break of it is escaped once more.
pub fn json_string_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..=0x1f => r"\u0000".len(),
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_as_serde_json_will_escape_it() {
        let every_character: String = (0..0x250).filter_map(char::from_u32).collect();
        for text in ["", "{\"a\":\"b\\n\"}\n", "é€😀\u{7f}", &every_character] {
            assert_eq!(
                json_string_bytes(text) + 2,
                serde_json::to_string(text).unwrap().len(),
                "{text:?}"
            );
        }
    }
}
