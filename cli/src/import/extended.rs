//! MongoDB's extended JSON, version 2, in its canonical and its relaxed form:
//! <https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/>.
//!
//! BSON has types that JSON lacks. mongoexport writes each as an object with one member, such as
//! `{"$numberLong":"7"}`. Such an object becomes the plain JSON that a reader of the log expects.

use jiff::Timestamp;

use crate::report::json::{elements, members, only, quoted, string};

/// Objects and arrays within each other. The log accepts 62 levels, and says so.
const MAX_LEVELS: usize = 100;

/// Writes a value of extended JSON as plain JSON. What is plain already keeps its text.
///
/// | extended | plain |
/// |---|---|
/// | `$oid` | its hexadecimal digits, as a string |
/// | `$numberInt`, `$numberLong` | an integer with the same digits |
/// | `$numberDouble`, `$numberDecimal` | a number with the same spelling. A string, if JSON has no such number |
/// | `$date` | RFC 3339 in UTC |
/// | any other | the object, unchanged |
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write(text, MAX_LEVELS, &mut out);
    out
}

/// The text of an `$oid`.
pub fn object_id(text: &str) -> Option<String> {
    match only(&members(text)?)? {
        (key, digits) if key == "$oid" => string(digits),
        _ => None,
    }
}

fn write(text: &str, levels: usize, out: &mut String) {
    let text = text.trim();
    if levels == 0 {
        out.push_str(text);
        return;
    }
    match text.as_bytes().first() {
        Some(b'{') => write_object(text, levels, out),
        Some(b'[') => write_array(text, levels, out),
        _ => out.push_str(text),
    }
}

fn write_object(text: &str, levels: usize, out: &mut String) {
    let Some(members) = members(text) else {
        out.push_str(text);
        return;
    };
    let value = only(&members).and_then(|(key, value)| typed(&key, value));
    if let Some(value) = value {
        out.push_str(&value);
        return;
    }
    out.push('{');
    for (number, (key, value)) in members.0.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(key.get());
        out.push(':');
        write(value.get(), levels - 1, out);
    }
    out.push('}');
}

fn write_array(text: &str, levels: usize, out: &mut String) {
    let Some(elements) = elements(text) else {
        out.push_str(text);
        return;
    };
    out.push('[');
    for (number, element) in elements.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(element.get(), levels - 1, out);
    }
    out.push(']');
}

/// The plain JSON of an object with this one member, if the member names a type of BSON.
fn typed(key: &str, value: &str) -> Option<String> {
    match key {
        "$oid" => string(value).map(|digits| quoted(&digits)),
        "$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal" => number(value),
        "$date" => date(value).map(|at| quoted(&at.to_string())),
        _ => None,
    }
}

/// A number that is written as a string. JSON has no infinity, and its readers have no number
/// beyond a double, so these stay strings.
fn number(value: &str) -> Option<String> {
    let digits = string(value)?;
    let number: Option<f64> = serde_json::from_str(&digits).ok();
    match number {
        Some(number) if number.is_finite() => Some(digits),
        _ => Some(quoted(&digits)),
    }
}

/// A date is RFC 3339, or the milliseconds since 1970.
fn date(value: &str) -> Option<Timestamp> {
    if let Some(text) = string(value) {
        return text.parse().ok();
    }
    let (key, millis) = only(&members(value)?)?;
    if key != "$numberLong" {
        return None;
    }
    Timestamp::from_millisecond(string(millis)?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_bson_becomes_plain_json() {
        for (extended, expected) in [
            (
                r#"{"$oid":"65a1b2c3d4e5f60718293a4b"}"#,
                r#""65a1b2c3d4e5f60718293a4b""#,
            ),
            (r#"{"$numberInt":"7"}"#, "7"),
            (r#"{"$numberLong":"9007199254740993"}"#, "9007199254740993"),
            (r#"{"$numberDouble":"1.0"}"#, "1.0"),
            (r#"{"$numberDouble":"-Infinity"}"#, r#""-Infinity""#),
            (r#"{"$numberDouble":"NaN"}"#, r#""NaN""#),
            (r#"{"$numberDecimal":"0.10"}"#, "0.10"),
            (r#"{"$numberDecimal":"1E+6144"}"#, r#""1E+6144""#),
            (
                r#"{"$date":"2024-01-01T00:00:00.5Z"}"#,
                r#""2024-01-01T00:00:00.5Z""#,
            ),
            (
                r#"{"$date":{"$numberLong":"1704067200123"}}"#,
                r#""2024-01-01T00:00:00.123Z""#,
            ),
            (
                r#"{"$date":{"$numberLong":"-1"}}"#,
                r#""1969-12-31T23:59:59.999Z""#,
            ),
        ] {
            assert_eq!(plain(extended), expected);
        }
    }

    #[test]
    fn what_is_plain_keeps_its_text_at_any_depth() {
        for text in [
            r#"{"a":1.0,"b":[1,{"c":1e2}],"\u00e9":"\u00e9"}"#,
            r#"{"$date":7}"#,
            r#"{"$oid":"a","b":1}"#,
            r#"{"$binary":{"base64":"AA==","subType":"00"}}"#,
            "null",
        ] {
            assert_eq!(plain(text), text);
        }
        let nested = r#"[{"a":{"n":{"$numberInt":"1"}}}]"#;
        assert_eq!(plain(nested), r#"[{"a":{"n":1}}]"#);
    }

    #[test]
    fn deep_and_broken_texts_do_no_harm() {
        let deep = "[".repeat(100_000);
        assert_eq!(plain(&deep), deep);
        let deep = format!("{}{}", "[".repeat(110), "]".repeat(110));
        assert_eq!(plain(&deep), deep);
        assert_eq!(plain(r#"{"a": "#), r#"{"a":"#);
    }
}
