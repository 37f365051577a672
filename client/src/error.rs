//! Why a request failed.

use std::fmt;

use serde::Deserialize;

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be that of a log.
    #[error("{0:?} is not the URL of a log, such as http://127.0.0.1:5001")]
    Url(String),
    /// The token or the AWS credentials cannot be used.
    #[error("cannot sign requests: {0}")]
    Credentials(String),
    /// No response, however often the request was sent. An event may have been recorded.
    #[error("{url} does not respond: {problem}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The last problem.
        problem: String,
    },
    /// A response that says no.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// A response that no audit log sends.
    #[error("the response of {url} is not what an audit log sends: {problem}")]
    NotALog {
        /// The URL.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// An event that cannot be written as JSON.
    #[error("the event cannot be written as JSON: {0}")]
    Json(String),
    /// The operating system has no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Random(String),
}

/// A response that says no, or an element of a batch that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The URL of the request.
    pub url: String,
    /// The status, such as 400.
    pub status: u16,
    /// Why. `None` if the response is not one of the log's own: API Gateway, for one, has no codes.
    pub code: Option<Code>,
    /// A sentence for a person, or the beginning of a body that has none.
    pub message: String,
    /// The request in the logs of the service. An element of a batch has none of its own.
    pub request_id: Option<String>,
    /// Each field of an event, or each parameter of a query, that breaks a rule.
    pub fields: Vec<FieldProblem>,
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FieldProblem {
    /// The name of a parameter, or the path of a field, such as `app_data.roles[2].name`.
    pub field: String,
    /// What is wrong, such as "is required".
    pub problem: String,
}

/// Why the log refused a request. docs/api.md says what to do about each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// 400: the request itself is malformed.
    InvalidRequest,
    /// 400: a query parameter is unknown, repeated or out of range.
    InvalidParameter,
    /// 400: the body is not a JSON document that can be recorded.
    InvalidJson,
    /// 400: the event breaks a rule.
    InvalidEvent,
    /// 400: the Idempotency-Key breaks a rule.
    InvalidIdempotencyKey,
    /// 400: a batch without events, or with too many.
    InvalidBatch,
    /// 404: no such event, or no such tile.
    NotFound,
    /// 404: the transparency log does not have the event yet, or has no checkpoint yet.
    NotSealed,
    /// 406: the log has none of the accepted formats.
    NotAcceptable,
    /// 413: the event or the batch is too large.
    EventTooLarge,
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType,
    /// 422: another event was recorded under this key.
    IdempotencyKeyReused,
    /// 422: the events of the page do not fit into one response.
    PageTooLarge,
    /// 422: the page lies beyond what one request examines.
    PageOutOfReach,
    /// 422: a histogram has one filter at most.
    FiltersNotCombinable,
    /// 500: a fault of the service.
    InternalError,
    /// 503: the service was throttled, or had no time.
    TemporarilyUnavailable,
    /// A code that this version of the client does not know.
    #[serde(untagged)]
    Other(String),
}

#[derive(Default, Deserialize)]
struct Body {
    error: Option<String>,
    code: Option<Code>,
    request_id: Option<String>,
    #[serde(default)]
    fields: Vec<FieldProblem>,
}

/// How much of a body without a sentence is shown.
const MAX_MESSAGE_CHARS: usize = 300;

impl Error {
    /// Why the log refused the request, if it did and said so.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::{Code, Document};
    ///
    /// let error = log.report(Document::new(r#"{"user_id": 1.5}"#)).await.unwrap_err();
    /// assert_eq!(error.code(), Some(&Code::InvalidEvent));
    /// let refusal = error.refusal().unwrap();
    /// assert_eq!(refusal.status, 400);
    /// assert_eq!(refusal.fields[0].field, "user_id");
    /// assert!(refusal.request_id.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn code(&self) -> Option<&Code> {
        self.refusal()?.code.as_ref()
    }

    /// The response that says no, if there is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the same request can succeed later: the log did not respond, or was throttled.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused(refusal) => refusal.status == 429 || refusal.status >= 500,
            _ => false,
        }
    }

    pub(crate) fn not_a_log(url: &str, problem: impl fmt::Display) -> Error {
        Error::NotALog {
            url: url.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl Refusal {
    /// What a body says about the status.
    pub(crate) fn of(url: &str, status: u16, body: &[u8]) -> Refusal {
        let text = String::from_utf8_lossy(body);
        let body: Body = serde_json::from_str(&text).unwrap_or_default();
        let beginning = || text.trim().chars().take(MAX_MESSAGE_CHARS).collect();
        Refusal {
            url: url.to_owned(),
            status,
            code: body.code,
            message: body.error.unwrap_or_else(beginning),
            request_id: body.request_id,
            fields: body.fields,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.trim_end_matches('.');
        write!(f, "{} responds with {}: {message}", self.url, self.status)?;
        for FieldProblem { field, problem } in &self.fields {
            // The message about a parameter says it already.
            if !message.contains(problem) {
                write!(f, "; {field} {problem}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_what_the_body_says() {
        let body = br#"{"error":"It breaks 1 rule.","code":"invalid_event","request_id":"r",
            "fields":[{"field":"user_id","problem":"is required"}]}"#;
        let refusal = Refusal::of("http://log", 400, body);
        assert_eq!(refusal.code, Some(Code::InvalidEvent));
        assert_eq!(refusal.request_id.as_deref(), Some("r"));
        let text = "http://log responds with 400: It breaks 1 rule; user_id is required";
        assert_eq!(refusal.to_string(), text);
    }

    #[test]
    fn a_problem_is_said_once() {
        let body =
            br#"{"error":"The query is wrong: \"to\" is no time.","code":"invalid_parameter",
            "request_id":"r","fields":[{"field":"to","problem":"is no time"}]}"#;
        let text = Refusal::of("http://log", 400, body).to_string();
        assert_eq!(text.matches("is no time").count(), 1, "{text}");
    }

    #[test]
    fn a_response_of_a_gateway_has_no_code() {
        let refusal = Refusal::of("http://log", 403, br#"{"message":"Forbidden"}"#);
        assert_eq!(refusal.code, None);
        assert_eq!(refusal.message, r#"{"message":"Forbidden"}"#);
    }

    #[test]
    fn a_code_of_a_later_version_is_kept() {
        let code: Code = serde_json::from_str(r#""too_old""#).unwrap();
        assert_eq!(code, Code::Other("too_old".to_owned()));
    }
}
