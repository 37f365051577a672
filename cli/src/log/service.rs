//! The routes of a running service, as an audit reads them.

use audit_log::event::{EventId, Field};
use audit_log::tree::Tile;
use audit_log_client::{self as client, Code, Filter, Order};
use futures_util::stream::{Stream, TryStreamExt, try_unfold};
use reqwest::StatusCode;

use super::{LogError, RecordedEvent};

pub use audit_log_client::Total;

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
#[derive(Debug)]
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

    /// How many events a list has. `None` if the log has no such lists.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn total(&self, list: &List) -> Result<Option<Total>, LogError> {
        match self.log.page(&filter(list), 1, 1).await {
            Ok(page) => Ok(page.total),
            Err(error) if error.code() == Some(&Code::InvalidParameter) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The pages of a list, oldest first, of the events behind `after` and up to `last`.
    pub fn pages<'a>(
        &'a self,
        list: &List,
        after: EventId,
        last: Option<EventId>,
    ) -> impl Stream<Item = Result<Page, LogError>> + 'a {
        let filter = filter(list).after(after.to_string());
        let pages = self.log.pages(&filter, client::MAX_PER_PAGE);
        try_unfold(Some(pages), move |pages| async move {
            let Some(mut pages) = pages else {
                return Ok(None);
            };
            let Some(page) = pages.try_next().await? else {
                return Ok(None);
            };
            let mut page = self.page_of(page)?;
            let mut is_last = page.next.is_none();
            if let Some(last) = last {
                let events = page.recorded.partition_point(|event| event.id <= last);
                is_last |=
                    events < page.recorded.len() || page.next.is_some_and(|next| next >= last);
                page.recorded.truncate(events);
                page.events.truncate(events);
            }
            if is_last {
                page.next = None;
            }
            Ok(Some((page, (!is_last).then_some(pages))))
        })
    }

    /// The first event of a list that follows `after`.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn first(
        &self,
        list: &List,
        after: EventId,
    ) -> Result<Option<RecordedEvent>, LogError> {
        let filter = filter(list).after(after.to_string());
        let Some(page) = self.log.pages(&filter, 1).try_next().await? else {
            return Ok(None);
        };
        let page = self.page_of(page)?;
        Ok(page.recorded.into_iter().next())
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

fn filter(list: &List) -> Filter {
    let filter = Filter::new().order(Order::Ascending);
    match list {
        List::All => filter,
        List::With(Field::UserId, value) => filter.user_id(value),
        List::With(Field::EventType, value) => filter.event_type(value),
        List::With(Field::SrcService, value) => filter.src_service(value),
    }
}
