//! A document, compared with a second reader of JSON that has nothing in common with the first.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use audit_log::event::{NewEvent, Rejection, Timestamp, same_document};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::now;

/// How long a rejection may be in a response, whatever the document is.
const MAX_REJECTION_BYTES: usize = 64 * 1024;

/// How many levels objects and arrays may have, the document included.
const MAX_LEVELS: usize = 62;
/// The longest number.
const MAX_NUMBER_BYTES: usize = 128;

/// The longest user ID, type and service.
const MAX_TEXT_BYTES: usize = 256;

/// A document is taken if and only if it keeps the rules. It is then kept to the byte, and reads
/// back with the members that it had. Any other is refused in few words.
pub fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = NewEvent::parse(text, now());
    match members(text) {
        Some(members) if keeps_the_rules(&members) => check_kept(text, &parsed.unwrap(), &members),
        _ => check_refused(text, &parsed.unwrap_err()),
    }
}

fn check_kept(text: &str, event: &NewEvent, members: &[(String, &RawValue)]) {
    assert_eq!(event.document(), text.trim_matches([' ', '\t', '\n', '\r']));
    // As it is read back: functions/store/stored.rs.
    let rest = event.document().strip_prefix('{').unwrap();
    let spliced = format!(r#"{{"id":"x","recorded":null,{rest}"#);
    let read = object(&spliced).unwrap();
    let raw = |(name, value): &(String, &RawValue)| (name.clone(), value.get().to_owned());
    assert!(
        read[2..].iter().map(raw).eq(members.iter().map(raw)),
        "{spliced}"
    );
    let respelled = respell(members);
    assert!(same_document(event.document(), &respelled), "{respelled}");
    let again = NewEvent::parse(&respelled, now()).unwrap();
    let said = |event: &NewEvent| (event.values(), event.timestamp());
    assert_eq!(said(&again), said(event));
    assert!(
        !same_document(event.document(), &spliced),
        "it has two members more"
    );
}

/// Another spelling of the same: members in the opposite order, keys escaped otherwise, white
/// space.
fn respell(members: &[(String, &RawValue)]) -> String {
    let mut respelled = Vec::new();
    for (name, value) in members.iter().rev() {
        let escaped: String = name
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect();
        respelled.push(format!("\n\"{escaped}\" : {}\t", value.get()));
    }
    format!("{{{}}}", respelled.join(","))
}

fn check_refused(text: &str, rejection: &Rejection) {
    let sentence = rejection.to_string();
    let fields: usize = match rejection {
        Rejection::Empty => {
            assert!(text.bytes().all(|byte| b" \t\n\r".contains(&byte)));
            0
        }
        Rejection::Syntax(_) => {
            check_syntax_problem(text, &sentence);
            0
        }
        Rejection::Fields(fields) => {
            assert!(!fields.is_empty());
            fields
                .iter()
                .map(|field| field.field.len() + field.problem.len())
                .sum()
        }
    };
    assert!(
        sentence.len() + fields <= MAX_REJECTION_BYTES,
        "{} bytes",
        sentence.len() + fields
    );
}

/// A syntax problem has a place: a position, a path, or all of the text.
fn check_syntax_problem(text: &str, sentence: &str) {
    if sentence.contains("must be one JSON object") || sentence.contains("is nested deeper") {
        return;
    }
    let (_, place) = sentence.split_once(" at line ").unwrap();
    let (line, place) = place.split_once(" column ").unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    let line = lines[line.parse::<usize>().unwrap() - 1];
    let column: String = place.chars().take_while(char::is_ascii_digit).collect();
    let column: usize = column.parse().unwrap();
    assert!(column <= line.len() + 1, "{sentence}");
    if sentence.contains("surrogate") {
        let escape = line[column - 1..].to_ascii_lowercase();
        assert!(escape.starts_with("\\ud"), "{sentence}");
    }
}

/// The members of a text that is one JSON object, strict at any depth: no key twice, no lone
/// surrogate, at most [`MAX_LEVELS`] levels, and only numbers that common readers read. `None` for
/// any other text.
fn members(text: &str) -> Option<Vec<(String, &RawValue)>> {
    let members = object(text)?;
    let strict = members.iter().all(|(_, value)| is_strict(value.get(), 1));
    strict.then_some(members)
}

fn is_strict(json: &str, depth: usize) -> bool {
    match json.as_bytes()[0] {
        b'{' if depth < MAX_LEVELS => match object(json) {
            Some(members) => members
                .iter()
                .all(|(_, value)| is_strict(value.get(), depth + 1)),
            None => false,
        },
        b'[' if depth < MAX_LEVELS => {
            let items: Vec<&RawValue> = serde_json::from_str(json).unwrap();
            items.iter().all(|value| is_strict(value.get(), depth + 1))
        }
        b'{' | b'[' => false,
        b'"' => serde_json::from_str::<String>(json).is_ok(),
        b't' | b'f' | b'n' => true,
        _ => json.len() <= MAX_NUMBER_BYTES && is_finite(json),
    }
}

/// 2^1024 - 2^970, the smallest number that rounds to infinity (IEEE 754 §4.3.1).
const TOO_LARGE: &str = "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792";

/// Whether a number is finite as a double, by its decimal digits.
fn is_finite(number: &str) -> bool {
    let number = number.trim_start_matches('-').to_ascii_lowercase();
    let (digits, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    // More digits than a number can have stand for an exponent that decides alone.
    let exponent: i64 = match exponent.parse() {
        Ok(exponent) => exponent,
        Err(_) => return exponent.starts_with('-'),
    };
    let leading_zeros = digits.len() - significant.len();
    let magnitude = exponent
        .saturating_add(i64::try_from(whole.len()).unwrap())
        .saturating_sub(i64::try_from(leading_zeros).unwrap());
    match magnitude.cmp(&i64::try_from(TOO_LARGE.len()).unwrap()) {
        Ordering::Less => true,
        Ordering::Greater => false,
        Ordering::Equal => significant.trim_end_matches('0') < TOO_LARGE,
    }
}

/// An object's members in their order; `None` if a key comes twice.
fn object(text: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Option<Vec<(String, &'de RawValue)>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            let mut names = HashSet::new();
            let mut once = true;
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

/// The table of members in the documentation, read once more.
fn keeps_the_rules(members: &[(String, &RawValue)]) -> bool {
    let member = |name: &str| {
        let (_, value) = members.iter().find(|(found, _)| found == name)?;
        Some(value.get())
    };
    let Some(user) = member("user_id") else {
        return false;
    };
    let Some(event_type) = member("event_type") else {
        return false;
    };
    let Some(src_service) = member("src_service") else {
        return false;
    };
    let Some(timestamp) = member("timestamp") else {
        return false;
    };
    (is_short_text(user) || is_short_integer(user))
        && is_short_text(event_type)
        && is_short_text(src_service)
        && is_in_time(timestamp)
        && member("invariant_data").is_some()
        && member("app_data").is_some()
        && member("id").is_none()
        && member("recorded").is_none()
}

fn is_short_text(json: &str) -> bool {
    match serde_json::from_str::<String>(json) {
        Ok(text) => !text.is_empty() && text.len() <= MAX_TEXT_BYTES,
        Err(_) => false,
    }
}

fn is_short_integer(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    json.len() <= MAX_TEXT_BYTES && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A timestamp of at most a day ahead.
fn is_in_time(json: &str) -> bool {
    let Ok(text) = serde_json::from_str::<String>(json) else {
        return false;
    };
    let Ok(at) = Timestamp::parse(&text) else {
        return false;
    };
    at <= now().saturating_add(Duration::from_secs(24 * 60 * 60))
}
