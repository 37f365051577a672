//! CSV (RFC 4180): a header line, and a row for each event. Lines end with CRLF.
//!
//! - A string is written without its JSON escapes. `null` is an empty cell.
//! - `invariant_data` and `app_data` are their JSON text, as it was sent.
//! - `other` is a JSON object of all members without a column, as they were sent. If there are
//!   none, the cell is empty.
//! - A cell that a spreadsheet could take for a formula gets an apostrophe in front. So does a cell
//!   that begins with an apostrophe, so that a reader can take it away again.
//!   <https://owasp.org/www-community/attacks/CSV_Injection>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::UnreadableEvent;
use crate::event::Members;
use crate::http::json_string_bytes;
use crate::store::StoredEvent;

const HEADER: &str = "id,timestamp,user_id,event_type,src_service,recorded_at,recorded_by,\
    recorded_from,recorded_salt,invariant_data,app_data,other\r\n";
/// The bytes of a row that its JSON does not have, in the function's response: the escaped quotes
/// around 12 cells, their apostrophes, the commas, and CRLF.
const MAX_ROW_BYTES: usize = 12 * (2 * 2 + 1) + 11 + 2 * 2;
/// The characters with which a spreadsheet's formula can begin, and the one that prevents it.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', APOSTROPHE];
const APOSTROPHE: char = '\'';

/// A row has each part of the event's JSON at most once, without or with its escapes. Each quote is
/// doubled, and escaped once more in the function's response.
pub(super) fn max_bytes(event: &str) -> usize {
    let quotes = event.bytes().filter(|byte| *byte == b'"').count();
    json_string_bytes(event) + 2 * quotes + MAX_ROW_BYTES
}

pub(super) fn table(events: &[StoredEvent]) -> Result<String, UnreadableEvent> {
    let bytes: usize = events.iter().map(|event| event.json.len()).sum();
    let mut table = String::with_capacity(HEADER.len() + bytes + bytes / 4);
    table.push_str(HEADER);
    for event in events {
        push_row(&mut table, &event.json).map_err(|error| UnreadableEvent {
            id: event.id,
            error,
        })?;
    }
    Ok(table)
}

fn push_row(table: &mut String, event: &str) -> serde_json::Result<()> {
    let row = Row::read(event)?;
    let cells = [
        &row.id,
        &row.timestamp,
        &row.user_id,
        &row.event_type,
        &row.src_service,
        &row.recorded_at,
        &row.recorded_by,
        &row.recorded_from,
        &row.recorded_salt,
        &row.invariant_data,
        &row.app_data,
        &row.other,
    ];
    for (position, cell) in cells.into_iter().enumerate() {
        if position > 0 {
            table.push(',');
        }
        push_cell(table, cell);
    }
    table.push_str("\r\n");
    Ok(())
}

fn push_cell(table: &mut String, text: &str) {
    let quoted = text.contains([',', '"', '\r', '\n']);
    if quoted {
        table.push('"');
    }
    if text.starts_with(FORMULA) {
        table.push(APOSTROPHE);
    }
    if quoted {
        for (position, part) in text.split('"').enumerate() {
            if position > 0 {
                table.push_str("\"\"");
            }
            table.push_str(part);
        }
        table.push('"');
    } else {
        table.push_str(text);
    }
}

/// The cells of an event.
#[derive(Default)]
struct Row<'a> {
    id: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    user_id: Cow<'a, str>,
    event_type: Cow<'a, str>,
    src_service: Cow<'a, str>,
    recorded_at: Cow<'a, str>,
    recorded_by: Cow<'a, str>,
    recorded_from: Cow<'a, str>,
    recorded_salt: Cow<'a, str>,
    invariant_data: Cow<'a, str>,
    app_data: Cow<'a, str>,
    other: Cow<'a, str>,
}

