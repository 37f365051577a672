//! NDJSON: one event a line, <https://github.com/ndjson/ndjson-spec>.

use crate::http::json_string_bytes;
use crate::store::StoredEvent;

/// With `\n`, which is two bytes in the function's response.
pub(super) fn max_bytes(event: &str) -> usize {
    json_string_bytes(event) + 2
}

pub(super) fn lines(events: &[StoredEvent]) -> String {
    let bytes: usize = events.iter().map(|event| event.json.len() + 1).sum();
    let mut lines = String::with_capacity(bytes);
    for event in events {
        push_on_one_line(&mut lines, &event.json);
        lines.push('\n');
    }
    lines
}

/// A line break in JSON is always white space between two tokens, because strings escape theirs
/// (RFC 8259 §7).
fn push_on_one_line(lines: &mut String, json: &str) {
    let mut parts = json.split(['\r', '\n']);
    lines.push_str(parts.next().unwrap_or_default());
    for part in parts {
        lines.push(' ');
        lines.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let mut line = String::new();
        push_on_one_line(&mut line, "{\r\n\t\"a\":\n1,\"b\":\"\\r\\n\"\r}");
        assert_eq!(line, "{  \t\"a\": 1,\"b\":\"\\r\\n\" }");
    }
}
