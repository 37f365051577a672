//! The routes of a running service.

use audit_log::event::{EventId, Field};
use audit_log::tree::Tile;
use futures_util::stream::{Stream, try_unfold};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::{Answer, Http};
use super::{Caller, LogError, RecordedEvent};

/// The events of a page: as many as a page can have.
const PER_PAGE: u16 = 1000;
/// The code of an event that does not exist. Another 404 is another problem.
const NOT_FOUND: &str = "not_found";
/// The code of a service that fails on what its tables have.
const INTERNAL_ERROR: &str = "internal_error";
/// The code of a list that cannot be filtered by a field.
const INVALID_PARAMETER: &str = "invalid_parameter";

/// A running log.
#[derive(Debug)]
pub struct Service {
    base: Url,
    http: Http,
}

/// Which events a list has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// Everyone's.
    All,
    /// Those with this value.
    With(Field, String),
}

/// A page of a list, oldest first.
#[derive(Debug)]
pub struct Page {
    /// The texts of the events, as they were sent.
    pub events: Vec<String>,
    /// The events.
    pub recorded: Vec<RecordedEvent>,
    /// Where the next page begins. `None` on the last one.
    pub next: Option<EventId>,
    /// The number of events that the list has, if the service was asked for it.
    pub total: Option<Total>,
}

/// The number of events of a list, as the service says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number.
    pub events: u64,
    /// Whether it is exact. Otherwise, there are at least as many.
    pub is_exact: bool,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    total: Option<u64>,
    total_exact: Option<bool>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

impl Service {
    /// The log at a URL such as `http://127.0.0.1:5001`, read by this caller.
    ///
    /// # Errors
    ///
    /// [`LogError::Url`], or a system without certificates.
    pub async fn at(url: &str, token: Option<String>) -> Result<Service, LogError> {
        // A base without a slash at its end would lose its last part.
        let base: Url = format!("{}/", url.trim_end_matches('/'))
            .parse()
            .map_err(|_| LogError::Url(url.to_owned()))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(LogError::Url(url.to_owned()));
        }
        let caller = Caller::of(&base, token).await;
        let http = Http::new(&base, caller)?;
        Ok(Service { base, http })
    }

    /// `GET /log/checkpoint`.
    ///
    /// # Errors
    ///
    /// [`LogError`], as for every read here.
    pub async fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let url = self.url("log/checkpoint")?;
        let answer = self.http.get(&url).await?;
        match answer.status {
            StatusCode::OK => utf8(answer.body, &url).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refused(&url)),
        }
    }

    /// `GET /log/tile/…`.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LogError> {
        let url = self.url(&format!("log/{tile}"))?;
        let answer = self.http.get(&url).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            // The service says so of a tile that the checkpoint promises and its table lacks.
            StatusCode::INTERNAL_SERVER_ERROR if code_of(&answer) == INTERNAL_ERROR => Ok(None),
            _ => Err(answer.refused(&url)),
        }
    }

    /// `GET /events/{id}`. `None` if there is no such event.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn event(&self, id: EventId) -> Result<Option<RecordedEvent>, LogError> {
        let url = self.url(&format!("events/{id}"))?;
        let answer = self.http.get(&url).await?;
        if answer.status == StatusCode::NOT_FOUND && code_of(&answer) == NOT_FOUND {
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(answer.refused(&url));
        }
        let text = utf8(answer.body, &url)?;
        let event = RecordedEvent::parse(&text).map_err(|problem| not_a_log(&url, problem))?;
        if event.id != id {
            return Err(not_a_log(&url, "it has another id"));
        }
        Ok(Some(event))
    }

    /// How many events a list has. `None` if the log has no such lists.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn total(&self, list: &List) -> Result<Option<Total>, LogError> {
        let mut url = self.list_url(list)?;
        url.query_pairs_mut().append_pair("per_page", "1");
        let answer = self.http.get(&url).await?;
        if answer.status == StatusCode::BAD_REQUEST && code_of(&answer) == INVALID_PARAMETER {
            return Ok(None);
        }
        let page = page_of(answer, &url)?;
        match page.total {
            Some(total) => Ok(Some(total)),
            None => Err(not_a_log(&url, "it has no total")),
        }
    }

    /// The pages of a list, oldest first, of the events behind `after` and up to `last`.
    pub fn pages<'a>(
        &'a self,
        list: &'a List,
        after: EventId,
        last: Option<EventId>,
    ) -> impl Stream<Item = Result<Page, LogError>> + 'a {
        try_unfold(Some(after), move |after| async move {
            let Some(after) = after else {
                return Ok(None);
            };
            let mut page = self.page(list, after, PER_PAGE).await?;
            if let Some(last) = last {
                let events = page.recorded.partition_point(|event| event.id <= last);
                if events < page.recorded.len() || page.next.is_some_and(|next| next >= last) {
                    page.next = None;
                }
                page.recorded.truncate(events);
                page.events.truncate(events);
            }
            let next = page.next;
            Ok(Some((page, next)))
        })
    }

    /// The page behind `after`.
    ///
    /// # Errors
    ///
    /// [`LogError`], also for a page that is not in order: its cursors would never end.
    pub async fn page(&self, list: &List, after: EventId, per_page: u16) -> Result<Page, LogError> {
        let mut url = self.list_url(list)?;
        url.query_pairs_mut()
            .append_pair("order", "asc")
            .append_pair("per_page", &per_page.to_string())
            .append_pair("total", "false")
            .append_pair("cursor", &after.to_string());
        let page = page_of(self.http.get(&url).await?, &url)?;
        let mut previous = after;
        let next = page.next.into_iter();
        for id in page.recorded.iter().map(|event| event.id) {
            if id <= previous {
                return Err(not_a_log(
                    &url,
                    "its events are not in the order of their ids",
                ));
            }
            previous = id;
        }
        for next in next {
            if next < previous || next <= after {
                return Err(not_a_log(&url, "its next_cursor leads back"));
            }
        }
        Ok(page)
    }

    fn list_url(&self, list: &List) -> Result<Url, LogError> {
        let mut url = self.url("events")?;
        if let List::With(field, value) = list {
            url.query_pairs_mut().append_pair(field.name(), value);
        }
        Ok(url)
    }

    fn url(&self, path: &str) -> Result<Url, LogError> {
        let url = self.base.join(path);
        url.map_err(|_| LogError::Url(self.base.to_string()))
    }
}

