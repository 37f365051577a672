//! One page of a scope, newest first.

use super::batch::MAX_BATCH_KEYS;
use super::walk::{Partition, Seen, Walk, What};
use super::{Error, EventStore, Scope, StoredEvent};
use crate::event::{EventId, IdRange, MAX_DOCUMENT_BYTES};

/// How many events are read by id before it is known how large they are: about as many bytes as an answer carries, be they
/// the largest. What is read beyond the answer is paid for, and held, in vain.
const BATCH_KEYS_FIRST: usize = 25;

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

/// Reads one page of a scope: [`start`](PageReader::start), then [`read`](PageReader::read), then
/// [`EventStore::page`].
pub struct PageReader {
    walk: Walk,
    what: What,
    limit: usize,
}

/// A page that is read, or, where an index gave only keys, the ids of its events.
pub struct Rows(Found);

enum Found {
    Events(Page),
    Ids { ids: Vec<EventId>, more: bool },
}

impl PageReader {
    /// Asks every partition once, all together.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer.
    pub async fn start(&mut self) -> Result<(), Error> {
        self.walk.fill().await
    }

    /// Takes more partitions of the scope into the page.
    pub fn extend(&mut self, partitions: Vec<Partition>) {
        self.walk.extend(partitions);
    }

    /// Reads on, as far as the page needs: no more events than `fits` takes, which is asked once for each event in turn.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer. Never a shorter page instead.
    pub async fn read(&mut self, fits: impl FnMut(&StoredEvent) -> bool) -> Result<Rows, Error> {
        Ok(Rows(match self.what {
            What::Events => Found::Events(from_table(&mut self.walk, self.limit, fits).await?),
            What::Keys => {
                let (ids, more) = from_index(&mut self.walk, self.limit).await?;
                Found::Ids { ids, more }
            }
        }))
    }

    /// What has been read so far, and so need not be read again to be counted.
    pub fn seen(&self) -> Vec<Seen> {
        self.walk.seen()
    }
}

impl EventStore {
    /// A reader of the newest `limit` events of these partitions of `scope` in `range`.
    pub fn page_reader(&self, scope: &Scope, partitions: Vec<Partition>, range: IdRange, limit: usize) -> PageReader {
        let what = match scope {
            Scope::Everyone => What::Events,
            // The index has the keys alone.
            Scope::User(_) => What::Keys,
        };
        PageReader { walk: Walk::new(self, partitions, range, limit, what), what, limit }
    }

    /// The page that a reader has found: no more events than `fits` takes.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer. Never a shorter page instead.
    pub async fn page(&self, rows: Rows, fits: impl FnMut(&StoredEvent) -> bool) -> Result<Page, Error> {
        match rows.0 {
            Found::Events(page) => Ok(page),
            Found::Ids { ids, more } => self.fetch(&ids, more, fits).await,
        }
    }

    /// A page of the events with these ids: the index has only keys, the events come from the table.
    async fn fetch(
        &self,
        ids: &[EventId],
        more: bool,
        mut fits: impl FnMut(&StoredEvent) -> bool,
    ) -> Result<Page, Error> {
        let mut page = Page { more, ..Page::default() };
        let (mut rest, mut batch, mut bytes) = (ids, BATCH_KEYS_FIRST, 0);
        while !rest.is_empty() {
            let (ids, later) = rest.split_at(rest.len().min(batch));
            for event in self.get_batch(ids).await? {
                if !fits(&event) {
                    (page.more, page.cut) = (true, true);
                    return Ok(page);
                }
                bytes += event.json.len();
                page.events.push(event);
            }
            batch = next_batch(page.events.len(), bytes);
            rest = later;
        }
        Ok(page)
    }
}

/// How many events to read next, after so many with so many bytes: as many as are no more than the first batch can be, if they
/// are as large as these.
fn next_batch(events: usize, bytes: usize) -> usize {
    let average = (bytes / events.max(1)).max(1);
    (BATCH_KEYS_FIRST * MAX_DOCUMENT_BYTES / average).clamp(BATCH_KEYS_FIRST, MAX_BATCH_KEYS)
}

async fn from_table(walk: &mut Walk, limit: usize, mut fits: impl FnMut(&StoredEvent) -> bool) -> Result<Page, Error> {
    let mut page = Page::default();
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

/// The ids of a page, and whether more follow.
async fn from_index(walk: &mut Walk, limit: usize) -> Result<(Vec<EventId>, bool), Error> {
    let mut ids = Vec::with_capacity(limit);
    while let Some(row) = walk.next().await? {
        if ids.len() == limit {
            return Ok((ids, true));
        }
        ids.push(row.id()?);
    }
    Ok((ids, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_batch_is_as_large_as_the_events_before_are_small() {
        for (events, bytes, expected) in [
            (25, 25 * 1024, MAX_BATCH_KEYS),
            (25, 25 * MAX_DOCUMENT_BYTES, BATCH_KEYS_FIRST),
            (25, 25 * MAX_DOCUMENT_BYTES / 2, 2 * BATCH_KEYS_FIRST),
            (1, 0, MAX_BATCH_KEYS),
        ] {
            assert_eq!(next_batch(events, bytes), expected, "{events} events of {bytes} bytes");
        }
    }
}
