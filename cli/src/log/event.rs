//! An event as the service returns it: the document as it was sent, with `id` and `recorded` in
//! front of its members.

use std::borrow::Cow;

use audit_log::event::{EventId, Field, FieldValue, Timestamp};
use audit_log::tree::{Content, Entry, Hash};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What an audit needs of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The id.
    pub id: EventId,
    /// The hash of the leaf that an entry of this event has.
    pub leaf: Hash,
    /// When the service recorded it, or 1970 if the text is no time.
    pub at: Timestamp,
    /// The values by which lists can be filtered, in the order of [`Field::ALL`], as the document
    /// itself has them.
    pub values: [Option<String>; Field::ALL.len()],
}

/// The strings are compared as they are decoded.
#[derive(Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    at: Cow<'a, str>,
    by: Option<String>,
    from: Option<String>,
    salt: Option<String>,
}

#[derive(Default, Deserialize)]
struct Values<'a> {
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
    event_type: Option<String>,
    src_service: Option<String>,
}

impl RecordedEvent {
    /// Reads the text of an event as it was sent. A value that was parsed and written again is
    /// another text, and so has another hash.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn parse(raw: &str) -> Result<RecordedEvent, &'static str> {
        const ID: &str = r#"{"id":""#;
        const RECORDED: &str = r#"","recorded":"#;
        const UUID_CHARS: usize = 36;

        let rest = raw.strip_prefix(ID).ok_or("an event has no id in front")?;
        let (id, rest) = rest
            .split_at_checked(UUID_CHARS)
            .ok_or("the id of an event is no UUIDv7")?;
        let id = EventId::parse(id).ok_or("the id of an event is no UUIDv7")?;
        let rest = rest
            .strip_prefix(RECORDED)
            .ok_or("\"recorded\" does not follow the id of an event")?;

        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Recorded<'_>>();
        let Some(Ok(recorded)) = values.next() else {
            return Err("\"recorded\" of an event is not an object with its members");
        };
        let members = rest
            .get(values.byte_offset()..)
            .and_then(|rest| rest.strip_prefix(','))
            .ok_or("the document of an event does not follow \"recorded\"")?;
        let document = format!("{{{members}");

        let content = Content {
            salt: recorded.salt.as_deref(),
            at: &recorded.at,
            by: recorded.by.as_deref(),
            from: recorded.from.as_deref(),
            document: &document,
        };
        Ok(RecordedEvent {
            id,
            leaf: Entry::new(id, &content).leaf(),
            at: Timestamp::parse(&recorded.at).unwrap_or(Timestamp::EPOCH),
            values: values_of(&document),
        })
    }

    /// The value of a field, or `None` if the document has none.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.values[field as usize].as_deref()
    }
}

/// The values of a document by which the service lists it. A value that the service refuses is in no
/// list.
fn values_of(document: &str) -> [Option<String>; Field::ALL.len()] {
    let values: Values<'_> = serde_json::from_str(document).unwrap_or_default();
    let user_id = values.user_id.and_then(|value| match value.get() {
        "null" => None,
        "-0" => Some("0".to_owned()),
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        // The number 7 and the string "7" are one user.
        text if is_integer(text) => Some(text.to_owned()),
        _ => None,
    });
    let listed =
        |field, value: Option<String>| value.filter(|value| FieldValue::new(field, value).is_ok());
    [
        listed(Field::UserId, user_id),
        listed(Field::EventType, values.event_type),
        listed(Field::SrcService, values.src_service),
    ]
}

/// Whether a JSON number has neither a fraction nor an exponent.
fn is_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaf was computed by a program that shares nothing with this one.
    #[test]
    fn the_hash_covers_the_text_as_it_was_sent() {
        let raw = concat!(
            r#"{"id":"018cc251-f400-7000-803e-38b8163c9160","recorded":{"at":"2026-11-23T17:59:05.908Z","#,
            r#""by":null,"from":"127.0.0.1","salt":"AAECAwQFBgcICQoLDA0ODw"},"user_id": "1","#,
            "\n",
            r#" "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z", "#,
            r#""src_service": "user_service", "invariant_data": {"priority": 2}, "app_data": null}"#,
        );
        let event = RecordedEvent::parse(raw).unwrap();
        let leaf = "MQBXomgmrqVMBI4swWeGLquDhqKhO7lKwNbLe6kbh0Q=";
        assert_eq!(event.leaf.to_string(), leaf);
        assert_eq!(event.value(Field::UserId), Some("1"));
        assert_eq!(event.value(Field::EventType), Some("account_deleted"));
        assert_eq!(event.value(Field::SrcService), Some("user_service"));
        assert_eq!(event.at.to_string(), "2026-11-23T17:59:05.908Z");

        let other = raw.replace(r#"": 2"#, r#"":2"#);
        assert_ne!(RecordedEvent::parse(&other).unwrap().leaf, event.leaf);
        // More about how it was recorded is not part of the commitment.
        let more = raw.replace(r#"{"at""#, r#"{"more":[1],"at""#);
        assert_eq!(RecordedEvent::parse(&more).unwrap().leaf, event.leaf);
    }

    #[test]
    fn users_are_compared_as_the_service_compares_them() {
        let user = |value: &str| {
            let document =
                format!(r#"{{"user_id":{value},"event_type":"a\u00e9","src_service":"s"}}"#);
            let values = values_of(&document);
            assert_eq!(values[1].as_deref(), Some("aé"));
            values[0].clone()
        };
        assert_eq!(user("null"), None);
        assert_eq!(user("7").as_deref(), Some("7"));
        assert_eq!(user("-0").as_deref(), Some("0"));
        assert_eq!(user(r#""\u0037""#).as_deref(), Some("7"));
        let long = "123456789012345678901234567890";
        assert_eq!(user(long).as_deref(), Some(long));
        for no_user in [r#""""#, "1.5", "1e3", "[]"] {
            assert_eq!(user(no_user), None, "{no_user}");
        }
    }

    #[test]
    fn a_text_that_is_no_event_is_refused() {
        let id = r#"{"id":"018cc251-f400-7000-803e-38b8163c9160""#;
        let wrong = [
            String::new(),
            "{}".to_owned(),
            r#"{"id":"x"}"#.to_owned(),
            format!("{id}}}"),
            format!("{id},\"recorded\":1,"),
            format!("{id},\"recorded\":{{}},"),
            format!("{id},\"recorded\":{{\"at\":\"1\"}}}}"),
        ];
        for raw in wrong {
            assert!(RecordedEvent::parse(&raw).is_err(), "{raw}");
        }
    }
}
