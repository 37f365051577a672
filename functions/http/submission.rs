//! What a `POST /events` submits: one document, or a batch of them.

use std::borrow::Cow;

use lambda_http::Request;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::{ContentType, body_content, content_type, was_replaced};
use super::{ErrorCode, IDEMPOTENCY_KEY, Problem, idempotency_key, unicode};
use crate::event::{IdempotencyKey, IdempotencyKeyError, MAX_DOCUMENT_BYTES};

/// The most events of a batch.
pub const MAX_BATCH_EVENTS: usize = 100;
/// The largest batch as it is sent, in bytes. Lambda takes 6 MB, and API Gateway adds a third to a
/// body in base64.
pub const MAX_BATCH_SENT_BYTES: usize = 4 * 1024 * 1024;
/// The largest batch after it is decompressed, in bytes.
pub const MAX_BATCH_BYTES: usize = 5 * 1024 * 1024;

/// The content of a request.
pub enum Submission<'a> {
    /// One document.
    Document {
        /// Its text.
        text: Cow<'a, str>,
        /// The Idempotency-Key header, if there is one.
        key: Option<IdempotencyKey>,
    },
    /// The elements of a batch in the order sent, 1 to [`MAX_BATCH_EVENTS`]. An element that cannot
    /// be read is a problem of its own.
    Batch(Vec<Result<Element, Problem>>),
}

/// An element of a batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    /// The text of the document.
    pub text: String,
    /// The key that the element has.
    pub key: Option<IdempotencyKey>,
}

/// Reads what a request submits. A JSON array and NDJSON are batches, any other JSON is a document.
///
/// # Errors
///
/// 415, 413 or 400, as a [`Problem`].
pub fn submission(request: &Request) -> Result<Submission<'_>, Problem> {
    match content_type(request)? {
        ContentType::Json => {
            let content = body_content(request, max_bytes)?;
            let is_batch = begins_array(&content);
            let text = unicode::text(content)?;
            if was_replaced(request) {
                let message =
                    "The body is not UTF-8: its length changed where bytes had to be replaced.";
                return Err(Problem::bad_request(ErrorCode::InvalidJson, message));
            }
            if is_batch {
                return batch(request, array(&text)?);
            }
            let key = idempotency_key(request)?;
            Ok(Submission::Document { text, key })
        }
        ContentType::Ndjson => {
            let content = body_content(request, |_| MAX_BATCH_BYTES)?;
            batch(request, lines(&content))
        }
    }
}

/// How large a JSON body may be that begins like this.
fn max_bytes(start: &[u8]) -> usize {
    if begins_array(start) {
        MAX_BATCH_BYTES
    } else {
        MAX_DOCUMENT_BYTES
    }
}

fn begins_array(content: &[u8]) -> bool {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    content.trim_ascii_start().starts_with(b"[")
}

/// Checks what is true of each batch.
fn batch(
    request: &Request,
    elements: Vec<Result<Element, Problem>>,
) -> Result<Submission<'static>, Problem> {
    let sent = request.body().len();
    if sent > MAX_BATCH_SENT_BYTES {
        return Err(Problem::too_large(sent, MAX_BATCH_SENT_BYTES));
    }
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let message = "A batch takes no Idempotency-Key header, because each of its events needs a \
            key of its own; send an event as {\"key\": \"...\", \"event\": {...}}.";
        return Err(Problem::bad_request(
            ErrorCode::InvalidIdempotencyKey,
            message,
        ));
    }
    match elements.len() {
        1..=MAX_BATCH_EVENTS => Ok(Submission::Batch(elements)),
        count => {
            let message =
                format!("A batch has 1 to {MAX_BATCH_EVENTS} events; this one has {count}.");
            Err(Problem::bad_request(ErrorCode::InvalidBatch, message))
        }
    }
}

/// The elements of a JSON array.
fn array(text: &str) -> Result<Vec<Result<Element, Problem>>, Problem> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let message = format!("The body is not a JSON array that can be read: {error}.");
        Problem::bad_request(ErrorCode::InvalidJson, message)
    })?;
    Ok(elements.into_iter().map(|raw| element(raw.get())).collect())
}

/// The lines of NDJSON. Blank lines are skipped. A line that is not UTF-8 spoils no other.
fn lines(content: &[u8]) -> Vec<Result<Element, Problem>> {
    content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| {
            let text = unicode::text(Cow::Borrowed(line))?;
            element(&text)
        })
        .collect()
}

/// An element: a document, or `{"key": "...", "event": {...}}`.
fn element(text: &str) -> Result<Element, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Keyed<'a> {
        #[serde(borrow)]
        key: &'a RawValue,
        #[serde(borrow)]
        event: &'a RawValue,
    }
    let (text, key) = match serde_json::from_str::<Keyed<'_>>(text) {
        Ok(keyed) => (keyed.event.get(), Some(element_key(keyed.key)?)),
        Err(_) => (text, None),
    };
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(Problem::too_large(text.len(), MAX_DOCUMENT_BYTES));
    }
    Ok(Element {
        text: text.to_owned(),
        key,
    })
}

fn element_key(json: &RawValue) -> Result<IdempotencyKey, Problem> {
    // A value that is not a string is not a key either.
    let text: String = serde_json::from_str(json.get()).unwrap_or_default();
    text.parse().map_err(|error: IdempotencyKeyError| {
        Problem::bad_request(ErrorCode::InvalidIdempotencyKey, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(elements: Vec<Result<Element, Problem>>) -> Vec<(String, Option<String>)> {
        elements
            .into_iter()
            .map(|element| match element {
                Ok(element) => (element.text, element.key.map(|key| key.to_string())),
                Err(problem) => (problem.message().to_owned(), None),
            })
            .collect()
    }

    #[test]
    fn only_the_two_members_key_and_event_are_a_key_and_an_event() {
        let keyed = |text: &str| texts(vec![element(text)]).remove(0);
        assert_eq!(
            keyed(r#" {"key": "k-1", "event": {"a": 1.0}} "#),
            (r#"{"a": 1.0}"#.to_owned(), Some("k-1".to_owned()))
        );
        for text in [
            r#"{"key":"k","event":{},"x":1}"#,
            r#"{"key":"k"}"#,
            r#"{"event":{}}"#,
            r#"{"key":"k","key":"k","event":{}}"#,
            r#"{"user_id":"1"}"#,
        ] {
            assert_eq!(keyed(text), (text.to_owned(), None));
        }
        for text in [r#"{"key":7,"event":{}}"#, r#"{"key":"a,b","event":{}}"#] {
            let (message, _) = keyed(text);
            assert!(message.contains("Idempotency-Key"), "{message}");
        }
    }

    #[test]
    fn blank_lines_are_skipped_and_a_broken_line_spoils_no_other() {
        let content = b"\xef\xbb\xbf{\"a\":1}\r\n\n \t\n{\"b\":\xff}\n[]";
        let found = texts(lines(content));
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].0.trim(), r#"{"a":1}"#);
        assert!(found[1].0.contains("not UTF-8"), "{found:?}");
        assert_eq!(found[2].0, "[]");
    }
}
