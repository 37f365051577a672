//! The comparison of two documents, which decides whether a repeated request is a retry.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::cut_path;

/// A member that is compared before all others.
const FIRST: &str = "timestamp";

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Whether two documents have the same content: see [`first_difference`].
pub fn same_document(a: &str, b: &str) -> bool {
    first_difference(a, b).is_none()
}

/// The path of the first difference between two documents, such as `app_data.items[3]`. Returns
/// `None` if they have the same content.
///
/// White space, the order of an object's members and the escapes within a string make no
/// difference. A number's spelling does, because it is kept.
///
/// Of the documents' own members, `timestamp` is compared first. A job that runs again often sets a
/// new timestamp, and its author must learn that this is the difference.
///
/// ```
/// use audit_log::event::first_difference;
///
/// let first = r#"{"user_id": "1", "app_data": {"items": [1, 2]}}"#;
/// let reordered = r#"{"app_data": {"items": [1, 2]}, "user_id": "\u0031"}"#;
/// assert_eq!(first_difference(first, reordered), None);
///
/// let other = r#"{"user_id": "1", "app_data": {"items": [1, 2.0]}}"#;
/// assert_eq!(first_difference(first, other).as_deref(), Some("app_data.items[1]"));
/// ```
pub fn first_difference(a: &str, b: &str) -> Option<String> {
    if a == b {
        return None;
    }
    let Some((mut a, mut b)) = parse_both::<Object<'_>>(a, b) else {
        return Some(String::new());
    };
    let first = member_difference(FIRST, a.remove(FIRST), b.remove(FIRST));
    let mut path = first.or_else(|| object_difference(&a, &b))?;
    cut_path(&mut path);
    Some(path)
}

fn parse_both<'a, T: Deserialize<'a>>(a: &'a str, b: &'a str) -> Option<(T, T)> {
    let a = serde_json::from_str(a).ok()?;
    let b = serde_json::from_str(b).ok()?;
    Some((a, b))
}

fn object_difference(a: &Object<'_>, b: &Object<'_>) -> Option<String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let path = member_difference(name, a.get(name).copied(), b.get(name).copied());
        if path.is_some() {
            return path;
        }
    }
    None
}

/// The path of the first difference in the member `name` of two objects.
fn member_difference(name: &str, a: Option<&RawValue>, b: Option<&RawValue>) -> Option<String> {
    let below = match (a, b) {
        (None, None) => return None,
        (Some(a), Some(b)) => value_difference(a, b)?,
        // Only one of the objects has the member.
        _ => String::new(),
    };
    Some(path_of(name, &below))
}

/// A path that goes on below `name`: `name.member`, `name[3]`, or `name` itself.
fn path_of(name: &str, below: &str) -> String {
    let separator = if below.is_empty() || below.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{name}{separator}{below}")
}

/// The path of the first difference within two values. It is empty if the values themselves differ.
fn value_difference(a: &RawValue, b: &RawValue) -> Option<String> {
    let a = a.get();
    let b = b.get();
    if a == b {
        return None;
    }
    // The first byte of a JSON value says of which type it is.
    let different = Some(String::new());
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match parse_both::<Object<'_>>(a, b) {
            Some((a, b)) => object_difference(&a, &b),
            None => different,
        },
        (Some(b'['), Some(b'[')) => match parse_both::<Vec<&RawValue>>(a, b) {
            Some((a, b)) => array_difference(&a, &b),
            None => different,
        },
        // The same string can be spelled with other escapes.
        (Some(b'"'), Some(b'"')) => match parse_both::<String>(a, b) {
            Some((a, b)) if a == b => None,
            _ => different,
        },
        _ => different,
    }
}

fn array_difference(a: &[&RawValue], b: &[&RawValue]) -> Option<String> {
    if a.len() != b.len() {
        return Some(String::new());
    }
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        if let Some(below) = value_difference(a, b) {
            return Some(path_of(&format!("[{index}]"), &below));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::json::MAX_PATH_BYTES;
    use super::*;

    #[test]
    fn white_space_member_order_and_escapes_make_no_difference() {
        let document = r#"{"a":[1,{"b":"é"}],"c":1.0}"#;
        for same in [r#" { "c" : 1.0, "a" : [1, {"b":"\u00e9"}] }"#, document] {
            assert!(same_document(document, same), "{same}");
        }
        for other in [
            r#"{"a":[1,{"b":"é"}],"c":1}"#,
            r#"{"a":[1,{"b":"è"}],"c":1.0}"#,
            r#"{"a":[1,{"b":"é"}]}"#,
            r#"{"a":[{"b":"é"},1],"c":1.0}"#,
            r#"{"a":[1],"c":1.0}"#,
            r#"{"a":[1,{"b":"é"}],"c":"1.0"}"#,
            r#"{"a":[1,{"b":"é"}],"d":1.0}"#,
        ] {
            assert!(!same_document(document, other), "{other}");
        }
    }

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let document = r#"{"a":[1,{"b":[true]}],"c":{"d":"x"},"timestamp":"1"}"#;
        for (other, path) in [
            (
                r#"{"a":[2,{"b":[true]}],"c":{"d":"x"},"timestamp":"2"}"#,
                "timestamp",
            ),
            (
                r#"{"a":[1,{"b":[null]}],"c":{"d":"x"},"timestamp":"1"}"#,
                "a[1].b[0]",
            ),
            (
                r#"{"a":[1,{"b":[]}],"c":{"d":"x"},"timestamp":"1"}"#,
                "a[1].b",
            ),
            (
                r#"{"a":[1,{"b":[true]}],"c":{"e":"x"},"timestamp":"1"}"#,
                "c.d",
            ),
            (r#"{"a":[1,{"b":[true]}],"c":"d","timestamp":"1"}"#, "c"),
            (
                r#"{"a":[1,{"b":[true]}],"c":{"d":"x"},"timestamp":"1","z":0}"#,
                "z",
            ),
        ] {
            assert_eq!(
                first_difference(document, other).as_deref(),
                Some(path),
                "{other}"
            );
        }
        let long = format!(r#"{{"{}":1}}"#, "é".repeat(MAX_PATH_BYTES));
        assert!(first_difference("{}", &long).unwrap().len() <= MAX_PATH_BYTES + '…'.len_utf8());
    }
}