fn page_of(answer: Answer, url: &Url) -> Result<Page, LogError> {
    if answer.status != StatusCode::OK {
        return Err(answer.refused(url));
    }
    let text = utf8(answer.body, url)?;
    let page: RawPage<'_> =
        serde_json::from_str(&text).map_err(|error| not_a_log(url, &error.to_string()))?;
    let mut recorded = Vec::with_capacity(page.events.len());
    for raw in &page.events {
        let event = RecordedEvent::parse(raw.get()).map_err(|problem| not_a_log(url, problem))?;
        recorded.push(event);
    }
    let next = match &page.next_cursor {
        Some(cursor) => {
            let next = EventId::parse(cursor);
            Some(next.ok_or_else(|| not_a_log(url, "its next_cursor is no id"))?)
        }
        None => None,
    };
    let total = page.total.map(|events| Total {
        events,
        is_exact: page.total_exact == Some(true),
    });
    Ok(Page {
        events: page.events.iter().map(|raw| raw.get().to_owned()).collect(),
        recorded,
        next,
        total,
    })
}

/// The code of an error of the service, or nothing for any other response.
fn code_of(answer: &Answer) -> String {
    let problem: Result<Problem, _> = serde_json::from_slice(&answer.body);
    problem.map(|problem| problem.code).unwrap_or_default()
}

fn utf8(body: Vec<u8>, url: &Url) -> Result<String, LogError> {
    String::from_utf8(body).map_err(|_| not_a_log(url, "it is not UTF-8"))
}

fn not_a_log(url: &Url, problem: &str) -> LogError {
    LogError::NotALog {
        url: url.to_string(),
        problem: problem.to_owned(),
    }
}
