//! Errors as a caller sees them.
//!
//! A problem has an outside, which the caller gets, and an inside, which only the log gets: no answer shows an
//! internal message or a table's name.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::response::json_response;
use crate::event::{EventId, FieldProblem, MAX_DOCUMENT_BYTES, Rejection};
use crate::store;

/// What a request was for: it decides what an unanswered operation means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To record an event.
    Record,
    /// To read some.
    Read,
}

/// An error and the answer it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    /// One sentence a person can act on.
    message: String,
    fields: Vec<FieldProblem>,
    /// For the log alone.
    cause: Option<String>,
}

/// After how many seconds a request that met an overloaded or silent DynamoDB may well succeed.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What a caller reads who cannot be told what became of an event.
const NOT_KNOWN: &str = "it is not known whether the event was recorded. Send it again with the same Idempotency-Key, \
                         which is safe; if it was sent without one, look before you repeat it.";

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into(), fields: Vec::new(), cause: None }
    }

    /// 400: the request as a whole is not right.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400: what came is not an HTTP request.
    pub fn unreadable() -> Problem {
        let message = "The request cannot be read: its Host, path, query string, headers or body are malformed.";
        Problem::bad_request("invalid_request", message)
    }

    /// 400: query parameters that are unknown, repeated or out of range, each named.
    pub fn bad_parameters(problems: Vec<FieldProblem>) -> Problem {
        let named = problems.iter().map(|p| format!("\"{}\" {}", p.field, p.problem)).collect::<Vec<_>>();
        let message = format!("The query cannot be understood: {}.", named.join("; "));
        Problem { fields: problems, ..Problem::bad_request("invalid_parameter", message) }
    }

    /// 404: there is no such event.
    pub fn event_not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no event with this id.")
    }

    /// 413: the document is too large.
    pub fn too_large(bytes: usize) -> Problem {
        let message = format!("The event is {bytes} bytes long; at most {MAX_DOCUMENT_BYTES} are accepted.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "event_too_large", message)
    }

    /// 415: the body is not declared to be JSON.
    pub fn not_json(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 422: the key recorded another event, `first`, and `difference` is the path of what differs from it.
    pub fn key_reused(first: EventId, difference: &str) -> Problem {
        let differs = if difference.is_empty() { "a value".to_owned() } else { format!("\"{difference}\"") };
        let message = format!(
            "This Idempotency-Key already recorded the event {first}, and this document differs from it in {differs}. \
             Repeat that event unchanged, or send a new event under a key of its own."
        );
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message)
    }

    /// 422: the page's events do not fit into one answer. `advice` names a page that does.
    pub fn page_too_large(advice: &str) -> Problem {
        let message = format!("The events of this page exceed the 6 MB that an answer can carry; {advice} fits.");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "page_too_large", message)
    }

    /// 500: nothing the caller can mend. `cause` is for the log.
    pub fn internal(cause: impl Into<String>) -> Problem {
        let message = "Something went wrong within the service; report it with the request_id if it lasts.";
        Problem {
            cause: Some(cause.into()),
            ..Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
        }
    }

    /// 500: the handler broke off, nobody knows where. `cause` is for the log.
    pub fn panicked(purpose: Purpose, cause: impl Into<String>) -> Problem {
        let problem = Problem::internal(cause);
        match purpose {
            Purpose::Read => problem,
            Purpose::Record => {
                let message = format!(
                    "Something went wrong within the service, so {NOT_KNOWN} Report it with the request_id if it lasts."
                );
                Problem { message, ..problem }
            }
        }
    }

    /// 503: DynamoDB did not answer in time. `cause` is for the log.
    pub fn unanswered(purpose: Purpose, cause: impl Into<String>) -> Problem {
        let message = match purpose {
            Purpose::Read => "The log did not answer in time; try again.".to_owned(),
            Purpose::Record => format!("The log did not answer in time, so {NOT_KNOWN}"),
        };
        Problem::unavailable(message, cause)
    }

    /// 503: DynamoDB was too busy, and nothing was done. `cause` is for the log.
    fn throttled(purpose: Purpose, cause: String) -> Problem {
        let message = match purpose {
            Purpose::Read => "The log is busy; try again.",
            // An earlier request with the same key may have recorded it.
            Purpose::Record => "The log is busy and this request recorded nothing; send it again.",
        };
        Problem::unavailable(message, cause)
    }

    fn unavailable(message: impl Into<String>, cause: impl Into<String>) -> Problem {
        Problem {
            cause: Some(cause.into()),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", message)
        }
    }

    /// The problem that a failed operation on the log is to a caller.
    pub fn from_store(purpose: Purpose, error: &store::Error) -> Problem {
        let cause = error.to_string();
        match error {
            store::Error::Throttled { .. } => Problem::throttled(purpose, cause),
            store::Error::Unanswered { .. } => Problem::unanswered(purpose, cause),
            store::Error::Refused { .. } | store::Error::Corrupt { .. } | store::Error::UnknownKind { .. } => {
                Problem::internal(cause)
            }
        }
    }

    /// The machine-readable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the log gets to know, and the caller does not.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        #[derive(Serialize)]
        struct Form<'a> {
            error: &'a str,
            code: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            fields: &'a [FieldProblem],
        }
        let form = Form { error: &self.message, code: self.code, request_id, fields: &self.fields };
        let retry_after = (self.status == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| (header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
        // Strings alone: there is nothing that could fail to serialize.
        json_response(self.status, retry_after, serde_json::to_string(&form).unwrap_or_default())
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Problem {
        let message = rejection.to_string();
        match rejection {
            Rejection::Syntax(_) => Problem::bad_request("invalid_json", message),
            Rejection::Fields(fields) => Problem { fields, ..Problem::bad_request("invalid_event", message) },
        }
    }
}
