//! The members of a JSON object and the elements of an array, each as the text that it had.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object, in their order. A key and a value are the texts that they had.
pub struct Members<'a>(pub Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object. `None` if the text is not an object.
    pub fn read(text: &'a str) -> Option<Members<'a>> {
        serde_json::from_str(text).ok()
    }

    /// The only member, as its key and the text of its value.
    pub fn only(&self) -> Option<(String, &'a str)> {
        let [(key, value)] = self.0[..] else {
            return None;
        };
        Some((string(key.get())?, value.get()))
    }
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

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for MembersVisitor<'a> {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_texts() {
        let members = Members::read(r#" {"b": 1.0, "\u0061" : {"c":[ ]}} "#).unwrap();
        let texts: Vec<_> = members
            .0
            .iter()
            .map(|(key, value)| (key.get(), value.get()))
            .collect();
        assert_eq!(texts, [(r#""b""#, "1.0"), (r#""\u0061""#, r#"{"c":[ ]}"#)]);
        assert!(Members::read("[1]").is_none());
    }
}
