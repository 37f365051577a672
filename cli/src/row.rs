//! An event on one line of a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use audit_log::event::Timestamp;
use audit_log_client::RecordedEvent;
use console::{measure_text_width, truncate_str};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The width of the columns, and the widest text that a line has if standard output is no terminal.
const TIME: usize = 24;
const USER: usize = 24;
const SERVICE: usize = 16;
const TYPE: usize = 24;
const DEFAULT_WIDTH: usize = 160;
/// What stands for the rest of a text that is too long.
const REST: &str = "\u{2026}";

/// What is shown of an event.
#[derive(Default, Deserialize)]
struct Shown<'a> {
    timestamp: String,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    event_type: String,
    src_service: String,
    #[serde(borrow)]
    invariant_data: Option<&'a RawValue>,
    #[serde(borrow)]
    app_data: Option<&'a RawValue>,
}

/// The names of the columns.
pub fn header() -> String {
    line(["TIME", "USER", "SERVICE", "TYPE"], "DATA")
}

/// An event on one line.
pub fn row(event: &RecordedEvent) -> String {
    let shown: Shown<'_> = serde_json::from_str(event.text()).unwrap_or_default();
    let time = match Timestamp::parse(&shown.timestamp) {
        Ok(time) => time.to_string(),
        Err(_) => shown.timestamp,
    };
    let user = shown.user_id.map_or("", RawValue::get);
    let user: String = serde_json::from_str(user).unwrap_or_else(|_| user.to_owned());
    let data = [shown.invariant_data, shown.app_data];
    let data: Vec<&str> = data.into_iter().flatten().map(RawValue::get).collect();
    let columns = [&time, &user, &shown.src_service, &shown.event_type];
    line(columns.map(String::as_str), &data.join(" "))
}

fn line(columns: [&str; 4], rest: &str) -> String {
    let mut line = String::new();
    for (column, width) in columns.into_iter().zip([TIME, USER, SERVICE, TYPE]) {
        let text = harmless(column);
        let text = truncate_str(&text, width, REST);
        let padding = width.saturating_sub(measure_text_width(&text));
        line.push_str(&text);
        line.push_str(&" ".repeat(padding + 2));
    }
    line.push_str(&harmless(rest));
    truncate_str(line.trim_end(), width(), REST).into_owned()
}

fn width() -> usize {
    let terminal = console::Term::stdout();
    match terminal.size_checked() {
        Some((_, columns)) => usize::from(columns),
        None => DEFAULT_WIDTH,
    }
}

/// Text that a terminal only shows. A stranger may have chosen it: an escape sequence could move
/// the cursor, and a mark of direction could turn the rest of the line around.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\r' | '\n' | '\t' => harmless.push(' '),
            _ if is_harmful(character) => {
                let _ = write!(harmless, "\\u{:04x}", u32::from(character));
            }
            _ => harmless.push(character),
        }
    }
    Cow::Owned(harmless)
}

/// Control characters, and those that change the direction of text (UAX #9) or separate lines.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_stranger_does_not_control_the_terminal() {
        let text = harmless("a\u{1b}[2J\u{202e}b\nc\u{9b}é");
        assert_eq!(text, "a\\u001b[2J\\u202eb c\\u009bé");
    }

    #[test]
    fn columns_are_cut_to_their_width() {
        let line = line(["t", &"u".repeat(99), "\u{4f60}\u{597d}", "type"], "{}");
        let mut columns = line.split("  ").filter(|column| !column.is_empty());
        assert_eq!(columns.next(), Some("t"));
        let user = columns.next().unwrap().trim();
        assert_eq!(measure_text_width(user), USER);
        assert!(user.ends_with(REST), "{user}");
        assert_eq!(
            measure_text_width(&line),
            TIME + USER + SERVICE + TYPE + 8 + 2
        );
    }
}
