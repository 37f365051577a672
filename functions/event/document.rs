//! The document of an event: the rules for it, and [`NewEvent`], a document that keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::json::{self, Value};
use super::{Field, FieldValue, Timestamp, TimestampError};

/// The largest document, in bytes. A request with a larger one gets a 413.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// How far ahead of the service's clock an event may be.
pub const MAX_AHEAD_OF_CLOCK: Duration = Duration::from_secs(24 * 60 * 60);

const TIMESTAMP: &str = "timestamp";
/// Required, but of any type.
const ANY_VALUE: [&str; 2] = ["invariant_data", "app_data"];
/// The service puts these in front of a document when it returns it, so a document cannot have its
/// own. Each has advice for records that do.
const RESERVED: [(&str, &str); 2] = [
    (
        "id",
        "is reserved, because the service sets it; rename it or put it into app_data. Sent as the \
         Idempotency-Key, it also makes retries safe",
    ),
    (
        "recorded",
        "is reserved, because the service sets it; rename it or put it into app_data",
    ),
];

/// A document that keeps every rule, ready to be recorded.
///
/// ```
/// use audit_log::event::{NewEvent, Timestamp};
///
/// let document = r#"{"user_id": 1, "event_type": "login", "timestamp": "2024-01-01T00:00:00Z",
///     "src_service": "web", "invariant_data": {}, "app_data": {}}"#;
/// let now = Timestamp::parse("2024-01-01T00:00:01Z").unwrap();
/// let event = NewEvent::parse(document, now).unwrap();
/// assert_eq!(event.user_id().unwrap().as_str(), "1");
/// assert_eq!(event.document(), document);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    user_id: Option<FieldValue>,
    event_type: FieldValue,
    src_service: FieldValue,
    timestamp: Timestamp,
    document: String,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The member's name, or its path within the document.
    pub field: String,
    /// The problem, which completes the sentence "`field` …".
    pub problem: String,
}

/// Why a document cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no text.
    #[error("The body is empty; send an event as one JSON object.")]
    Empty,
    /// The text is not one JSON object. The message says where and why.
    #[error("The body is not a JSON document that can be recorded: {0}.")]
    Syntax(String),
    /// The text is a JSON object that breaks rules. These are all of its problems.
    #[error("The event breaks {}{} of the log's rules; each is listed under \"fields\".", at_least(.0), .0.len())]
    Fields(Vec<FieldProblem>),
}

fn at_least(fields: &[FieldProblem]) -> &'static str {
    if fields.len() < json::MAX_PROBLEMS {
        ""
    } else {
        "at least "
    }
}

impl NewEvent {
    /// The canonical id of the user. `None` for an event without one, such as those of the system
    /// itself.
    pub fn user_id(&self) -> Option<&FieldValue> {
        self.user_id.as_ref()
    }

    /// The kind of event.
    pub fn event_type(&self) -> &FieldValue {
        &self.event_type
    }

    /// The values by which lists can be filtered, in the order of [`Field::ALL`].
    pub fn values(&self) -> Vec<FieldValue> {
        let required = [self.event_type.clone(), self.src_service.clone()];
        self.user_id.clone().into_iter().chain(required).collect()
    }

    /// When the event happened.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The service that reports the event.
    pub fn src_service(&self) -> &FieldValue {
        &self.src_service
    }

    /// The text of the document as it was sent, from `{` to `}`.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Checks a document's text against every rule. `now` is the service's clock.
    ///
    /// # Errors
    ///
    /// [`Rejection`], with all problems at once.
    pub fn parse(text: &str, now: Timestamp) -> Result<NewEvent, Rejection> {
        if text.trim_matches(json::WHITE_SPACE).is_empty() {
            return Err(Rejection::Empty);
        }
        let members = json::scan(text).map_err(Rejection::Syntax)?;
        let mut fields = Fields {
            by_name: members.by_name,
            problems: members.problems,
        };

        let user_id = fields.require(Field::UserId.name(), user_id);
        let event_type = fields.require_text(Field::EventType);
        let timestamp = fields.require(TIMESTAMP, |value| timestamp(value, now));
        let src_service = fields.require_text(Field::SrcService);
        for name in ANY_VALUE {
            fields.require(name, |_| Ok(()));
        }
        for (name, problem) in RESERVED {
            if fields.by_name.contains_key(name) {
                fields.problem(name, problem.to_owned());
            }
        }

        let problems = fields.problems;
        let (Some(user_id), Some(event_type), Some(timestamp), Some(src_service), true) = (
            user_id,
            event_type,
            timestamp,
            src_service,
            problems.is_empty(),
        ) else {
            return Err(Rejection::Fields(problems));
        };
        Ok(NewEvent {
            user_id,
            event_type,
            src_service,
            timestamp,
            document: text.trim_matches(json::WHITE_SPACE).to_owned(),
        })
    }
}

/// The members of a document, and the problems that were found so far.
struct Fields<'a> {
    by_name: BTreeMap<String, Value<'a>>,
    problems: Vec<FieldProblem>,
}

