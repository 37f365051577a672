//! An event to report.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::now;
use crate::fit::{Members, fit_field, flatten, rename, shrink};
use crate::{Document, MAX_DOCUMENT_BYTES};

/// The longest user id, in bytes.
const MAX_USER_BYTES: usize = 512;
/// The longest type and the longest name of a service, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// The fields that each event has.
const FIELDS: [&str; 6] = [
    "user_id",
    "event_type",
    "timestamp",
    "src_service",
    "invariant_data",
    "app_data",
];
/// The type or the service of an event that has an empty one.
const UNKNOWN: &str = "unknown";

/// An event to report: what happened, to whom, when, and who says so.
///
/// ```
/// use audit_log_client::Event;
/// use serde_json::json;
///
/// let event = Event::new("auth", "login_failed")
///     .user("homer@example.org")
///     .timestamp("2024-03-01T12:00:00.25+01:00")
///     .invariant_data(json!({ "reason": "wrong password" }))
///     .app_data(json!({ "user_agent": "curl/8.0" }))
///     .member("region", json!("eu"));
/// ```
///
/// # What does not fit
///
/// A log refuses an event that breaks one of its rules. If strangers choose the content of an
/// event, they could choose that it is not recorded. So an event is made to fit, unless
/// [`exactly`](Event::exactly) says otherwise:
///
/// | what | becomes |
/// |---|---|
/// | a user, type or service that is too long | its beginning. The SHA-256 of the original is next to it, as `user_id_sha256` |
/// | an empty user | `null`: the event concerns no user |
/// | an empty type or service | `unknown` |
/// | a value with more than 62 levels | its JSON as a string, and its SHA-256 |
/// | values of more than 64 KiB in an event of more than 256 KiB | the first 64 KiB as a string, and their SHA-256 |
/// | a member that is named like a field, `id`, or `recorded` | the same with `original_` in front |
///
/// A timestamp is not changed. Text that is not Unicode, such as a file name, becomes text by
/// [`fit()`](crate::fit()).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    user_id: Option<String>,
    event_type: String,
    timestamp: String,
    src_service: String,
    invariant_data: Value,
    app_data: Value,
    others: Map<String, Value>,
}

impl Event {
    /// An event of this type that happens now, reported by this service. It concerns no user yet.
    pub fn new(src_service: impl Into<String>, event_type: impl Into<String>) -> Event {
        Event {
            user_id: None,
            event_type: event_type.into(),
            timestamp: rfc3339(now()),
            src_service: src_service.into(),
            invariant_data: Value::Null,
            app_data: Value::Null,
            others: Map::new(),
        }
    }

    /// The user whom the event concerns. The number 7 and the string "7" are one user.
    #[must_use]
    pub fn user(self, user: impl ToString) -> Event {
        Event {
            user_id: Some(user.to_string()),
            ..self
        }
    }

    /// When it happened.
    #[must_use]
    pub fn at(self, time: SystemTime) -> Event {
        self.timestamp(rfc3339(time))
    }

    /// When it happened, in RFC 3339 with an offset. The log refuses any other text.
    #[must_use]
    pub fn timestamp(self, timestamp: impl Into<String>) -> Event {
        Event {
            timestamp: timestamp.into(),
            ..self
        }
    }

    /// What always holds for the event.
    #[must_use]
    pub fn invariant_data(self, invariant_data: Value) -> Event {
        Event {
            invariant_data,
            ..self
        }
    }

    /// What the application knows about the event.
    #[must_use]
    pub fn app_data(self, app_data: Value) -> Event {
        Event { app_data, ..self }
    }

    /// One more member. A later one of the same name replaces it.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: Value) -> Event {
        self.others.insert(name.into(), value);
        self
    }

    /// The document of the event as it is, without making it fit. The log may refuse it.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = audit_log_testing::App::start().await;
    /// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
    /// use audit_log_client::Event;
    ///
    /// let event = Event::new("auth", "x".repeat(300));
    /// assert!(log.report(event.exactly()).await.is_err());
    /// assert!(log.report(event).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn exactly(&self) -> Document {
        let mut members = self.fields(
            self.user_id.clone(),
            self.event_type.clone(),
            self.src_service.clone(),
        );
        members.extend(self.others.clone());
        Document::new(json_of(&members))
    }

    fn fitted(&self) -> Document {
        let mut others = rename(self.others.clone(), &FIELDS);
        let user_id = self.user_id.as_deref().filter(|user| !user.is_empty());
        let user_id = user_id.map(|user| fit_field("user_id", user, MAX_USER_BYTES, &mut others));
        let event_type = fit_name("event_type", &self.event_type, &mut others);
        let src_service = fit_name("src_service", &self.src_service, &mut others);
        let mut members = self.fields(user_id, event_type, src_service);
        members.extend(others);
        flatten(&mut members);
        shrink(&mut members, FIELDS.len(), MAX_DOCUMENT_BYTES);
        Document::new(json_of(&members))
    }

    fn fields(&self, user_id: Option<String>, event_type: String, src_service: String) -> Members {
        let values: [Value; FIELDS.len()] = [
            json!(user_id),
            Value::String(event_type),
            Value::String(self.timestamp.clone()),
            Value::String(src_service),
            self.invariant_data.clone(),
            self.app_data.clone(),
        ];
        FIELDS.map(str::to_owned).into_iter().zip(values).collect()
    }
}

