//! Errors as a caller sees them.
//!
//! A problem has a message for the caller and a cause for the logs. No response shows an internal
//! message or the name of a table.

use lambda_http::Body;
use lambda_http::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::response::json_response;
use super::{ErrorCode, UnreadableEvent};
use crate::event::{EventId, Field, FieldProblem, Rejection};
use crate::store::{self, Failure};

/// The purpose of a request. It decides what a failed operation means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To record an event.
    Record,
    /// To read events.
    Read,
}

/// An error, and the response it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: ErrorCode,
    /// One sentence that a person can act on.
    message: String,
    fields: Vec<FieldProblem>,
    /// The headers that only this response has.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the logs only.
    cause: Option<String>,
}

/// After how many seconds a request that met an overloaded or silent DynamoDB may succeed.
const RETRY_AFTER_SECONDS: u16 = 1;

/// After how many seconds an event that was just recorded is usually sealed.
pub(crate) const RETRY_SEALED_SECONDS: u16 = 10;

/// The advice to a caller whose event may or may not have been recorded.
const OUTCOME_UNKNOWN: &str = "it is not known whether the event was recorded. Send it again with \
    the same Idempotency-Key, which is safe. If it was sent without one, look before you repeat it.";

impl Problem {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Problem {
        Problem {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }
    }

    fn with_cause(self, cause: impl Into<String>) -> Problem {
        Problem {
            cause: Some(cause.into()),
            ..self
        }
    }

    /// 400: the request breaks the contract.
    pub fn bad_request(code: ErrorCode, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400: the payload is not a valid HTTP request.
    pub fn unreadable() -> Problem {
        let message = "The request cannot be read: its Host, path, query string, headers or body \
            are malformed.";
        Problem::bad_request(ErrorCode::InvalidRequest, message)
    }

    /// 400: query parameters that are unknown, repeated or out of range, each by name.
    pub fn bad_parameters(problems: Vec<FieldProblem>) -> Problem {
        let named: Vec<String> = problems
            .iter()
            .map(|problem| format!("\"{}\" {}", problem.field, problem.problem))
            .collect();
        let message = format!("The query cannot be understood: {}.", named.join("; "));
        Problem {
            fields: problems,
            ..Problem::bad_request(ErrorCode::InvalidParameter, message)
        }
    }

    /// 400: the log has no GSI for the field that the list is filtered by.
    pub fn not_indexed(field: Field) -> Problem {
        let problem = "is not a filter of this log, which has no index for it; the parameter \
            Filters of its stack adds one";
        Problem::bad_parameters(vec![FieldProblem {
            field: field.name().to_owned(),
            problem: problem.to_owned(),
        }])
    }

    /// 404: there is no such event.
    pub fn event_not_found() -> Problem {
        let message = "There is no event with this id.";
        Problem::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// 404: the transparency log has no such file.
    pub fn file_not_found() -> Problem {
        let message = "The log has no file with this path. Its files are /log/checkpoint, \
            /log/tile/LEVEL/NUMBER and /log/tile/entries/NUMBER, where a partial tile ends with \
            .p/WIDTH, as https://c2sp.org/tlog-tiles defines them.";
        Problem::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// 404: a tile that a tree of `size` entries does not have.
    pub fn tile_beyond(size: u64) -> Problem {
        let message = format!(
            "The checkpoint of the log has {size} entries, and a log of this size does not have \
             all of this tile; read /log/checkpoint, and ask for what its size says."
        );
        Problem::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// 404: the transparency log has no checkpoint yet.
    pub fn nothing_sealed() -> Problem {
        Problem::not_sealed(
            "The log has no checkpoint yet; the first event gets one within a minute.",
        )
    }

    /// 404: the transparency log does not have the event as it is now.
    pub fn event_not_sealed() -> Problem {
        Problem::not_sealed(
            "The checkpoint of the log does not have this event as it is now. A new event is \
             sealed within a minute. If it is older, it was changed, or sealing has stopped; \
             audit-log verify tells which.",
        )
    }

    fn not_sealed(message: &str) -> Problem {
        let seconds = HeaderValue::from(RETRY_SEALED_SECONDS);
        Problem {
            headers: vec![(header::RETRY_AFTER, seconds)],
            ..Problem::new(StatusCode::NOT_FOUND, ErrorCode::NotSealed, message)
        }
    }

    /// 400: a place in the feed behind the last of `sealed` entries.
    pub fn after_sealed(sealed: u64) -> Problem {
        let problem = format!(
            "is more than the {sealed} entries that are sealed; it must be 0, or the \"next\" of \
             an earlier response"
        );
        Problem::bad_parameters(vec![FieldProblem {
            field: super::feed_query::AFTER.to_owned(),
            problem,
        }])
    }

    /// 406: the caller accepts none of the formats of an event.
    pub fn not_acceptable() -> Problem {
        let message = "The Accept header excludes every type that the log can respond with; accept \
            application/json, application/x-ndjson or text/csv.";
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::NotAcceptable,
            message,
        )
    }

    /// 406: the caller does not accept JSON, in which alone this response exists.
    pub fn only_json() -> Problem {
        let message = "The Accept header excludes JSON, the only type of this response; accept \
            application/json.";
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::NotAcceptable,
            message,
        )
    }

    /// 413: the body is too large. It has `bytes`, and at most `max_bytes` are accepted.
    pub fn too_large(bytes: usize, max_bytes: usize) -> Problem {
        let message = format!("The body is {bytes} bytes long; at most {max_bytes} are accepted.");
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::EventTooLarge,
            message,
        )
    }

    /// 413: the body is too large after it is decompressed. It has more than `max_bytes`.
    pub fn decompressed_too_large(max_bytes: usize) -> Problem {
        let message = format!(
            "The body is too large when it is decompressed; at most {max_bytes} bytes are accepted."
        );
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::EventTooLarge,
            message,
        )
    }

