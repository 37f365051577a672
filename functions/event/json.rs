//! The check of a document's JSON, which does not change the document.
//!
//! Two checks go beyond RFC 8259's grammar, because two readers could understand such a text in
//! different ways: a key may not appear twice in an object, and a string may not contain a lone
//! surrogate. Numbers are never converted, so 20-digit integers and `1e999` pass.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use json_event_parser::{JsonEvent, SliceJsonParser};
use serde::de::IgnoredAny;

use super::FieldProblem;

/// How deep objects and arrays may be nested. The document itself is the first level.
pub const MAX_DEPTH: usize = 64;

/// The most problems that a response names. A document can break the rules in very many places.
pub(super) const MAX_PROBLEMS: usize = 100;
/// The white space of RFC 8259 §2.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
/// The longest path in bytes. A path can have 64 long keys, and the rest of it is cut off.
pub(super) const MAX_PATH_BYTES: usize = 256;

/// The value of a top-level member, as far as a rule depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    String(Cow<'a, str>),
    /// The spelling as it was sent.
    Number(Cow<'a, str>),
    Null,
    Other,
}

/// The top-level members by name, and the problems of the document at any depth.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub by_name: BTreeMap<String, Value<'a>>,
    pub problems: Vec<FieldProblem>,
}

/// Scans a text that should be one JSON object.
///
/// # Errors
///
/// The reason why the text cannot be read as one. It never quotes the text.
pub(super) fn scan(text: &str) -> Result<Members<'_>, String> {
    // A text that does not begin as an object is another JSON value, or not JSON at all.
    if !text.trim_start_matches(WHITE_SPACE).starts_with('{') {
        return match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Err("it must be one JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }

    // The parser yields keys, values and brackets one by one. The scan keeps the open objects and
    // arrays in a stack, so it knows the path of each.
    let mut parser = SliceJsonParser::new(text.as_bytes());
    let mut scan = Scan::default();
    loop {
        match parser.parse_next() {
            Ok(JsonEvent::Eof) => return Ok(scan.members),
            Ok(_) if scan.open.len() > MAX_DEPTH => {
                let path = scan.path();
                return Err(format!("{path} is nested deeper than {MAX_DEPTH} levels"));
            }
            Ok(event) => scan.read(event),
            Err(_) => return Err(syntax_problem(text)),
        }
    }
}

/// The reason why the parser rejected a text.
///
/// serde_json reports the positions of errors more precisely, and never quotes what it reads. It
/// does not check skipped strings for lone surrogates. So if it accepts the text, a lone surrogate
/// is the error.
fn syntax_problem(text: &str) -> String {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => error.to_string(),
        Ok(_) => "a string has a lone surrogate (\\uD800 to \\uDFFF without its other half), \
                  which is not Unicode"
            .to_owned(),
    }
}

/// An open object or array.
enum Level {
    Object {
        /// All keys so far, to find repeated ones.
        keys: HashSet<String>,
        /// The latest key.
        current: String,
    },
    Array {
        /// How many elements have begun.
        begun: usize,
    },
}

/// The state of a scan.
#[derive(Default)]
struct Scan<'a> {
    members: Members<'a>,
    /// The open objects and arrays, from the document itself down.
    open: Vec<Level>,
}

impl<'a> Scan<'a> {
    fn read(&mut self, event: JsonEvent<'a>) {
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
                self.open.push(Level::Array { begun: 0 });
            }
            JsonEvent::EndObject | JsonEvent::EndArray => {
                self.open.pop();
            }
            JsonEvent::String(text) => self.value(Value::String(text)),
            JsonEvent::Number(text) => self.value(Value::Number(text)),
            JsonEvent::Null => self.value(Value::Null),
            JsonEvent::Boolean(_) => self.value(Value::Other),
            JsonEvent::Eof => {}
        }
    }

    /// Enters a key of the innermost object.
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

    /// Enters a value, which may be an object or array that has just begun.
    fn value(&mut self, value: Value<'a>) {
        match self.open.as_mut_slice() {
            // Only the document itself is open, so this is the value of a top-level member.
            [Level::Object { current, .. }] => {
                self.members.by_name.insert(current.clone(), value);
            }
            [.., Level::Array { begun }] => *begun += 1,
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

    /// The place that the scan has reached, such as `app_data.roles[2].name`.
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
                Level::Array { begun } => {
                    let index = begun.saturating_sub(1);
                    path.push_str(&format!("[{index}]"));
                }
            }
            // The rest would be cut off.
            if path.len() > MAX_PATH_BYTES {
                break;
            }
        }
        cut_path(&mut path);
        path
    }
}

/// Cuts a path off after [`MAX_PATH_BYTES`].
pub(super) fn cut_path(path: &mut String) {
    if path.len() > MAX_PATH_BYTES {
        path.truncate(path.floor_char_boundary(MAX_PATH_BYTES));
        path.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_one_object_is_rejected_with_a_reason() {
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
            let opened = "[".repeat(levels - 1);
            let closed = "]".repeat(levels - 1);
            format!(r#"{{"a":{opened}{closed}}}"#)
        };
        assert!(scan(&nested(64)).unwrap().problems.is_empty());
        for levels in [65, 100_000] {
            let problem = scan(&nested(levels)).unwrap_err();
            assert!(problem.starts_with("a[0][0]"), "{problem}");
            assert!(
                problem.ends_with("is nested deeper than 64 levels"),
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
}