impl From<&Event> for Document {
    fn from(event: &Event) -> Document {
        event.fitted()
    }
}

impl From<Event> for Document {
    fn from(event: Event) -> Document {
        event.fitted()
    }
}

fn fit_name(field: &str, name: &str, others: &mut Members) -> String {
    match name {
        "" => UNKNOWN.to_owned(),
        name => fit_field(field, name, MAX_NAME_BYTES, others),
    }
}

/// The JSON of the members, in their order.
fn json_of(members: &Members) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A time in UTC. One beyond the year 9999, which RFC 3339 cannot write, becomes 1970, which shows
/// the fault.
fn rfc3339(time: SystemTime) -> String {
    let text = OffsetDateTime::from(time).format(&Rfc3339);
    text.unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::sha256;

    fn document(event: &Event) -> Value {
        serde_json::from_str(Document::from(event).text()).unwrap()
    }

    fn event() -> Event {
        Event::new("s", "t").timestamp("2024-01-01T00:00:00Z")
    }

    #[test]
    fn an_event_that_fits_is_not_changed() {
        let event = event()
            .user(7)
            .app_data(json!([1.5, "é"]))
            .member("x", json!(null));
        let expected = r#"{"user_id":"7","event_type":"t","timestamp":"2024-01-01T00:00:00Z","src_service":"s","invariant_data":null,"app_data":[1.5,"é"],"x":null}"#;
        assert_eq!(Document::from(&event).text(), expected);
        assert_eq!(event.exactly().text(), expected);
    }

    #[test]
    fn long_names_are_cut_and_hashed() {
        let name = "é".repeat(300);
        let event = Event::new("", &name).user(&name);
        let document = document(&event);
        assert_eq!(document["user_id"], "é".repeat(256));
        assert_eq!(document["event_type"], "é".repeat(128));
        assert_eq!(document["src_service"], UNKNOWN);
        let hash = sha256(name.as_bytes());
        assert_eq!(document["user_id_sha256"], hash);
        assert_eq!(document["event_type_sha256"], hash);
        assert_eq!(document.get("src_service_sha256"), None);
        assert_eq!(
            super::tests::document(&event.user(""))["user_id"],
            Value::Null
        );
    }

    #[test]
    fn a_value_with_too_many_levels_becomes_text() {
        let deep = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
        let fits = event().app_data(deep(61));
        assert_eq!(document(&fits)["app_data"], deep(61));
        let document = document(&event().app_data(deep(62)));
        assert_eq!(document["app_data"], deep(62).to_string());
        assert_eq!(
            document["app_data_sha256"],
            sha256(deep(62).to_string().as_bytes())
        );
    }

    #[test]
    fn whatever_is_in_it_an_event_is_not_too_large() {
        let control = "\u{1}".repeat(300_000);
        let many: Map<String, Value> = (0..50_000).map(|n| (n.to_string(), json!(1))).collect();
        let mut events = vec![
            event()
                .app_data(json!(control))
                .invariant_data(json!([control])),
            event().app_data(Value::Object(many.clone())),
            event().member("x".repeat(300_000), json!(1)),
            event()
                .member("x".repeat(300_000), json!(control))
                .app_data(json!(control))
                .invariant_data(json!(control)),
        ];
        events.push(
            many.into_iter()
                .fold(event(), |event, (name, value)| event.member(name, value)),
        );
        for event in events {
            let document = Document::from(&event);
            assert!(document.text().len() <= MAX_DOCUMENT_BYTES);
            let value: Value = serde_json::from_str(document.text()).unwrap();
            assert_eq!(value["event_type"], "t");
        }
    }

    #[test]
    fn reserved_names_are_changed() {
        let event = event().member("id", json!(1)).member("user_id", json!(2));
        let document = document(&event);
        assert_eq!(document["original_id"], 1);
        assert_eq!(document["original_user_id"], 2);
        assert_eq!(document["user_id"], Value::Null);
    }
}
