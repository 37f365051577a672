//! The check of a document's JSON, which does not change the document.
//!
//! Some checks go beyond RFC 8259's grammar. Two readers could understand a text in different ways
//! if a key appears twice in an object, or if a string contains a lone surrogate. And common readers
//! fail on a number that is very long or very large, and on deep nesting. An event can never be
//! removed, so one that a reader cannot read would break each page that has it.
//!
//! Numbers are never converted, so 20-digit integers and `1.0` are kept as they are spelled.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use json_event_parser::{JsonEvent, SliceJsonParser};

use super::FieldProblem;
use super::syntax::{self, Place};

/// How deep objects and arrays may be nested. The document itself is the first level.
///
/// A list puts an event two levels deeper, and the readers of .NET stop at 64. The feed puts it three
/// levels deeper, because each of its entries has an index: docs/api.md says what a reader does.
pub const MAX_DEPTH: usize = 62;
/// The longest spelling of a number, in characters. Python refuses integers of more than 4,300
/// digits, and other readers refuse fewer. A 400-bit integer has 121 digits.
pub const MAX_NUMBER_CHARS: usize = 128;

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
    Boolean,
    Null,
    Object,
    Array,
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
        return Err(syntax::not_an_object(text));
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
            Err(_) => return Err(syntax::problem(text, || scan.place_of_string())),
        }
    }
}

/// An open object or array.
enum Level {
    Object {
        /// All keys so far, to find repeated ones.
        keys: HashSet<String>,
        /// The latest key.
        current: String,
        /// Whether the value of the latest key has not begun.
        awaits_value: bool,
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
                self.value(Value::Object);
                self.open.push(Level::Object {
                    keys: HashSet::new(),
                    current: String::new(),
                    awaits_value: false,
                });
            }
            JsonEvent::StartArray => {
                self.value(Value::Array);
                self.open.push(Level::Array { begun: 0 });
            }
            JsonEvent::EndObject | JsonEvent::EndArray => {
                self.open.pop();
            }
            JsonEvent::String(text) => self.value(Value::String(text)),
            JsonEvent::Number(text) => self.number(text),
            JsonEvent::Boolean(_) => self.value(Value::Boolean),
            JsonEvent::Null => self.value(Value::Null),
            JsonEvent::Eof => {}
        }
    }

    /// Enters a key of the innermost object.
    fn key(&mut self, key: String) {
        let mut repeated = false;
        if let Some(Level::Object {
            keys,
            current,
            awaits_value,
        }) = self.open.last_mut()
        {
            *awaits_value = true;
            current.clone_from(&key);
            repeated = !keys.insert(key);
        }
        if repeated {
            self.problem("appears more than once in its object");
        }
    }

    /// Enters a value, which may be an object or array that has just begun.
    fn value(&mut self, value: Value<'a>) {
        // Only the document itself is open, so this is the value of a top-level member.
        if let [Level::Object { current, .. }] = self.open.as_slice() {
            self.members.by_name.insert(current.clone(), value);
        }
        match self.open.last_mut() {
            Some(Level::Object { awaits_value, .. }) => *awaits_value = false,
            Some(Level::Array { begun }) => *begun += 1,
            None => {}
        }
    }

    /// Enters a number, and checks that common readers can read it.
    fn number(&mut self, spelling: Cow<'a, str>) {
        let problem = number_problem(&spelling);
        self.value(Value::Number(spelling));
        if let Some(problem) = problem {
            self.problem(&problem);
        }
    }

    /// The place of a string that comes next.
    fn place_of_string(&mut self) -> Place {
        match self.open.last_mut() {
            Some(Level::Object {
                awaits_value: false,
                ..
            }) => {
                self.open.pop();
                return Place::KeyOf(self.path());
            }
            Some(Level::Array { begun }) => *begun += 1,
            _ => {}
        }
        Place::Value(self.path())
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

/// Why common readers cannot read a number.
fn number_problem(spelling: &str) -> Option<String> {
    let chars = spelling.len();
    if chars > MAX_NUMBER_CHARS {
        return Some(format!(
            "is a number of {chars} characters; at most {MAX_NUMBER_CHARS} are accepted, because \
             common readers fail on longer ones. Send it as a string"
        ));
    }
    // The spelling of a number in JSON is one in Rust too. A value that is too large for a double
    // becomes infinite, and one that is too small becomes zero.
    let is_finite = spelling.parse().is_ok_and(f64::is_finite);
    if is_finite {
        return None;
    }
    Some(
        "is a number beyond the range of a double (IEEE 754), which ends at about 1.8e308, and \
         common readers fail on it. Send it as a string"
            .to_owned(),
    )
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
    fn sixty_two_levels_are_the_most() {
        let nested = |levels: usize| {
            let opened = "[".repeat(levels - 1);
            let closed = "]".repeat(levels - 1);
            format!(r#"{{"a":{opened}{closed}}}"#)
        };
        assert!(scan(&nested(62)).unwrap().problems.is_empty());
        for levels in [63, 100_000] {
            let problem = scan(&nested(levels)).unwrap_err();
            assert!(problem.starts_with("a[0][0]"), "{problem}");
            assert!(
                problem.ends_with("is nested deeper than 62 levels"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_number_that_common_readers_read_is_kept() {
        let longest = "9".repeat(128);
        for spelling in [
            "123456789012345678901234567890",
            "-0.0",
            "1E+2",
            "1e-400",
            "1.7976931348623157e308",
            longest.as_str(),
        ] {
            let text = format!(r#"{{"a":{spelling}}}"#);
            let members = scan(&text).unwrap();
            assert_eq!(members.by_name["a"], Value::Number(spelling.into()));
            assert_eq!(members.problems, [], "{spelling}");
        }
    }

    #[test]
    fn every_number_that_common_readers_cannot_read_is_named() {
        let long = "7".repeat(129);
        let text = format!(r#"{{"a":[0,{long}],"b":{{"c":-1e400}},"d":1.8E308,"e":1e9999999999}}"#);
        let problems = scan(&text).unwrap().problems;
        let paths: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(paths, ["a[1]", "b.c", "d", "e"]);
        assert!(problems[0].problem.contains("129 characters"));
        assert!(problems[1].problem.contains("double"));
    }
}