impl<'a> Row<'a> {
    fn read(event: &'a str) -> serde_json::Result<Row<'a>> {
        let mut row = Row::default();
        let mut other = String::new();
        let Members(members) = serde_json::from_str(event)?;
        for (key, value) in members {
            let name = text(key)?;
            match name.as_ref() {
                "id" => row.id = text(value)?,
                "timestamp" => row.timestamp = text(value)?,
                "user_id" => row.user_id = text(value)?,
                "event_type" => row.event_type = text(value)?,
                "src_service" => row.src_service = text(value)?,
                "invariant_data" => row.invariant_data = value.get().into(),
                "app_data" => row.app_data = value.get().into(),
                "recorded" => row.read_recorded(value)?,
                _ => {
                    let start = if other.is_empty() { '{' } else { ',' };
                    other.push(start);
                    other.push_str(key.get());
                    other.push(':');
                    other.push_str(value.get());
                }
            }
        }
        if !other.is_empty() {
            other.push('}');
        }
        row.other = other.into();
        Ok(row)
    }

    fn read_recorded(&mut self, recorded: &'a RawValue) -> serde_json::Result<()> {
        let Members(members) = serde_json::from_str(recorded.get())?;
        for (key, value) in members {
            match text(key)?.as_ref() {
                "at" => self.recorded_at = text(value)?,
                "by" => self.recorded_by = text(value)?,
                "from" => self.recorded_from = text(value)?,
                "salt" => self.recorded_salt = text(value)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A string without its escapes, nothing for `null`, and any other value as it is spelled.
fn text(value: &RawValue) -> serde_json::Result<Cow<'_, str>> {
    let json = value.get();
    if json == "null" {
        return Ok(Cow::Borrowed(""));
    }
    let Some(string) = json.strip_prefix('"') else {
        return Ok(Cow::Borrowed(json));
    };
    match string.strip_suffix('"') {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(json).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event: &str) -> String {
        let mut row = String::new();
        push_row(&mut row, event).unwrap();
        row
    }

    fn cell(text: &str) -> String {
        let mut cell = String::new();
        push_cell(&mut cell, text);
        cell
    }

    #[test]
    fn an_event_is_a_row() {
        let event = concat!(
            r#"{"id":"1","recorded":{"at":"2024","by":null,"from":"::1","salt":"s","more":[1]},"#,
            r#" "user_id" : 7,"b\u0061" : 1.0,"event_type":"a\"b","#,
            "\"timestamp\":\"2023\",\"src_service\":\"\\u00e9\\n\",\n",
            r#""app_data": {"a" : 1e400},"#,
            r#""invariant_data":null, "":[ ]}"#
        );
        let expected = concat!(
            r#"1,2023,7,"a""b","é"#,
            "\n",
            r#"",2024,,::1,s,null,"{""a"" : 1e400}","{""b\u0061"":1.0,"""":[ ]}""#,
            "\r\n"
        );
        assert_eq!(row(event), expected);
    }

    #[test]
    fn null_is_an_empty_cell_except_in_data() {
        let event = r#"{"id":"1","user_id":null,"invariant_data":null}"#;
        assert_eq!(row(event), "1,,,,,,,,,null,,\r\n");
    }

    #[test]
    fn a_cell_is_quoted_only_if_it_must_be() {
        for (text, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("\"", "\"\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("a\rb", "\"a\rb\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_cell_that_could_be_a_formula_gets_an_apostrophe() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\ta", "'\ta"),
            ("\ra", "\"'\ra\""),
            ("'a", "''a"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_row_is_never_longer_than_its_measure() {
        let head = r#"{"id":"1","recorded":{"at":"2","by":null,"from":null},"#;
        let quotes = r#"["","\"\\\"","\u0000","x"]"#;
        for value in ["-1", "\"=\\\"\\\"\\u0001\"", "\"\\u00e9,\\n\\\\\"", quotes] {
            for name in ["user_id", "app_data", "invariant_data", "-", "\\\"\\u0000"] {
                let event = format!("{head}\"{name}\":{value}}}");
                let measured = json_string_bytes(&row(&event));
                assert!(measured <= max_bytes(&event), "{event}");
            }
        }
    }
}
