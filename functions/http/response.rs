//! The form of every response, and the size that Lambda allows.

use lambda_http::Body;
use lambda_http::http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::Format;

/// The largest request and the largest response of a Lambda function: 6 MB,
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub const MAX_LAMBDA_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;
/// The part of a response that is reserved for the headers and for what is around the events of a
/// list. The headers have up to four links, which repeat a user id of 256 percent-encoded bytes.
const ENVELOPE_BYTES: usize = 32 * 1024;
/// The largest size of all events of a response, in bytes as [`json_string_bytes`] counts them.
pub const MAX_EVENTS_BYTES: usize = MAX_LAMBDA_PAYLOAD_BYTES - ENVELOPE_BYTES;

/// A response with the body `json`, these headers, and the headers that each response has.
pub(crate) fn json_response(
    status: StatusCode,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    json: String,
) -> Response<Body> {
    response(status, Format::Json.content_type(), headers, json)
}

/// A response with a body of this type, these headers, and the headers that each response has. One
/// of these headers replaces one that each response has.
pub(crate) fn response(
    status: StatusCode,
    content_type: &'static str,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let all_headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        all_headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in headers {
        all_headers.insert(name, value);
    }
    response
}

/// The bytes of a text within a JSON string, not counting the quotes around it.
///
/// A Lambda function returns a body as such a string, so the quotes, backslashes and control
/// characters of the body are escaped once more.
///
/// ```
/// use audit_log::http::json_string_bytes;
///
/// assert_eq!(json_string_bytes(r#"{"id":1}"#), r#"{\"id\":1}"#.len());
/// ```
pub fn json_string_bytes(text: &str) -> usize {
    // A table, because this is asked for each byte of a list.
    const BYTES: [u8; 256] = {
        let mut bytes = [1; 256];
        let mut control = 0;
        while control < 0x20 {
            bytes[control] = r"\u0000".len() as u8;
            control += 1;
        }
        let mut short = 0;
        while short < SHORT.len() {
            bytes[SHORT[short] as usize] = 2;
            short += 1;
        }
        bytes
    };
    // These are escaped by a backslash and one character.
    const SHORT: &[u8] = b"\"\\\n\r\t\x08\x0c";
    text.bytes()
        .map(|byte| usize::from(BYTES[usize::from(byte)]))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_as_serde_json_escapes_it() {
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
