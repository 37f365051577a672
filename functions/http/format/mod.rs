//! The formats in which events are returned. Each writes one event, or a page of a list.

mod csv;
mod json;
mod ndjson;

use super::ListQuery;
use crate::count::Total;
use crate::event::EventId;
use crate::store::StoredEvent;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object. The list has members around its events.
    Json,
    /// One event a line.
    Ndjson,
    /// RFC 4180: a header line, and one row for each event.
    Csv,
}

/// A page of a list, and what is said about it.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// The parameters of the request.
    pub query: &'a ListQuery,
    /// The events, in the order of the list.
    pub events: &'a [StoredEvent],
    /// How many events the list has, if they were counted.
    pub total: Option<Total>,
    /// How many pages the list has, if its events were counted.
    pub total_pages: Option<u64>,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<EventId>,
}

/// An event that cannot be written in a format, because its JSON is not that of an event.
#[derive(Debug, thiserror::Error)]
#[error("the event {id} cannot be read: {error}")]
pub struct UnreadableEvent {
    id: EventId,
    error: serde_json::Error,
}

impl Format {
    /// The value of the Content-Type header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The most bytes that an event with this JSON takes within the response of the function. See
    /// [`json_string_bytes`](super::json_string_bytes).
    pub fn max_bytes(self, event: &str) -> usize {
        match self {
            Format::Json => json::max_bytes(event),
            Format::Ndjson => ndjson::max_bytes(event),
            Format::Csv => csv::max_bytes(event),
        }
    }

    /// One event.
    ///
    /// # Errors
    ///
    /// [`UnreadableEvent`], where the format has to read it.
    pub fn event(self, event: StoredEvent) -> Result<String, UnreadableEvent> {
        match self {
            Format::Json => Ok(event.json),
            Format::Ndjson => Ok(ndjson::lines(&[event])),
            Format::Csv => csv::table(&[event]),
        }
    }

    /// A page of a list.
    ///
    /// # Errors
    ///
    /// [`UnreadableEvent`], where the format has to read the events.
    pub fn list(self, page: ListPage<'_>) -> Result<String, UnreadableEvent> {
        match self {
            Format::Json => Ok(json::list(page)),
            Format::Ndjson => Ok(ndjson::lines(page.events)),
            Format::Csv => csv::table(page.events),
        }
    }
}
