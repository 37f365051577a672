//! Reads a list from its oldest event on, also past events that the service cannot show.

use audit_log::event::EventId;
use audit_log_client::{Code, Error, MAX_PER_PAGE};

use crate::log::service::{List, Service, first_id};
use crate::log::{LogError, RecordedEvent};

/// How many events in a row are stepped over. Behind as many, the list counts as unreadable.
const MAX_STEPS: u32 = 100;
/// By how much a page becomes smaller that the service cannot show. As many of the smaller ones have
/// the event because of which it cannot.
const SHRINK: u16 = 10;
/// How many pages in a row may have no events. A list with one filter has none of them.
const MAX_EMPTY_PAGES: u32 = 1000;

/// A place in a list, from which it is read on.
#[derive(Debug)]
pub struct Walk {
    list: List,
    after: EventId,
    /// The last event that is asked for. `None` at the end of the list.
    last: Option<EventId>,
    per_page: u16,
    /// How many pages of this size are read before a large one is tried again.
    small_pages: u16,
    /// Where something was passed that is no entry of the log.
    passed: Option<EventId>,
    steps: u32,
    skipped: u64,
    empty_pages: u32,
    is_done: bool,
}

impl Walk {
    /// The events of a list behind `after`, up to `last`.
    pub fn new(list: List, after: EventId, last: Option<EventId>) -> Walk {
        Walk {
            list,
            after,
            last,
            per_page: MAX_PER_PAGE,
            small_pages: 0,
            passed: None,
            steps: 0,
            skipped: 0,
            empty_pages: 0,
            is_done: false,
        }
    }

    /// The next events, also behind those that the service cannot show. `None` at the end. `entry`
    /// gives the first entry of the list that follows an id.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn read(
        &mut self,
        service: &Service,
        entry: impl Fn(EventId) -> Option<EventId>,
    ) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        loop {
            if let Some(events) = readable(self.next(service).await)? {
                return Ok(events);
            }
            self.step_over(entry(self.after));
            if self.is_done {
                return Ok(Some(Vec::new()));
            }
        }
    }

    /// The next events. `None` at the end.
    ///
    /// # Errors
    ///
    /// [`LogError`]. If the service [cannot show](readable) what follows, [`read`](Walk::read) goes
    /// on.
    pub async fn next(
        &mut self,
        service: &Service,
    ) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        if self.is_done {
            return Ok(None);
        }
        let page = service.page(&self.list, self.after, self.per_page).await?;
        let mut events = page.recorded;
        self.is_done = page.next.is_none();
        if let Some(last) = self.last {
            let wanted = events.partition_point(|event| event.id <= last);
            self.is_done |= wanted < events.len() || page.next.is_some_and(|next| next >= last);
            events.truncate(wanted);
        }
        self.empty_pages = if events.is_empty() {
            self.empty_pages + 1
        } else {
            0
        };
        self.is_done |= self.empty_pages > MAX_EMPTY_PAGES;
        self.after = page.next.unwrap_or(self.after);
        self.small_pages = self.small_pages.saturating_sub(1);
        if self.small_pages == 0 {
            self.per_page = MAX_PER_PAGE;
        }
        self.steps = 0;
        Ok(Some(events))
    }

    /// Goes on after a failure: with a smaller page, and then behind the event that the service
    /// cannot show. `entry` is the first entry of the list that follows.
    fn step_over(&mut self, entry: Option<EventId>) {
        if self.per_page > 1 {
            self.per_page = (self.per_page / SHRINK).max(1);
            self.small_pages = SHRINK;
            return;
        }
        self.steps += 1;
        let entry = entry.filter(|entry| self.last.is_none_or(|last| *entry <= last));
        let Some(entry) = entry.filter(|_| self.steps <= MAX_STEPS) else {
            self.passed = Some(self.after);
            self.skipped += 1;
            self.is_done = true;
            return;
        };
        // It may be the entry, or an event in front of it.
        let in_front = before(entry);
        if in_front > self.after {
            self.passed = Some(self.after);
            self.after = in_front;
            self.small_pages = 1;
        } else {
            self.passed = None;
            self.skipped += 1;
            self.after = entry;
            self.per_page = MAX_PER_PAGE;
        }
    }

    /// How many events were stepped over, at least.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Where something was passed that is no entry, if there was something.
    pub fn take_passed(&mut self) -> Option<EventId> {
        self.passed.take()
    }
}

/// What was read, or `None` if the service cannot show it. A stored event that somebody broke makes
/// the service fail, or its response no JSON.
///
/// # Errors
///
/// [`LogError`], if the failure is about the service as a whole.
pub fn readable<T>(read: Result<T, LogError>) -> Result<Option<T>, LogError> {
    let error = match read {
        Ok(read) => return Ok(Some(read)),
        Err(error) => error,
    };
    let is_unreadable = match &error {
        LogError::Service(Error::NotALog { .. }) => true,
        LogError::Service(error) => matches!(
            error.code(),
            Some(Code::InternalError | Code::InvalidParameter)
        ),
        LogError::File { .. } => false,
    };
    match is_unreadable {
        true => Ok(None),
        false => Err(error),
    }
}

/// An id right before this one.
pub fn before(id: EventId) -> EventId {
    EventId::from_bits(id.to_bits().saturating_sub(1)).unwrap_or(first_id())
}
