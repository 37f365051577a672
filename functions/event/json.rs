//! The check of a document's JSON, which does not change a byte of it.
//!
//! The checks go beyond RFC 8259's grammar where two readers of one text could see different
//! things: a key that appears twice, a lone surrogate. Numbers are never converted, so 20-digit
//! integers and `1e999` pass.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use json_event_parser::{JsonEvent, SliceJsonParser};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::FieldProblem;

/// How deep objects and arrays may be nested; the document itself is the first level.
pub const MAX_DEPTH: usize = 64;

/// A document can break the rules in very many places. A response names this many at most.
pub(super) const MAX_PROBLEMS: usize = 100;
/// The white space of RFC 8259 §2.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
/// A path of up to 64 long keys is cut here, in bytes.
const MAX_PATH_BYTES: usize = 256;

/// The value of a top-level member, as far as the rules look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    String(Cow<'a, str>),
    /// The spelling, untouched.
    Number(Cow<'a, str>),
    Other,
}

/// The top-level members by name, and what is wrong with the document at any depth.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub by_name: BTreeMap<String, Value<'a>>,
    pub problems: Vec<FieldProblem>,
}

/// Scans a text that should be one JSON object.
///
/// # Errors
///
/// A sentence with line and column, when the text is not JSON at all. It never quotes the text.
pub(super) fn scan(text: &str) -> Result<Members<'_>, String> {
    if !text.trim_start_matches(WHITE_SPACE).starts_with('{') {
        let problem = serde_json::from_str::<IgnoredAny>(text).err();
        return Err(
            problem.map_or("it must be one JSON object".to_owned(), |error| {
                error.to_string()
            }),
        );
    }
    let mut parser = SliceJsonParser::new(text.as_bytes());
    let mut scan = Scan::default();
    loop {
        match parser.parse_next() {
            Ok(JsonEvent::Eof) => return Ok(scan.members),
            Ok(_) if scan.open.len() > MAX_DEPTH => {
                return Err(format!(
                    "{} is nested deeper than {MAX_DEPTH} levels",
                    scan.path()
                ));
            }
            Ok(event) => scan.see(event),
            Err(_) => return Err(syntax_problem(text)),
        }
    }
}

/// serde_json reports the positions of errors more precisely, and never quotes what it reads. It
/// does not check skipped strings for lone surrogates. So if it accepts the text, a lone surrogate
/// is the error.
fn syntax_problem(text: &str) -> String {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => error.to_string(),
        Ok(_) => {
            "a string has a lone surrogate (\\uD800 to \\uDFFF without its other half), which is not Unicode".to_owned()
        }
    }
}

/// One open object or array.
enum Level {
    Object {
        keys: HashSet<String>,
        current: String,
    },
    Array {
        index: usize,
    },
}

#[derive(Default)]
struct Scan<'a> {
    members: Members<'a>,
    open: Vec<Level>,
}

impl<'a> Scan<'a> {
    fn see(&mut self, event: JsonEvent<'a>) {
        match event {
            JsonEvent::ObjectKey(key) => self.key(key.into_owned()),
            JsonEvent::StartObject => {
                self.value(Value::Other);
                self.open.push(Level::Object {
                    keys: HashSet::new(),
                    current: String::new(),
                });
            }
            JsonEvent::StartArray => {
                self.value(Value::Other);
                self.open.push(Level::Array { index: 0 });
            }
            JsonEvent::EndObject | JsonEvent::EndArray => {
                self.open.pop();
            }
            JsonEvent::String(text) => self.value(Value::String(text)),
            JsonEvent::Number(text) => self.value(Value::Number(text)),
            JsonEvent::Boolean(_) | JsonEvent::Null => self.value(Value::Other),
            JsonEvent::Eof => {}
        }
    }

    fn key(&mut self, key: String) {
        let mut repeated = false;
        if let Some(Level::Object { keys, current }) = self.open.last_mut() {
            current.clone_from(&key);
            repeated = !keys.insert(key);
        }
        if repeated {
            self.problem("appears more than once in its object");
        }
    }

    fn value(&mut self, value: Value<'a>) {
        match self.open.as_mut_slice() {
            [Level::Object { current, .. }] => {
                self.members.by_name.insert(current.clone(), value);
            }
            [.., Level::Array { index }] => *index += 1,
            _ => {}
        }
    }

    fn problem(&mut self, problem: &str) {
        if self.members.problems.len() < MAX_PROBLEMS {
            self.members.problems.push(FieldProblem {
                field: self.path(),
                problem: problem.to_owned(),
            });
        }
    }

    /// Where the scan is, such as `app_data.roles[2].name`.
    fn path(&self) -> String {
        let mut path = String::new();
        for level in &self.open {
            match level {
                Level::Object { current, .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(current);
                }
                Level::Array { index } => path.push_str(&format!("[{}]", index.saturating_sub(1))),
            }
            if path.len() > MAX_PATH_BYTES {
                path.truncate(path.floor_char_boundary(MAX_PATH_BYTES));
                path.push('…');
                break;
            }
        }
        path
    }
}

