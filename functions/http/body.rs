//! What `POST /events` carries beside its path: the document's text and the Idempotency-Key.

use lambda_http::http::{HeaderName, header};
use lambda_http::{Body, Request};

use super::Problem;
use crate::event::MAX_DOCUMENT_BYTES;

/// The header that makes a retry safe.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The document's text, if the request declares JSON, is not too large and is UTF-8 (RFC 8259 §8.1).
///
/// # Errors
///
/// 415, 413 or 400, as a [`Problem`].
pub fn document_text(request: &Request) -> Result<&str, Problem> {
    match content_type(request)? {
        None => return Err(Problem::not_json("The request has no Content-Type; send application/json.")),
        Some(content_type) if !is_json(content_type) => {
            return Err(Problem::not_json("The Content-Type is not JSON in UTF-8; send application/json."));
        }
        Some(_) => {}
    }
    let bytes: &[u8] = request.body();
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(Problem::too_large(bytes.len()));
    }
    let invalid = |message| Problem::bad_request("invalid_json", message);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(format!("The body is not UTF-8: the byte at offset {} is wrong.", error.valid_up_to()))
    })?;
    if was_replaced(text, request) {
        return Err(invalid("The body is not UTF-8: its length changed where bytes had to be replaced.".to_owned()));
    }
    Ok(text)
}

/// Whether API Gateway has replaced bytes of this text that were not UTF-8. An HTTP API hands on `application/json` as a
/// string, with U+FFFD for what is not UTF-8. As a rule that changes the body's length, which the client has declared.
fn was_replaced(text: &str, request: &Request) -> bool {
    let Body::Text(_) = request.body() else { return false };
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    text.contains(char::REPLACEMENT_CHARACTER) && declared.is_some_and(|declared: usize| declared != text.len())
}

/// The Content-Type, if the request has one.
fn content_type(request: &Request) -> Result<Option<&str>, Problem> {
    let sent = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // A comma within quotes is part of a parameter, not between two values.
    match (single(request, &header::CONTENT_TYPE), sent) {
        (Err(_), Some(quoted)) if quoted.contains('"') => Ok(sent),
        (one, _) => one.map_err(|message| Problem::bad_request("invalid_request", message)),
    }
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
/// 400, as a [`Problem`], for one that is not 1 to 255 visible ASCII characters without a comma, and for several that
/// differ.
pub fn idempotency_key(request: &Request) -> Result<Option<&str>, Problem> {
    let invalid = |message| Problem::bad_request("invalid_idempotency_key", message);
    let Some(key) = single(request, &IDEMPOTENCY_KEY).map_err(invalid)? else { return Ok(None) };
    let valid = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        return Ok(Some(key));
    }
    Err(invalid(format!(
        "The Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters without a comma."
    )))
}

/// The value of a header that has one value. HTTP APIs join a header that comes several times with commas, and REST
/// APIs pass it on as it came, so either form counts as one value where all are equal.
///
/// # Errors
///
/// A sentence, when the values differ.
fn single<'a>(request: &'a Request, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let values = request.headers().get_all(name).iter();
    let mut values = values.flat_map(|value| value.to_str().unwrap_or_default().split(',').map(str::trim));
    let Some(first) = values.next() else { return Ok(None) };
    if values.all(|value| value == first) {
        return Ok(Some(first));
    }
    Err(format!(
        "The header {name} has several values, which API Gateway joins with commas; send it once, without a comma."
    ))
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
