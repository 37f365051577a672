//! What `POST /events` carries beside its path: the document's text and the Idempotency-Key.

use lambda_http::Request;
use lambda_http::http::header;

use super::Problem;
use crate::event::DOCUMENT_BYTES_MAX;

/// The header that makes a retry safe.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The document's text, if the request declares JSON, is not too large and is UTF-8 (RFC 8259 §8.1).
///
/// # Errors
///
/// 415, 413 or 400, as a [`Problem`].
pub fn document_text(request: &Request) -> Result<&str, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    match content_type {
        None => return Err(Problem::not_json("The request has no Content-Type; send application/json.")),
        Some(content_type) if !is_json(content_type) => {
            return Err(Problem::not_json("The Content-Type is not JSON in UTF-8; send application/json."));
        }
        Some(_) => {}
    }
    let bytes: &[u8] = request.body();
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Problem::too_large(bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let sentence = format!("The body is not UTF-8: the byte at offset {} is wrong.", error.valid_up_to());
        Problem::bad_request("invalid_json", sentence)
    })
}

/// Whether a Content-Type (RFC 9110 §8.3) is `application/json`, or a `+json` form (RFC 6839 §3.1), in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let json = match essence.split_once('/') {
        Some(("application", "json")) => true,
        Some((kind, subtype)) => !kind.is_empty() && subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty()),
        None => false,
    };
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        _ => true,
    })
}

/// The Idempotency-Key, if the request has one.
///
/// # Errors
///
/// 400, as a [`Problem`], for one that is not 1 to 255 visible ASCII characters.
pub fn idempotency_key(request: &Request) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let valid = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        return Ok(Some(key));
    }
    let sentence = format!("The Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters.");
    Err(Problem::bad_request("invalid_idempotency_key", sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_accepted_under_any_of_its_names() {
        for content_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x",
            "application/cloudevents+json",
            "application/vnd.api+json; charset=utf8",
        ] {
            assert!(is_json(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "json",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/+json",
            "/x+json",
            "application/xml",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(content_type), "{content_type}");
        }
    }
}
