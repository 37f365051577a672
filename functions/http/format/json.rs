//! JSON: the events in an array, and members that describe the list.

use std::fmt::Write;

use super::ListPage;
use crate::http::json_string_bytes;

/// With a comma.
pub(super) fn max_bytes(event: &str) -> usize {
    json_string_bytes(event) + 1
}

pub(super) fn list(page: ListPage<'_>) -> String {
    const MEMBERS_BYTES: usize = 256;
    let event_bytes: usize = page.events.iter().map(|event| event.json.len() + 1).sum();
    let mut json = String::with_capacity(event_bytes + MEMBERS_BYTES);
    json.push_str(r#"{"events":["#);
    for (position, event) in page.events.iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        json.push_str(&event.json);
    }
    let total = or_null(page.total.map(|total| total.events));
    let total_exact = or_null(page.total.map(|total| total.exact));
    let total_pages = or_null(page.total_pages);
    let number = page.query.page().get();
    let per_page = page.query.per_page().get();
    let next_cursor = match page.next_cursor {
        Some(id) => format!("\"{id}\""),
        None => "null".to_owned(),
    };
    // Writing to a String does not fail.
    let _ = write!(
        json,
        "],\"total\":{total},\"total_exact\":{total_exact},\"page\":{number},\
         \"per_page\":{per_page},\"total_pages\":{total_pages},\"next_cursor\":{next_cursor}}}"
    );
    json
}

fn or_null(value: Option<impl ToString>) -> String {
    match value {
        Some(value) => value.to_string(),
        None => "null".to_owned(),
    }
}
