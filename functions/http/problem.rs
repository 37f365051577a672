//! Errors as a caller sees them.
//!
//! A problem has an outside, which the caller gets, and an inside, which only the log gets: no answer shows an
//! internal message or a table's name.

use lambda_http::Body;
use lambda_http::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::answer::answer;
use crate::event::{DOCUMENT_BYTES_MAX, EventId, FieldProblem, Rejection};
use crate::log;

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
    sentence: String,
    fields: Vec<FieldProblem>,
    /// For the log alone.
    inside: Option<String>,
}

/// After how many seconds a request that met an overloaded or silent DynamoDB may well succeed.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What a caller reads who cannot be told what became of an event.
const NOT_KNOWN: &str = "it is not known whether the event was recorded. Send it again with the same Idempotency-Key, \
                         which is safe; if it was sent without one, look before you repeat it.";

impl Problem {
    fn new(status: StatusCode, code: &'static str, sentence: impl Into<String>) -> Problem {
        Problem { status, code, sentence: sentence.into(), fields: Vec::new(), inside: None }
    }

    /// 400: the request as a whole is not right.
    pub fn bad_request(code: &'static str, sentence: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, sentence)
    }

    /// 400: what came is not an HTTP request.
    pub fn unreadable() -> Problem {
        let sentence = "The request cannot be read: its Host, path, query string, headers or body are malformed.";
        Problem::bad_request("invalid_request", sentence)
    }

    /// 400: query parameters that are unknown, repeated or out of range, each named.
    pub fn bad_parameters(problems: Vec<FieldProblem>) -> Problem {
        let named = problems.iter().map(|p| format!("\"{}\" {}", p.field, p.problem)).collect::<Vec<_>>();
        let sentence = format!("The query cannot be understood: {}.", named.join("; "));
        Problem { fields: problems, ..Problem::bad_request("invalid_parameter", sentence) }
    }

    /// 404: there is no such event.
    pub fn no_such_event() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no event with this id.")
    }

    /// 413: the document is too large.
    pub fn too_large(bytes: usize) -> Problem {
        let sentence = format!("The event is {bytes} bytes long; at most {DOCUMENT_BYTES_MAX} are accepted.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "event_too_large", sentence)
    }

    /// 415: the body is not declared to be JSON.
    pub fn not_json(sentence: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", sentence)
    }

    /// 422: the key recorded another event, `first`, and `difference` is the path of what differs from it.
    pub fn key_reused(first: EventId, difference: &str) -> Problem {
        let differs = if difference.is_empty() { "a value".to_owned() } else { format!("\"{difference}\"") };
        let sentence = format!(
            "This Idempotency-Key already recorded the event {first}, and this document differs from it in {differs}. \
             Repeat that event unchanged, or send a new event under a key of its own."
        );
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", sentence)
    }

    /// 422: the page's events do not fit into one answer. `advice` names a page that does.
    pub fn page_too_large(advice: &str) -> Problem {
        let sentence = format!("The events of this page exceed the 6 MB that an answer can carry; {advice} fits.");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "page_too_large", sentence)
    }

    /// 500: nothing the caller can mend. `inside` is for the log.
    pub fn internal(inside: impl Into<String>) -> Problem {
        let sentence = "Something went wrong within the service; report it with the request_id if it lasts.";
        Problem {
            inside: Some(inside.into()),
            ..Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", sentence)
        }
    }

    /// 500: the handler broke off, nobody knows where. `inside` is for the log.
    pub fn broken_off(purpose: Purpose, inside: impl Into<String>) -> Problem {
        let problem = Problem::internal(inside);
        match purpose {
            Purpose::Read => problem,
            Purpose::Record => {
                let sentence = format!(
                    "Something went wrong within the service, so {NOT_KNOWN} Report it with the request_id if it lasts."
                );
                Problem { sentence, ..problem }
            }
        }
    }

    /// 503: DynamoDB did not answer in time. `inside` is for the log.
    pub fn unanswered(purpose: Purpose, inside: impl Into<String>) -> Problem {
        let sentence = match purpose {
            Purpose::Read => "The log did not answer in time; try again.".to_owned(),
            Purpose::Record => format!("The log did not answer in time, so {NOT_KNOWN}"),
        };
        Problem::unavailable(sentence, inside)
    }

    /// 503: DynamoDB was too busy, and nothing was done. `inside` is for the log.
    fn throttled(purpose: Purpose, inside: String) -> Problem {
        let sentence = match purpose {
            Purpose::Read => "The log is busy; try again.",
            // An earlier request with the same key may have recorded it.
            Purpose::Record => "The log is busy and this request recorded nothing; send it again.",
        };
        Problem::unavailable(sentence, inside)
    }

    fn unavailable(sentence: impl Into<String>, inside: impl Into<String>) -> Problem {
        Problem {
            inside: Some(inside.into()),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", sentence)
        }
    }

    /// The problem that a failed operation on the log is to a caller.
    pub fn from_log(purpose: Purpose, error: &log::Error) -> Problem {
        let inside = error.to_string();
        match error {
            log::Error::Throttled { .. } => Problem::throttled(purpose, inside),
            log::Error::Unanswered { .. } => Problem::unanswered(purpose, inside),
            log::Error::Refused { .. } | log::Error::Corrupt { .. } | log::Error::UnknownKind { .. } => {
                Problem::internal(inside)
            }
        }
    }

    /// The machine-readable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the log gets to know, and the caller does not.
    pub fn inside(&self) -> Option<&str> {
        self.inside.as_deref()
    }

    /// The answer.
    pub fn answer(&self, request_id: &str) -> Response<Body> {
        #[derive(Serialize)]
        struct Form<'a> {
            error: &'a str,
            code: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            fields: &'a [FieldProblem],
        }
        let form = Form { error: &self.sentence, code: self.code, request_id, fields: &self.fields };
        let retry_after = (self.status == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| (header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
        // Strings alone: there is nothing that could fail to serialize.
        answer(self.status, retry_after, serde_json::to_string(&form).unwrap_or_default())
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Problem {
        let sentence = rejection.to_string();
        match rejection {
            Rejection::Syntax(_) => Problem::bad_request("invalid_json", sentence),
            Rejection::Fields(fields) => Problem { fields, ..Problem::bad_request("invalid_event", sentence) },
        }
    }
}
