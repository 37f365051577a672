//! A document, beside a second reader of JSON that has nothing in common with the first.

use std::collections::HashSet;
use std::fmt;

use audit_log::event::{MAX_DEPTH, NewEvent, Rejection, Timestamp, same_document};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::now;

/// What a rejection may take up in an answer, whatever the document is.
const MAX_REJECTION_BYTES: usize = 64 * 1024;

/// A document is taken if and only if it keeps the rules; it is then kept to the byte, and reads back with the members
/// that it had. Any other is refused in few words.
pub fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (parsed, members) = (NewEvent::parse(text, now()), members(text));
    let expected = members.as_deref().is_some_and(keeps_the_rules);
    assert_eq!(parsed.is_ok(), expected, "{parsed:?}");
    match (parsed, members) {
        (Ok(event), Some(members)) => check_kept(text, &event, &members),
        (Err(rejection), _) => check_refused(text, &rejection),
        (Ok(event), None) => panic!("{event:?}"),
    }
}

fn check_kept(text: &str, event: &NewEvent, members: &[(String, &RawValue)]) {
    assert_eq!(event.document(), text.trim_matches([' ', '\t', '\n', '\r']));
    // As it is read back: functions/store/stored.rs.
    let spliced = format!(r#"{{"id":"x","recorded":null,{}"#, event.document().strip_prefix('{').unwrap());
    let read = object(&spliced).unwrap();
    let raw = |(name, value): &(String, &RawValue)| (name.clone(), value.get().to_owned());
    assert!(read[2..].iter().map(raw).eq(members.iter().map(raw)), "{spliced}");
    // Another spelling of the same: members in the other order, keys escaped otherwise, white space.
    let escaped = |name: &str| name.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
    let respelled: Vec<_> =
        members.iter().rev().map(|(name, value)| format!("\n\"{}\" : {}\t", escaped(name), value.get())).collect();
    let respelled = format!("{{{}}}", respelled.join(","));
    assert!(same_document(event.document(), &respelled), "{respelled}");
    let again = NewEvent::parse(&respelled, now()).unwrap();
    let said = |event: &NewEvent| (event.user_id().clone(), event.timestamp(), event.src_service().to_owned());
    assert_eq!(said(&again), said(event));
    assert!(!same_document(event.document(), &spliced), "it has two members more");
}

fn check_refused(text: &str, rejection: &Rejection) {
    let sentence = rejection.to_string();
    let fields: usize = match rejection {
        Rejection::Syntax(_) if sentence.contains("surrogate") => {
            assert!(text.to_ascii_lowercase().contains("\\ud"), "{sentence}");
            0
        }
        Rejection::Syntax(_) => 0,
        Rejection::Fields(fields) => {
            assert!(!fields.is_empty());
            fields.iter().map(|field| field.field.len() + field.problem.len()).sum()
        }
    };
    assert!(sentence.len() + fields <= MAX_REJECTION_BYTES, "{} bytes", sentence.len() + fields);
}

/// The members of a text that is one JSON object, strict at any depth: no key twice, no lone surrogate, at most
/// [`MAX_DEPTH`] levels. `None` for any other text.
fn members(text: &str) -> Option<Vec<(String, &RawValue)>> {
    let members = object(text)?;
    members.iter().all(|(_, value)| is_strict(value.get(), 1)).then_some(members)
}

fn is_strict(json: &str, depth: usize) -> bool {
    match json.as_bytes()[0] {
        b'{' if depth < MAX_DEPTH => {
            object(json).is_some_and(|members| members.iter().all(|(_, value)| is_strict(value.get(), depth + 1)))
        }
        b'[' if depth < MAX_DEPTH => {
            let items: Vec<&RawValue> = serde_json::from_str(json).unwrap();
            items.iter().all(|value| is_strict(value.get(), depth + 1))
        }
        b'{' | b'[' => false,
        b'"' => serde_json::from_str::<String>(json).is_ok(),
        _ => true,
    }
}

/// An object's members in their order, if no key comes twice.
fn object(text: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Option<Vec<(String, &'de RawValue)>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut members, mut names, mut once) = (Vec::new(), HashSet::new(), true);
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                once &= names.insert(name.clone());
                members.push((name, value));
            }
            Ok(once.then_some(members))
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(Members).ok()?;
    json.end().ok()?;
    members
}

/// The table of fields in docs/api.md, implemented a second time.
fn keeps_the_rules(members: &[(String, &RawValue)]) -> bool {
    let member = |name: &str| members.iter().find(|(found, _)| found == name).map(|(_, value)| value.get());
    let text = |name: &str| member(name).and_then(|json| serde_json::from_str::<String>(json).ok());
    let short = |text: &str| !text.is_empty() && text.len() <= 256;
    let integer = |json: &str| {
        let digits = json.strip_prefix('-').unwrap_or(json);
        json.len() <= 256 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let user = text("user_id").is_some_and(|user| short(&user)) || member("user_id").is_some_and(integer);
    let ahead = now().plus(std::time::Duration::from_secs(24 * 60 * 60));
    user && text("event_type").is_some_and(|text| short(&text))
        && text("src_service").is_some_and(|text| short(&text))
        && text("timestamp").is_some_and(|text| Timestamp::parse(&text).is_ok_and(|at| at <= ahead))
        && member("invariant_data").is_some()
        && member("app_data").is_some()
        && member("id").is_none()
        && member("recorded").is_none()
}
