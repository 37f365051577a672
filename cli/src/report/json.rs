//! The members of a JSON object and the elements of an array, each as the text that it had.

use audit_log::event::Members;
use serde_json::value::RawValue;

/// Reads an object. `None` if the text is not an object.
pub fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// The only member of an object, as its key and the text of its value.
pub fn only<'a>(members: &Members<'a>) -> Option<(String, &'a str)> {
    let [(key, value)] = members.0[..] else {
        return None;
    };
    Some((string(key.get())?, value.get()))
}

/// Reads the elements of an array. `None` if the text is not an array.
pub fn elements(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// Reads a string. `None` if the text is another JSON value.
pub fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// Writes a string as JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_texts() {
        let read = members(r#" {"b": 1.0, "\u0061" : {"c":[ ]}} "#).unwrap();
        let texts: Vec<_> = read
            .0
            .iter()
            .map(|(key, value)| (key.get(), value.get()))
            .collect();
        assert_eq!(texts, [(r#""b""#, "1.0"), (r#""\u0061""#, r#"{"c":[ ]}"#)]);
        assert!(members("[1]").is_none());
    }
}
