//! One page of a scope, newest first.

use super::get::BATCH_KEYS_MAX;
use super::walk::{Walk, What};
use super::{Error, EventLog, Scope, StoredEvent};
use crate::event::{EventId, IdRange};

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub events: Vec<StoredEvent>,
    /// More events follow the last of these.
    pub more: bool,
    /// The page is shorter than was asked, because the next event would not have fitted.
    pub cut: bool,
}

impl Page {
    /// Where the next page starts: the id of the last event, if more follow.
    pub fn next_cursor(&self) -> Option<EventId> {
        self.events.last().filter(|_| self.more).map(|event| event.id)
    }
}

impl EventLog {
    /// The newest events of `scope` in `range`: at most `limit`, and no more than `fits` takes. `fits` is asked
    /// once for each event in turn.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer. Never a shorter page instead.
    pub async fn list(
        &self,
        scope: &Scope,
        range: IdRange,
        limit: usize,
        fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        match scope {
            Scope::Everyone => self.list_table(range, limit, fits).await,
            Scope::User(_) => self.list_index(scope, range, limit, fits).await,
        }
    }

    async fn list_table(
        &self,
        range: IdRange,
        limit: usize,
        mut fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut walk = Walk::new(self, &Scope::Everyone, range, limit, What::Events);
        while let Some(row) = walk.next().await? {
            page.more = page.events.len() == limit;
            if page.more {
                break;
            }
            let event = row.event()?;
            if !fits(&event) {
                (page.more, page.cut) = (true, true);
                break;
            }
            page.events.push(event);
        }
        Ok(page)
    }

    /// The index has only keys; the events come from the table.
    async fn list_index(
        &self,
        scope: &Scope,
        range: IdRange,
        limit: usize,
        mut fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut ids = Vec::with_capacity(limit);
        let mut walk = Walk::new(self, scope, range, limit, What::Keys);
        while let Some(row) = walk.next().await? {
            page.more = ids.len() == limit;
            if page.more {
                break;
            }
            ids.push(row.id()?);
        }
        for ids in ids.chunks(BATCH_KEYS_MAX) {
            for event in self.get_batch(ids).await? {
                if !fits(&event) {
                    (page.more, page.cut) = (true, true);
                    return Ok(page);
                }
                page.events.push(event);
            }
        }
        Ok(page)
    }
}
