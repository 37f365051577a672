//! One page of a scope.

use super::batch::MAX_BATCH_KEYS;
use super::walk::Walk;
use super::{Error, EventStore, Partition, Scope, Seen, Selection, StoredEvent};
use crate::event::{EventId, MAX_DOCUMENT_BYTES};

/// How many events are read by id before their size is known: about as many bytes as a response
/// carries, even if they are the largest. Reading more than the response takes would waste read
/// units and memory.
pub(super) const FIRST_BATCH_KEYS: usize = 25;

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of the list.
    pub events: Vec<StoredEvent>,
    /// Why there are no more events on this page.
    pub end: PageEnd,
}

/// Why a page ends where it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageEnd {
    /// No event follows.
    #[default]
    Last,
    /// The page is full, and more events follow.
    Full,
    /// The next event would not have fitted into the response.
    TooLarge,
    /// Entries follow that the request did not examine: see [`EventStore::scan`].
    Unexamined {
        /// The last entry that it examined.
        after: EventId,
    },
}

impl Page {
    /// Whether another event certainly follows the last one of the page.
    pub fn has_more(&self) -> bool {
        matches!(self.end, PageEnd::Full | PageEnd::TooLarge)
    }

    /// The event after which the next page starts, if more events may follow.
    pub fn next_cursor(&self) -> Option<EventId> {
        match self.end {
            PageEnd::Last => None,
            PageEnd::Full | PageEnd::TooLarge => self.events.last().map(|event| event.id),
            PageEnd::Unexamined { after } => Some(after),
        }
    }

    /// Adds an event unless `fits` rejects it. Returns whether it was added.
    fn push(&mut self, event: StoredEvent, fits: &mut impl FnMut(&StoredEvent) -> bool) -> bool {
        if !fits(&event) {
            self.end = PageEnd::TooLarge;
            return false;
        }
        self.events.push(event);
        true
    }
}

/// Reads one page of a scope: [`start`](PageReader::start), then [`read`](PageReader::read), then
/// [`EventStore::page`].
pub struct PageReader {
    walk: PageWalk,
    limit: usize,
}

enum PageWalk {
    /// Over the table, which has the events.
    Table(Walk<StoredEvent>),
    /// Over a GSI, which has no documents.
    Gsi(Walk<EventId>),
}

/// A page that was read or, where a GSI gave no documents, the ids of its events.
pub struct Rows(Found);

enum Found {
    Events(Page),
    Ids { ids: Vec<EventId>, end: PageEnd },
}

impl PageReader {
    /// Queries every partition once, all at the same time.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn start(&mut self) -> Result<(), Error> {
        match &mut self.walk {
            PageWalk::Table(walk) => walk.fill().await,
            PageWalk::Gsi(walk) => walk.fill().await,
        }
    }

    /// Takes more partitions of the scope into the page.
    pub fn extend(&mut self, partitions: Vec<Partition>) {
        match &mut self.walk {
            PageWalk::Table(walk) => walk.extend(partitions),
            PageWalk::Gsi(walk) => walk.extend(partitions),
        }
    }

    /// Reads the rest of the page, and no more events than `fits` accepts. It is called once for
    /// each event in turn.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result. It is never a shorter page
    /// instead.
    pub async fn read(&mut self, fits: impl FnMut(&StoredEvent) -> bool) -> Result<Rows, Error> {
        let found = match &mut self.walk {
            PageWalk::Table(walk) => Found::Events(read_events(walk, self.limit, fits).await?),
            PageWalk::Gsi(walk) => read_ids(walk, self.limit).await?,
        };
        Ok(Rows(found))
    }

    /// What has been read so far, which need not be read again to be counted.
    pub fn seen(&self) -> Vec<Seen> {
        match &self.walk {
            PageWalk::Table(walk) => walk.seen(),
            PageWalk::Gsi(walk) => walk.seen(),
        }
    }
}

impl EventStore {
    /// A reader of the first `limit` events of a selection, which lie in these partitions.
    pub fn page_reader(
        &self,
        selection: &Selection,
        partitions: Vec<Partition>,
        limit: usize,
    ) -> PageReader {
        let Selection {
            scope,
            range,
            order,
        } = selection;
        let walk = match scope {
            Scope::Everyone => PageWalk::Table(Walk::new(self, partitions, *range, *order, limit)),
            Scope::With(_) => PageWalk::Gsi(Walk::new(self, partitions, *range, *order, limit)),
        };
        PageReader { walk, limit }
    }

    /// The page that a reader has found, with no more events than `fits` accepts.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result. It is never a shorter page
    /// instead.
    pub async fn page(
        &self,
        rows: Rows,
        fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        match rows.0 {
            Found::Events(page) => Ok(page),
            Found::Ids { ids, end } => self.page_of(&ids, end, fits).await,
        }
    }

    /// Reads the events with these ids from the table, batch by batch.
    pub(super) async fn page_of(
        &self,
        ids: &[EventId],
        end: PageEnd,
        mut fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        let mut page = Page {
            events: Vec::with_capacity(ids.len()),
            end,
        };
        let mut rest = ids;
        let mut batch_keys = FIRST_BATCH_KEYS;
        let mut bytes = 0;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(batch_keys));
            for event in self.get_batch(batch).await? {
                bytes += event.json.len();
                if !page.push(event, &mut fits) {
                    return Ok(page);
                }
            }
            batch_keys = next_batch_keys(page.events.len(), bytes);
            rest = later;
        }
        Ok(page)
    }
}

/// How many events to read next, given the number and bytes of those read so far. If the next ones
/// are as large, they have no more bytes than the first batch can have.
pub(super) fn next_batch_keys(events: usize, bytes: usize) -> usize {
    let average = (bytes / events.max(1)).max(1);
    let keys = FIRST_BATCH_KEYS * MAX_DOCUMENT_BYTES / average;
    keys.clamp(FIRST_BATCH_KEYS, MAX_BATCH_KEYS)
}

async fn read_events(
    walk: &mut Walk<StoredEvent>,
    limit: usize,
    mut fits: impl FnMut(&StoredEvent) -> bool,
) -> Result<Page, Error> {
    let mut page = Page::default();
    while let Some(row) = walk.next().await? {
        if page.events.len() == limit {
            page.end = PageEnd::Full;
            break;
        }
        if !page.push(row.read()?, &mut fits) {
            break;
        }
    }
    Ok(page)
}

async fn read_ids(walk: &mut Walk<EventId>, limit: usize) -> Result<Found, Error> {
    let mut ids = Vec::with_capacity(limit);
    while let Some(row) = walk.next().await? {
        if ids.len() == limit {
            let end = PageEnd::Full;
            return Ok(Found::Ids { ids, end });
        }
        ids.push(row.read()?);
    }
    let end = PageEnd::Last;
    Ok(Found::Ids { ids, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_batch_is_as_large_as_the_events_are_small() {
        for (events, bytes, expected) in [
            (25, 25 * 1024, MAX_BATCH_KEYS),
            (25, 25 * MAX_DOCUMENT_BYTES, FIRST_BATCH_KEYS),
            (25, 25 * MAX_DOCUMENT_BYTES / 2, 2 * FIRST_BATCH_KEYS),
            (1, 0, MAX_BATCH_KEYS),
        ] {
            let keys = next_batch_keys(events, bytes);
            assert_eq!(keys, expected, "{events} events of {bytes} bytes");
        }
    }
}
