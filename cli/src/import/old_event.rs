//! A document of the old service, as an event of the log.

use jiff::tz::TimeZone;

use super::extended::{object_id, plain};
use super::timestamps::with_offset;
use crate::report::json::{self, quoted, string};
use crate::report::keys::key_of_text;

/// The members that the log sets itself, and the names under which the old ones are kept.
const RENAMED: [(&str, &str); 2] = [("id", "old_id"), ("recorded", "old_recorded")];

/// An event to report.
#[derive(Debug, PartialEq, Eq)]
pub struct OldEvent {
    /// Its Idempotency-Key, which is made from the `_id` alone.
    pub key: String,
    /// The document.
    pub document: String,
}

/// Reads a line of mongoexport.
///
/// The `_id` becomes the key, and stays in the event, because tickets and mails may name it. The order of the members stays.
///
/// # Errors
///
/// A sentence, if the line is not a JSON object with an `_id`.
pub fn read(line: &str, zone: &TimeZone) -> Result<OldEvent, String> {
    let members = json::members(line).ok_or_else(|| not_an_object(line))?;
    let mut key = None;
    let mut document = String::with_capacity(line.len());
    for (name, value) in members.0 {
        document.push(if document.is_empty() { '{' } else { ',' });
        let mut spelled = name.get().to_owned();
        let text = match string(name.get()).as_deref() {
            Some("_id") => {
                key = Some(key_of(value.get()));
                plain(value.get())
            }
            Some("timestamp") => with_offset(&plain(value.get()), zone),
            Some(reserved) => {
                let renamed = RENAMED.iter().find(|(old, _)| *old == reserved);
                if let Some((_, new)) = renamed {
                    spelled = quoted(new);
                }
                plain(value.get())
            }
            None => plain(value.get()),
        };
        document.push_str(&spelled);
        document.push(':');
        document.push_str(&text);
    }
    document.push('}');
    match key {
        Some(key) => Ok(OldEvent { key, document }),
        None => Err(
            "the document has no _id, so it could be recorded twice; export it without --fields, \
             or use \"audit-log report\""
                .to_owned(),
        ),
    }
}

/// The digits of an ObjectId. Another `_id` can have any type and any length, so its hash is the
/// key: 7 and "7" are two documents.
fn key_of(id: &str) -> String {
    object_id(id).unwrap_or_else(|| key_of_text(&plain(id)))
}

fn not_an_object(line: &str) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(line) {
        Ok(_) => "it is not a JSON object; use mongoexport without --jsonArray".to_owned(),
        Err(error) => format!(
            "it is not a JSON document: {error}; the line may have been cut, so export it again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn document(line: &str) -> String {
        read(line, &TimeZone::UTC).unwrap().document
    }

    #[test]
    fn an_export_of_the_old_service_becomes_an_event() {
        let canonical = r#"{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"user_id":"1","event_type":"account_deleted","timestamp":"2024-01-01T00:00:00","src_service":"user_service","invariant_data":{"message":"User deleted account","priority":{"$numberInt":"2"}},"app_data":{"username":"jondoe","at":{"$date":{"$numberLong":"1704067200000"}}}}"#;
        let event = read(canonical, &TimeZone::UTC).unwrap();
        assert_eq!(event.key, "65a1b2c3d4e5f60718293a4b");
        assert_eq!(
            event.document,
            r#"{"_id":"65a1b2c3d4e5f60718293a4b","user_id":"1","event_type":"account_deleted","timestamp":"2024-01-01T00:00:00Z","src_service":"user_service","invariant_data":{"message":"User deleted account","priority":2},"app_data":{"username":"jondoe","at":"2024-01-01T00:00:00Z"}}"#
        );
    }

    #[test]
    fn a_date_of_bson_is_a_timestamp() {
        let line = r#"{"_id":1,"timestamp":{"$date":"2024-01-01T00:00:00Z"}}"#;
        assert_eq!(
            document(line),
            r#"{"_id":1,"timestamp":"2024-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn members_that_the_log_sets_get_another_name() {
        assert_eq!(
            document(r#"{"_id":"a","id":7,"recorded":null,"ids":1}"#),
            r#"{"_id":"a","old_id":7,"old_recorded":null,"ids":1}"#
        );
    }

    #[test]
    fn any_id_becomes_a_key_of_its_own() {
        let key = |id: &str| {
            let line = format!(r#"{{"_id":{id}}}"#);
            read(&line, &TimeZone::UTC).unwrap().key
        };
        let ids = ["7", r#""7""#, r#"{"$oid":"7"}"#, r#""""#, r#""a,é""#];
        let keys: HashSet<String> = ids.into_iter().map(key).collect();
        assert_eq!(keys.len(), ids.len());
        assert!(
            keys.iter()
                .all(|key| key.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
        assert_eq!(key(r#"{"$numberInt":"7"}"#), key("7"));
    }

    #[test]
    fn a_line_that_is_no_document_says_what_to_do() {
        let problem = |line| read(line, &TimeZone::UTC).unwrap_err();
        assert!(problem("[{}]").contains("--jsonArray"));
        assert!(problem(r#"{"_id": 1"#).contains("export it again"));
        assert!(problem(r#"{"user_id":"1"}"#).contains("no _id"));
    }
}
