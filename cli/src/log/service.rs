//! The routes of a running service, as an audit reads them.

use audit_log::event::{EventId, Field};
use audit_log::tree::Tile;
use audit_log_client::{self as client, Code, Filter, Order};
use futures_util::stream::TryStreamExt;
use reqwest::StatusCode;

use super::{LogError, RecordedEvent};

pub use audit_log_client::Total;

/// A value that any list can be filtered by.
const ANY_VALUE: &str = "audit-log-verify";

/// A running log.
#[derive(Debug)]
pub struct Service {
    log: client::Log,
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
#[derive(Debug, Default)]
pub struct Page {
    /// The texts of the events, as they were sent.
    pub events: Vec<String>,
    /// The events.
    pub recorded: Vec<RecordedEvent>,
    /// Where the next page begins. `None` on the last one.
    pub next: Option<EventId>,
}

impl Service {
    /// The log behind this client.
    pub fn new(log: client::Log) -> Service {
        Service { log }
    }

    /// `GET /log/checkpoint`.
    ///
    /// # Errors
    ///
    /// [`LogError`], as for every read here.
    pub async fn checkpoint(&self) -> Result<Option<String>, LogError> {
        Ok(self.log.checkpoint().await?)
    }

    /// `GET /log/tile/…`.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LogError> {
        let url = self.log.join(&format!("log/{tile}"))?;
        let response = self.log.http().get(&url).await?;
        if response.status == StatusCode::OK {
            return Ok(Some(response.body));
        }
        let refusal = response.refusal(&url);
        match refusal.code {
            Some(Code::NotFound) => Ok(None),
            // The service says so of a tile that the checkpoint promises and its table lacks.
            Some(Code::InternalError) => Ok(None),
            _ => Err(response.refused(&url).into()),
        }
    }

    /// `GET /events/{id}`. `None` if there is no such event.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn event(&self, id: EventId) -> Result<Option<RecordedEvent>, LogError> {
        let Some(event) = self.log.event(&id.to_string()).await? else {
            return Ok(None);
        };
        let event = RecordedEvent::parse(event.text());
        match event {
            Ok(event) => Ok(Some(event)),
            Err(problem) => Err(self.not_a_log(problem)),
        }
    }

    /// How many events a list has, if the service says it.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn total(&self, list: &List) -> Result<Option<Total>, LogError> {
        Ok(self.log.page(&filter(list), 1, 1).await?.total)
    }

    /// The next events of a list behind `after`, oldest first.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn page(&self, list: &List, after: EventId, per_page: u16) -> Result<Page, LogError> {
        let filter = filter(list).after(after.to_string());
        match self.log.pages(&filter, per_page).try_next().await? {
            Some(page) => self.page_of(page),
            None => Ok(Page::default()),
        }
    }

    /// Whether the log has lists by this field.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn has_lists_by(&self, field: Field) -> Result<bool, LogError> {
        let any = List::With(field, ANY_VALUE.to_owned());
        match self.page(&any, first_id(), 1).await {
            Err(LogError::Service(error)) if error.code() == Some(&Code::InvalidParameter) => {
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(true),
        }
    }

    fn page_of(&self, page: client::Page) -> Result<Page, LogError> {
        let mut recorded = Vec::with_capacity(page.events.len());
        for event in &page.events {
            let event = RecordedEvent::parse(event.text());
            recorded.push(event.map_err(|problem| self.not_a_log(problem))?);
        }
        let next = match &page.next {
            Some(next) => {
                let next = EventId::parse(next);
                Some(next.ok_or_else(|| self.not_a_log("its next_cursor is no id"))?)
            }
            None => None,
        };
        let events = page.events.into_iter();
        Ok(Page {
            events: events.map(client::RecordedEvent::into_text).collect(),
            recorded,
            next,
        })
    }

    fn not_a_log(&self, problem: &str) -> LogError {
        LogError::from(client::Error::NotALog {
            url: self.log.url().to_string(),
            problem: problem.to_owned(),
        })
    }
}

/// The lowest id: a list that begins behind it has every event.
pub fn first_id() -> EventId {
    EventId::before_all(audit_log::event::Order::Ascending)
}

fn filter(list: &List) -> Filter {
    let filter = Filter::new().order(Order::Ascending);
    match list {
        List::All => filter,
        List::With(Field::UserId, value) => filter.user_id(value),
        List::With(Field::EventType, value) => filter.event_type(value),
        List::With(Field::SrcService, value) => filter.src_service(value),
    }
}