impl Fields<'_> {
    /// Reads the member `name`. Adds a problem if it is missing or cannot be read.
    fn require<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let result = match self.by_name.get(name) {
            Some(value) => read(value),
            None => Err("is required".to_owned()),
        };
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    /// Reads the member of this name, which must be a string.
    fn require_text(&mut self, field: Field) -> Option<FieldValue> {
        self.require(field.name(), |value| {
            let text = match value {
                Value::String(text) => text.as_ref(),
                // The empty text is not a value either.
                _ => "",
            };
            FieldValue::new(field, text)
                .map_err(|_| format!("must be a string of 1 to {} bytes", field.max_bytes()))
        })
    }

    fn problem(&mut self, name: &str, problem: String) {
        self.problems.push(FieldProblem {
            field: name.to_owned(),
            problem,
        });
    }
}

fn user_id(value: &Value<'_>) -> Result<Option<FieldValue>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.as_ref(),
        Value::Number(number) if number == "-0" => "0",
        // With a fraction or an exponent, a number is not spelled as an integer.
        Value::Number(number) if !number.contains(['.', 'e', 'E']) => number.as_ref(),
        // The empty text is not a user id either.
        _ => "",
    };
    match FieldValue::new(Field::UserId, text) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(format!(
            "must be a string of 1 to {} bytes, an integer, or null for an event without a user",
            Field::UserId.max_bytes()
        )),
    }
}

fn timestamp(value: &Value<'_>, now: Timestamp) -> Result<Timestamp, String> {
    let parsed = match value {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(spelling) => Err(TimestampError::of_number(spelling)),
        Value::Object => Err(TimestampError::NotText("an object")),
        Value::Array => Err(TimestampError::NotText("an array")),
        Value::Boolean => Err(TimestampError::NotText("a boolean")),
        Value::Null => Err(TimestampError::NotText("null")),
    };
    let timestamp = parsed.map_err(|error| error.to_string())?;
    if timestamp > now.saturating_add(MAX_AHEAD_OF_CLOCK) {
        return Err("must not be more than 24 hours ahead of the service's clock".to_owned());
    }
    Ok(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = r#"{"user_id": "1", "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z",
        "src_service": "user_service", "invariant_data": {"priority": 2}, "app_data": null, "extra": [1.0]}"#;

    fn now() -> Timestamp {
        Timestamp::parse("2024-06-01T00:00:00Z").unwrap()
    }

    fn problems(text: &str) -> Vec<(String, String)> {
        match NewEvent::parse(text, now()) {
            Err(Rejection::Fields(problems)) => {
                problems.into_iter().map(|p| (p.field, p.problem)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_document_that_keeps_the_rules_is_kept_verbatim() {
        let event = NewEvent::parse(&format!("\n {SEED}\t"), now()).unwrap();
        assert_eq!(event.document, SEED);
        assert_eq!(event.user_id().unwrap().as_str(), "1");
        assert_eq!(event.src_service().as_str(), "user_service");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems(
            r#"{"user_id": 1.5, "event_type": "", "timestamp": 5, "app_data": 1, "id": 2, "x": {"y": 1, "y": 1}}"#,
        );
        let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "x.y",
                "user_id",
                "event_type",
                "timestamp",
                "src_service",
                "invariant_data",
                "id"
            ]
        );
    }

    #[test]
    fn a_timestamp_that_is_not_text_is_named_by_its_type() {
        for (value, expected) in [
            (
                r#"{"$date": "2024-01-01T00:00:00Z"}"#,
                "is an object; send text",
            ),
            ("[2024, 1, 1]", "is an array; send text"),
            ("true", "is a boolean; send text"),
            ("null", "is null; send text"),
            (
                "1700000000",
                "is a number; send text, such as \"2023-11-14T22:13:20Z\"",
            ),
        ] {
            let found = problems(&SEED.replacen("\"2024-01-01T00:00:00Z\"", value, 1));
            let (field, problem) = &found[0];
            assert_eq!(field, "timestamp");
            assert!(problem.starts_with(expected), "{value}: {problem}");
        }
    }

    #[test]
    fn an_empty_text_is_called_empty() {
        for text in ["", " \r\n\t"] {
            assert_eq!(NewEvent::parse(text, now()), Err(Rejection::Empty));
        }
    }

    #[test]
    fn the_number_1_and_the_string_1_are_one_user() {
        for (spelling, canonical) in [
            ("1", "1"),
            ("\"1\"", "1"),
            ("-0", "0"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("\"01\"", "01"),
        ] {
            let event = NewEvent::parse(&SEED.replacen("\"1\"", spelling, 1), now()).unwrap();
            assert_eq!(event.user_id().unwrap().as_str(), canonical);
        }
        for wrong in ["1.0", "1e3", "true", "\"\"", "[]"] {
            assert_eq!(
                problems(&SEED.replacen("\"1\"", wrong, 1))[0].0,
                "user_id",
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_event_may_be_24_hours_ahead_and_not_a_nanosecond_more() {
        let with = |timestamp: &str| SEED.replacen("2024-01-01T00:00:00Z", timestamp, 1);
        assert!(NewEvent::parse(&with("2024-06-02T00:00:00Z"), now()).is_ok());
        assert_eq!(
            problems(&with("2024-06-02T00:00:00.000000001Z"))[0].0,
            "timestamp"
        );
    }
}