    /// 415: the body is not declared to be JSON.
    pub fn not_json(message: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::UnsupportedMediaType,
            message,
        )
    }

    /// 415: the body is compressed in a way that is not supported. The response names the way that
    /// is (RFC 9110 §15.5.16).
    pub fn unsupported_encoding(message: impl Into<String>) -> Problem {
        let gzip = HeaderValue::from_static("gzip");
        Problem {
            headers: vec![(header::ACCEPT_ENCODING, gzip)],
            ..Problem::not_json(message)
        }
    }

    /// 422: the key recorded another event, `first`, which differs at the path `difference`.
    pub fn key_reused(first: EventId, difference: &str) -> Problem {
        let place = match difference {
            "" => "a value".to_owned(),
            path => format!("\"{path}\""),
        };
        let message = format!(
            "This Idempotency-Key already recorded the event {first}, and this document differs \
             from it in {place}. Repeat that event unchanged, or send a new event under a key of \
             its own."
        );
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::IdempotencyKeyReused,
            message,
        )
    }

    /// 422: the events of the page do not fit into one response. `page` names one that does, and
    /// `start` is the cursor before the first event of the list.
    pub fn page_too_large(page: &str, start: EventId) -> Problem {
        let message = format!(
            "The events of this page exceed the 6 MB that a response can carry; {page} fits. To \
             read the complete list, begin with cursor={start} and follow the links named next."
        );
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::PageTooLarge,
            message,
        )
    }

    /// 422: the page lies beyond the index entries that one request examines for several filters.
    pub fn page_out_of_reach(page: u64) -> Problem {
        let message = format!(
            "Page {page} lies beyond what one request examines when a list is filtered by several \
             fields. Start without a page and follow the links named next, or the next_cursor of \
             each response."
        );
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::PageOutOfReach,
            message,
        )
    }

    /// 422: no index counts the events that several filters leave.
    pub fn filters_not_combinable() -> Problem {
        let message = "A histogram takes one filter, because no index counts the events that \
            several leave; use only one of user_id, event_type and src_service.";
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::FiltersNotCombinable,
            message,
        )
    }

    /// 500: a fault that the caller cannot fix.
    pub fn internal(cause: impl Into<String>) -> Problem {
        let message =
            "Something went wrong within the service; report it with the request_id if it lasts.";
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::InternalError,
            message,
        )
        .with_cause(cause)
    }

    /// 500: the handler panicked, so the outcome is unknown.
    pub fn panicked(purpose: Purpose, cause: impl Into<String>) -> Problem {
        let problem = Problem::internal(cause);
        match purpose {
            Purpose::Read => problem,
            Purpose::Record => Problem {
                message: format!(
                    "Something went wrong within the service, so {OUTCOME_UNKNOWN} Report it with \
                     the request_id if it lasts."
                ),
                ..problem
            },
        }
    }

    /// 503: DynamoDB did not respond in time.
    pub fn timed_out(purpose: Purpose, cause: impl Into<String>) -> Problem {
        let message = match purpose {
            Purpose::Read => "The log did not respond in time; try again.".to_owned(),
            Purpose::Record => format!("The log did not respond in time, so {OUTCOME_UNKNOWN}"),
        };
        Problem::unavailable(message, cause)
    }

    /// 503: DynamoDB was too busy, and nothing was done.
    fn throttled(purpose: Purpose, cause: String) -> Problem {
        let message = match purpose {
            Purpose::Read => "The log is busy; try again.",
            // An earlier request with the same key may have recorded the event.
            Purpose::Record => "The log is busy and this request recorded nothing; send it again.",
        };
        Problem::unavailable(message, cause)
    }

    fn unavailable(message: impl Into<String>, cause: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable,
            message,
        )
        .with_cause(cause)
    }

    /// The problem that a failure of the store is to a caller.
    pub fn from_store(purpose: Purpose, error: &store::Error) -> Problem {
        let cause = error.to_string();
        let store::Error::Operation { kind, .. } = error else {
            return Problem::internal(cause);
        };
        match kind {
            Failure::Throttled => Problem::throttled(purpose, cause),
            Failure::OutcomeUnknown => Problem::timed_out(purpose, cause),
            Failure::Rejected => Problem::internal(cause),
        }
    }

    /// 503: the event of a batch was not sent to DynamoDB.
    pub fn not_tried(cause: impl Into<String>) -> Problem {
        let message = "There was no time left, so this request recorded nothing; send it again.";
        Problem::unavailable(message, cause)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The problems of a document or of parameters, each by name.
    pub fn fields(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// The machine-readable code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The cause, which the logs get and the caller does not.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The response.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        #[derive(Serialize)]
        struct Form<'a> {
            error: &'a str,
            code: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            fields: &'a [FieldProblem],
        }
        let form = Form {
            error: &self.message,
            code: self.code.as_str(),
            request_id,
            fields: &self.fields,
        };
        // The form has strings only, so it always serializes.
        let json = serde_json::to_string(&form).unwrap_or_default();
        let mut headers = self.headers.clone();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
            headers.push((header::RETRY_AFTER, seconds));
        }
        json_response(self.status, headers, json)
    }
}

impl From<UnreadableEvent> for Problem {
    fn from(error: UnreadableEvent) -> Problem {
        Problem::internal(error.to_string())
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Problem {
        let message = rejection.to_string();
        match rejection {
            Rejection::Empty | Rejection::Syntax(_) => {
                Problem::bad_request(ErrorCode::InvalidJson, message)
            }
            Rejection::Fields(fields) => Problem {
                fields,
                ..Problem::bad_request(ErrorCode::InvalidEvent, message)
            },
        }
    }
}
