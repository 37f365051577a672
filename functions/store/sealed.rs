//! Events as the transparency log has them.

use std::collections::{BTreeSet, HashMap};

use serde_json::value::RawValue;

use super::attributes::Item;
use super::batch::batch_get;
use super::list::{FIRST_BATCH_KEYS, next_batch_keys};
use super::stored::{entry_of, id_of, key};
use super::{Error, EventStore, StoredEvent};
use crate::event::EventId;
use crate::tree::Entry;

/// What the events table has for an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEvent {
    /// The id in the entry.
    pub id: EventId,
    /// The event, if it is the one that was sealed.
    pub event: Result<StoredEvent, Suspicion>,
}

/// Why an entry of the log has no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// There is no event with this id.
    Missing,
    /// The event with this id is not the one that was sealed.
    Changed,
}

impl Suspicion {
    /// The name in a response.
    pub const fn as_str(self) -> &'static str {
        match self {
            Suspicion::Missing => "missing",
            Suspicion::Changed => "changed",
        }
    }
}

impl EventStore {
    /// The entry that the event with this id has in the log, computed from what is stored now. The
    /// read is strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request, or when the item is not
    /// that of an event.
    pub async fn entry(&self, id: EventId) -> Result<Option<Entry>, Error> {
        let item = self.get_item(id).await?;
        item.map(|item| entry_of(&item)).transpose()
    }

    /// Gives `take` the events of these entries one by one, in this order, until it returns `false`
    /// for one that it does not want. The reads are strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result. An event that is gone or cannot
    /// be read is no error.
    pub async fn sealed(
        &self,
        entries: &[Entry],
        mut take: impl FnMut(SealedEvent) -> bool,
    ) -> Result<(), Error> {
        let mut rest = entries;
        let mut batch_keys = FIRST_BATCH_KEYS;
        let mut taken = 0;
        let mut bytes = 0;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(batch_keys));
            let items = self.items_of(batch).await?;
            for entry in batch {
                let sealed = sealed_event(entry, items.get(&entry.id));
                taken += 1;
                bytes += sealed.event.as_ref().map_or(0, |event| event.json.len());
                if !take(sealed) {
                    return Ok(());
                }
            }
            batch_keys = next_batch_keys(taken, bytes);
            rest = later;
        }
        Ok(())
    }

    /// The items that exist of these entries. Two entries can have one id, and DynamoDB refuses a
    /// key that comes twice.
    async fn items_of(&self, entries: &[Entry]) -> Result<HashMap<EventId, Item>, Error> {
        let ids: BTreeSet<EventId> = entries.iter().map(|entry| entry.id).collect();
        let keys = ids.into_iter().map(key).collect();
        let batch = batch_get(&self.client, &self.table, keys).await?;
        if !batch.unprocessed.is_empty() {
            return Err(batch.throttled());
        }
        let items = batch.found.into_iter();
        items.map(|item| Ok((id_of(&item)?, item))).collect()
    }
}

fn sealed_event(entry: &Entry, item: Option<&Item>) -> SealedEvent {
    let id = entry.id;
    let Some(item) = item else {
        let event = Err(Suspicion::Missing);
        return SealedEvent { id, event };
    };
    // An item that cannot be read is not what was sealed.
    let is_sealed = entry_of(item).is_ok_and(|found| found == *entry);
    let event = match StoredEvent::from_item(item) {
        Ok(event) if is_sealed && is_json(&event.json) => Ok(event),
        _ => Err(Suspicion::Changed),
    };
    SealedEvent { id, event }
}

/// Whether a page with this text can be read. An item that somebody planted may have any text, and
/// its entry then covers that text.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}