/// Whether two documents say the same: see [`first_difference`].
pub fn same_document(a: &str, b: &str) -> bool {
    first_difference(a, b).is_none()
}

/// Where two documents first differ, such as `app_data.items[3]`; `None` when they say the same.
///
/// White space, the order of an object's members and the escapes within a string make no
/// difference. A number's spelling does, because it is kept. Of the documents' own members
/// `timestamp` comes first: a job that runs again stamps the time again, and that is what its
/// author has to hear.
pub fn first_difference(a: &str, b: &str) -> Option<String> {
    const FIRST: &str = "timestamp";
    if a == b {
        return None;
    }
    let members = |text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
    let (Ok(mut a), Ok(mut b)) = (members(a), members(b)) else {
        return Some(String::new());
    };
    let first = member_difference(FIRST, a.remove(FIRST), b.remove(FIRST));
    let mut path = first.or_else(|| object_difference(&a, &b))?;
    if path.len() > MAX_PATH_BYTES {
        path.truncate(path.floor_char_boundary(MAX_PATH_BYTES));
        path.push('…');
    }
    Some(path)
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

fn object_difference(a: &Object<'_>, b: &Object<'_>) -> Option<String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .find_map(|name| member_difference(name, a.get(name).copied(), b.get(name).copied()))
}

/// The path of what differs in the member `name` of two objects.
fn member_difference(name: &str, a: Option<&RawValue>, b: Option<&RawValue>) -> Option<String> {
    let below = match (a, b) {
        (None, None) => return None,
        (Some(a), Some(b)) => value_difference(a, b)?,
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

/// The path of what differs within two values; empty where they differ as a whole.
fn value_difference(a: &RawValue, b: &RawValue) -> Option<String> {
    let (a, b) = (a.get(), b.get());
    if a == b {
        return None;
    }
    let different = Some(String::new());
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match (serde_json::from_str(a), serde_json::from_str(b)) {
            (Ok(a), Ok(b)) => object_difference(&a, &b),
            _ => different,
        },
        (Some(b'['), Some(b'[')) => match (serde_json::from_str(a), serde_json::from_str(b)) {
            (Ok(a), Ok(b)) => array_difference(a, b),
            _ => different,
        },
        (Some(b'"'), Some(b'"')) => match (
            serde_json::from_str::<String>(a),
            serde_json::from_str::<String>(b),
        ) {
            (Ok(a), Ok(b)) if a == b => None,
            _ => different,
        },
        _ => different,
    }
}

fn array_difference(a: Vec<&RawValue>, b: Vec<&RawValue>) -> Option<String> {
    if a.len() != b.len() {
        return Some(String::new());
    }
    a.into_iter()
        .zip(b)
        .enumerate()
        .find_map(|(index, (a, b))| Some(path_of(&format!("[{index}]"), &value_difference(a, b)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_one_object_is_rejected_with_its_place() {
        for (text, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[]", "it must be one JSON object"),
            ("\u{feff}{}", "expected value at line 1 column 1"),
            (r#"{"a":1} x"#, "trailing characters at line 1 column 9"),
            (r#"{"a":1,}"#, "key must be a string at line 1 column 8"),
            (r#"{"a":01}"#, "invalid number at line 1 column 7"),
            ("{\"a\":\n tru}", "expected ident at line 2 column 5"),
        ] {
            assert_eq!(scan(text).unwrap_err(), expected, "{text}");
        }
        for text in [
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00x"}"#,
            r#"{"\ud800\ud800":1}"#,
            r#"{"a":"x\ud800 \u0041"}"#,
        ] {
            assert!(scan(text).unwrap_err().contains("surrogate"), "{text}");
        }
    }

    #[test]
    fn every_repeated_key_is_named_by_its_path() {
        let members =
            scan(r#"{"a":{"x":[0,{"k":1,"k":2}]},"b":1,"b":2,"c":[{"k":1},{"k":2}],"d":"\u0062"}"#)
                .unwrap();
        let paths: Vec<_> = members
            .problems
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(paths, ["a.x[1].k", "b"]);
        assert_eq!(scan(r#"{"b":1,"\u0062":2}"#).unwrap().problems.len(), 1);
    }

    #[test]
    fn the_64th_level_is_the_last() {
        let nested = |levels: usize| {
            format!(
                r#"{{"a":{}{}}}"#,
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(scan(&nested(64)).unwrap().problems.is_empty());
        for levels in [65, 100_000] {
            let problem = scan(&nested(levels)).unwrap_err();
            assert!(
                problem.starts_with("a[0][0]")
                    && problem.ends_with("is nested deeper than 64 levels"),
                "{problem}"
            );
        }
    }

    #[test]
    fn numbers_of_any_size_pass() {
        let members = scan(r#"{"a":123456789012345678901234567890,"b":1e999,"c":-0.0}"#).unwrap();
        assert_eq!(
            members.by_name["a"],
            Value::Number("123456789012345678901234567890".into())
        );
        assert!(members.problems.is_empty());
    }

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
