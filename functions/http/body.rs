//! The body of a `POST /events`, and the headers that belong to it.

use std::borrow::Cow;

use lambda_http::http::{HeaderName, header};
use lambda_http::{Body, Request};

use super::weights::unquoted_parts;
use super::{ErrorCode, Problem, content_encoding, unicode};
use crate::event::{IdempotencyKey, IdempotencyKeyError};

/// The header that makes a retry safe.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The form of a body, by its Content-Type.
pub(super) enum ContentType {
    /// One JSON text.
    Json,
    /// A JSON text on each line.
    Ndjson,
}

/// The Content-Type of a body in UTF-8.
///
/// # Errors
///
/// 415, as a [`Problem`], for any other type, and 400 for several.
pub(super) fn content_type(request: &Request) -> Result<ContentType, Problem> {
    let Some(content_type) = content_type_header(request)? else {
        let message = "The request has no Content-Type; send application/json.";
        return Err(Problem::not_json(message));
    };
    if let Some(form) = form_of(content_type) {
        return Ok(form);
    }
    let message = "The Content-Type is not JSON in UTF-8; send application/json, or \
        application/x-ndjson for a batch.";
    Err(Problem::not_json(message))
}

/// The content of the body after it is decompressed. `max_bytes` says how large a body may be that
/// begins like this.
///
/// # Errors
///
/// 415, 413 or 400, as a [`Problem`].
pub(super) fn body_content(
    request: &Request,
    max_bytes: impl Fn(&[u8]) -> usize,
) -> Result<Cow<'_, [u8]>, Problem> {
    let body: &[u8] = request.body();
    if content_encoding::declares_gzip(request)? && content_encoding::is_gzip(body) {
        let max_bytes = max_bytes(&content_encoding::beginning(body));
        let content = content_encoding::gunzip(body, max_bytes)?;
        unicode::check_encoding(&content)?;
        return Ok(Cow::Owned(content));
    }
    // A gateway may have decompressed the body, and left the header.
    //
    // The encoding comes before the size, because UTF-16 and damaged gzip are longer than what they
    // stand for.
    unicode::check_encoding(body)?;
    let max_bytes = max_bytes(body);
    if body.len() > max_bytes {
        return Err(Problem::too_large(body.len(), max_bytes));
    }
    Ok(Cow::Borrowed(body))
}

/// Whether API Gateway has replaced bytes of the body that were not UTF-8.
///
/// An HTTP API passes `application/json` on as a string, with U+FFFD for bytes that are not UTF-8.
/// That usually changes the length of the body, which the client has declared.
///
/// A gateway that has decompressed a body may have left the length of the compressed one, which
/// shows nothing.
pub(super) fn was_replaced(request: &Request) -> bool {
    if matches!(content_encoding::declares_gzip(request), Ok(true)) {
        return false;
    }
    let Body::Text(text) = request.body() else {
        return false;
    };
    let Some(declared) = content_length(request) else {
        return false;
    };
    text.contains(char::REPLACEMENT_CHARACTER) && declared != text.len()
}

fn content_length(request: &Request) -> Option<usize> {
    let value = request.headers().get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The Content-Type, if the request has one.
fn content_type_header(request: &Request) -> Result<Option<&str>, Problem> {
    single(request, &header::CONTENT_TYPE, |text| {
        unquoted_parts(text, ',').collect()
    })
    .map_err(|message| Problem::bad_request(ErrorCode::InvalidRequest, message))
}

/// The form that a Content-Type (RFC 9110 §8.3) declares, if it is one of ours in UTF-8.
fn form_of(content_type: &str) -> Option<ContentType> {
    let lower_case = content_type.to_ascii_lowercase();
    let mut parts = lower_case.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !parts.all(is_utf_8_parameter) {
        return None;
    }
    match essence {
        "application/x-ndjson" => Some(ContentType::Ndjson),
        _ if is_json(essence) => Some(ContentType::Json),
        _ => None,
    }
}

/// Whether a type is `application/json`, or a `+json` form (RFC 6839 §3.1).
fn is_json(essence: &str) -> bool {
    let Some((kind, subtype)) = essence.split_once('/') else {
        return false;
    };
    if (kind, subtype) == ("application", "json") {
        return true;
    }
    match subtype.strip_suffix("+json") {
        Some(name) => !kind.is_empty() && !name.is_empty(),
        None => false,
    }
}

/// Whether a parameter of a Content-Type agrees with UTF-8. Any other than a charset does.
fn is_utf_8_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        _ => true,
    }
}

/// The Idempotency-Key, if the request has one.
///
/// # Errors
///
/// 400, as a [`Problem`], for one that is not 1 to 255 visible ASCII characters without a comma,
/// and for several that differ.
pub fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |message| Problem::bad_request(ErrorCode::InvalidIdempotencyKey, message);
    let key = single(request, &IDEMPOTENCY_KEY, |text| text.split(',').collect());
    let Some(text) = key.map_err(invalid)? else {
        return Ok(None);
    };
    let key = text
        .parse()
        .map_err(|error: IdempotencyKeyError| invalid(error.to_string()))?;
    Ok(Some(key))
}

/// The value of a header that has one value. `split` splits values that were joined.
///
/// HTTP APIs join a header that is sent several times with commas, and REST APIs pass it on as it
/// came. Either form counts as one value if all are equal.
///
/// # Errors
///
/// A message for the caller, when the values differ.
fn single<'a>(
    request: &'a Request,
    name: &HeaderName,
    split: impl Fn(&'a str) -> Vec<&'a str>,
) -> Result<Option<&'a str>, String> {
    let headers = request.headers().get_all(name).iter();
    let texts = headers.map(|value| value.to_str().unwrap_or_default());
    let mut values = texts.flat_map(split).map(str::trim);
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.all(|value| value == first) {
        return Ok(Some(first));
    }
    Err(format!(
        "The header {name} has several values, which API Gateway joins with commas; send it once, \
         without a comma."
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
            let form = form_of(content_type);
            assert!(matches!(form, Some(ContentType::Json)), "{content_type}");
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
            assert!(form_of(content_type).is_none(), "{content_type}");
        }
    }

    #[test]
    fn a_header_that_comes_twice_is_one_if_its_values_are_equal() {
        let sent = |values: &[&str]| {
            let mut request = Request::default();
            for value in values {
                let value = value.parse().unwrap();
                request.headers_mut().append(header::CONTENT_TYPE, value);
            }
            content_type_header(&request).map(|value| value.map(str::to_owned))
        };
        assert_eq!(sent(&[]), Ok(None));
        let quoted = "application/json; profile=\"a, b\"";
        for value in [
            "application/json",
            "application/json; charset=utf-8",
            quoted,
        ] {
            let joined = format!("{value},{value}");
            for values in [&[value][..], &[value, value], &[&joined]] {
                assert_eq!(sent(values), Ok(Some(value.to_owned())), "{values:?}");
            }
            let other = format!("{value}, text/plain");
            for values in [&[value, "text/plain"][..], &[&other]] {
                assert!(sent(values).is_err(), "{values:?}");
            }
        }
    }
}
