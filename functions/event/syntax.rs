//! The reasons why a text is not one JSON object, each with its place.

use serde::de::IgnoredAny;

use super::json::WHITE_SPACE;

/// The place of a string.
pub(super) enum Place {
    /// A value, at this path.
    Value(String),
    /// A key of the object at this path, which is empty for the document itself.
    KeyOf(String),
}

/// The reason why a text does not begin as an object.
pub(super) fn not_an_object(text: &str) -> String {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return error.to_string();
    }
    let kind = match text.trim_start_matches(WHITE_SPACE).as_bytes().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    format!("it must be one JSON object, not {kind}")
}

/// The reason why the parser rejected a text. `place` is that of a string that begins where the
/// parser stopped.
///
/// serde_json reports the positions of errors more precisely, and never quotes what it reads. It
/// does not check skipped strings for lone surrogates. So if it accepts the text, a lone surrogate
/// is the error.
pub(super) fn problem(text: &str, place: impl FnOnce() -> Place) -> String {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return error.to_string();
    }
    let place = match place() {
        Place::Value(path) => path,
        Place::KeyOf(path) if path.is_empty() => "a key of the document".to_owned(),
        Place::KeyOf(path) => format!("a key of {path}"),
    };
    let position = match lone_surrogate(text) {
        Some(offset) => format!(" at {}", line_and_column(text, offset)),
        None => String::new(),
    };
    format!(
        "{place} has a lone surrogate{position} (\\uD800 to \\uDFFF without its other half), which is \
         not Unicode. Replace it"
    )
}

/// The offset of the first lone surrogate in a text that is JSON otherwise.
fn lone_surrogate(text: &str) -> Option<usize> {
    // JSON has backslashes in strings only, and each begins an escape.
    let mut at = 0;
    loop {
        at += text.get(at..)?.find('\\')?;
        at += match escaped_unit(text, at) {
            Some(0xD800..=0xDBFF) => match escaped_unit(text, at + UNIT_ESCAPE) {
                Some(0xDC00..=0xDFFF) => 2 * UNIT_ESCAPE,
                _ => return Some(at),
            },
            Some(0xDC00..=0xDFFF) => return Some(at),
            Some(_) => UNIT_ESCAPE,
            None => OTHER_ESCAPE,
        };
    }
}

/// The length of an escape such as `\u0041`.
const UNIT_ESCAPE: usize = 6;
/// The length of any other escape, such as `\n`.
const OTHER_ESCAPE: usize = 2;

/// The UTF-16 unit of the escape at this offset, if it is of the form `\u0041`.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let escape = text.get(at..at + UNIT_ESCAPE)?;
    let digits = escape.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

/// The line and column of an offset, in the form that serde_json has. A column counts bytes.
fn line_and_column(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = match before.rfind('\n') {
        Some(end_of_line) => offset - end_of_line,
        None => offset + 1,
    };
    format!("line {line} column {column}")
}

#[cfg(test)]
mod tests {
    use crate::event::json::scan;

    #[test]
    fn a_text_that_is_not_one_object_is_rejected_with_a_reason() {
        for (text, expected) in [
            ("[]", "it must be one JSON object, not an array"),
            (" \"a\"", "it must be one JSON object, not a string"),
            ("null", "it must be one JSON object, not null"),
            ("-1", "it must be one JSON object, not a number"),
            ("\u{feff}{}", "expected value at line 1 column 1"),
            (r#"{"a":1} x"#, "trailing characters at line 1 column 9"),
            (r#"{"a":1,}"#, "key must be a string at line 1 column 8"),
            (r#"{"a":01}"#, "invalid number at line 1 column 7"),
            ("{\"a\":\n tru}", "expected ident at line 2 column 5"),
        ] {
            assert_eq!(scan(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_named_by_its_place() {
        for (text, expected) in [
            (
                r#"{"a":"\ud800"}"#,
                "a has a lone surrogate at line 1 column 7",
            ),
            (
                r#"{"a":"\udc00x"}"#,
                "a has a lone surrogate at line 1 column 7",
            ),
            (
                r#"{"a":"x\ud800 \u0041"}"#,
                "a has a lone surrogate at line 1 column 8",
            ),
            (
                r#"{"a":{"b":[0,"\\ud800",["\ud83d\ude00\ud83d"]]}}"#,
                "a.b[2][0] has a lone surrogate at line 1 column 38",
            ),
            (
                "{\"a\":1,\n\"\\ud800\\ud800\":1}",
                "a key of the document has a lone surrogate at line 2 column 2",
            ),
            (
                r#"{"a":[{"k":0,"x\uDfff":1}]}"#,
                "a key of a[0] has a lone surrogate at line 1 column 16",
            ),
        ] {
            let found = scan(text).unwrap_err();
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}
