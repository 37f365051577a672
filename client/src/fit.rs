//! Makes content fit that a stranger chose. Otherwise, the stranger decides whether the event is
//! recorded: docs/api.md, "What an attacker controls".

use std::collections::HashSet;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The levels that the value of a member may have. The event is a level itself, of 62.
const MAX_VALUE_LEVELS: usize = 61;
/// The encoded size from which on a value is cut, if the event would be too large. Three such
/// values and the other fields have less than 256 KiB.
const MAX_LARGE_BYTES: usize = 64 * 1024;
/// What a member is called whose own name is that of a field, or reserved.
const RENAMED: &str = "original_";
/// The member that has all other members as text, if they are too large together.
const OTHER: &str = "other";
/// What a member is called that has the hash of another one.
const HASH: &str = "_sha256";

/// Cuts a text to at most `max_bytes`, and replaces what is not Unicode. Also returns the SHA-256 of
/// the original, as hexadecimal digits, if the text is not the original.
///
/// Bytes are taken too, because a file name need not be Unicode.
///
/// ```
/// use audit_log_client::fit;
///
/// assert_eq!(fit("curl/8.0", 256), ("curl/8.0".to_owned(), None));
/// let (text, sha256) = fit(b"report-\xe9.txt", 256);
/// assert_eq!(text, "report-\u{fffd}.txt");
/// assert_eq!(sha256.unwrap().len(), 64);
/// ```
pub fn fit(original: impl AsRef<[u8]>, max_bytes: usize) -> (String, Option<String>) {
    let original = original.as_ref();
    let mut text = String::from_utf8_lossy(original).into_owned();
    text.truncate(text.floor_char_boundary(max_bytes));
    if text.as_bytes() == original {
        return (text, None);
    }
    (text, Some(sha256(original)))
}

/// The SHA-256 of a text, as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The members of an event, in their order.
pub(crate) type Members = Vec<(String, Value)>;

/// Cuts the text of a field, and puts the hash of the original next to it.
pub(crate) fn fit_field(name: &str, text: &str, max_bytes: usize, others: &mut Members) -> String {
    let (text, hash) = fit(text, max_bytes);
    if let Some(hash) = hash {
        others.push((format!("{name}{HASH}"), Value::String(hash)));
    }
    text
}

/// Renames members of these names, which an event cannot have twice, and those that the log sets
/// itself.
pub(crate) fn rename(others: Map<String, Value>, fields: &[&str]) -> Members {
    let is_taken = |name: &str| fields.contains(&name) || name == "id" || name == "recorded";
    let mut renamed = Map::new();
    for (name, value) in others {
        let name = match is_taken(&name) {
            true => format!("{RENAMED}{name}"),
            false => name,
        };
        renamed.insert(name, value);
    }
    renamed.into_iter().collect()
}

/// Replaces each value that has too many levels by its text.
pub(crate) fn flatten(members: &mut Members) {
    let is_deep =
        |(_, value): &&mut (String, Value)| levels(value, MAX_VALUE_LEVELS) > MAX_VALUE_LEVELS;
    let mut hashes = Members::new();
    for (name, value) in members.iter_mut().filter(is_deep) {
        hashes.push(cut(name, value));
    }
    add(members, hashes);
}

/// Cuts large values, of the first `fields` members and of all others. If that is not enough, all
/// others become one text.
pub(crate) fn shrink(members: &mut Members, fields: usize, max_bytes: usize) {
    if encoded_bytes(members) <= max_bytes {
        return;
    }
    let mut hashes = Members::new();
    for (name, value) in members.iter_mut() {
        if value.to_string().len() > MAX_LARGE_BYTES {
            hashes.push(cut(name, value));
        }
    }
    add(members, hashes);
    if encoded_bytes(members) <= max_bytes {
        return;
    }
    let others: Map<String, Value> = members.drain(fields..).collect();
    let mut others = Value::Object(others);
    let hash = cut(OTHER, &mut others);
    members.push((OTHER.to_owned(), others));
    members.push(hash);
}

/// Replaces a value by its text, and returns the member that has the hash of it. A string is its
/// own text, and any other value its JSON.
fn cut(name: &str, value: &mut Value) -> (String, Value) {
    let text = match value.take() {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let hash = sha256(text.as_bytes());
    *value = Value::String(cut_encoded(text));
    (format!("{name}{HASH}"), Value::String(hash))
}

/// The beginning of a text whose JSON is not large. An escape can be six times as long as its
/// character.
fn cut_encoded(mut text: String) -> String {
    let mut encoded = 2;
    let end = text.char_indices().find(|(_, character)| {
        encoded += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        encoded > MAX_LARGE_BYTES
    });
    if let Some((end, _)) = end {
        text.truncate(end);
    }
    text
}

/// Adds members. One replaces a member of the same name.
fn add(members: &mut Members, more: Members) {
    let names: HashSet<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
    members.retain(|(name, _)| !names.contains(name.as_str()));
    members.extend(more);
}

/// How many levels a value has, counted up to one more than `max`.
fn levels(value: &Value, max: usize) -> usize {
    let below = |values: &mut dyn Iterator<Item = &Value>| {
        if max == 0 {
            return 1;
        }
        let deepest = values.map(|value| levels(value, max - 1)).max();
        1 + deepest.unwrap_or_default()
    };
    match value {
        Value::Array(values) => below(&mut values.iter()),
        Value::Object(members) => below(&mut members.values()),
        _ => 0,
    }
}

fn encoded_bytes(members: &Members) -> usize {
    let member = |(name, value): &(String, Value)| {
        let name = Value::from(name.as_str()).to_string();
        name.len() + value.to_string().len() + 2
    };
    2 + members.iter().map(member).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// docs/api.md has the same function in two other languages.
    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(fit("", 0), (String::new(), None));
        let (text, hash) = fit("aé", 2);
        assert_eq!(text, "a");
        let expected = "f15ebb50e4f67dd8ff9b08ba5dad37c5cc4efae0e4b9c5ad30bfcc6cac02f3c5";
        assert_eq!(hash.unwrap().len(), expected.len());
        let (text, hash) = fit([0xff], 3);
        assert_eq!(text, "\u{fffd}");
        assert_eq!(hash, Some(sha256(&[0xff])));
    }

    #[test]
    fn levels_are_counted_as_the_log_counts_them() {
        assert_eq!(levels(&json!(1), 9), 0);
        assert_eq!(levels(&json!([]), 9), 1);
        assert_eq!(levels(&json!([{ "a": [] }]), 9), 3);
        assert_eq!(levels(&json!([[[[[]]]]]), 2), 3);
    }
}
