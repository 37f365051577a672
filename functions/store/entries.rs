//! Reading events for the transparency log, which the stream did not deliver.

use super::attributes::Item;
use super::query::{query, send};
use super::schema::{RECORDED_AT, RECORDED_BY, RECORDED_FROM, SALT};
use super::stored::{document_of, id_of, text};
use super::{Error, EventStore, Partition};
use crate::event::{EventId, IdRange, Order};
use crate::tree::{Content, Entry};

/// The entries of some events of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntriesSlice {
    /// In the order of their ids.
    pub entries: Vec<Entry>,
    /// How many items were read that are not events.
    pub not_events: usize,
    /// The id of the last event that was read, if more may follow it.
    pub next: Option<EventId>,
}

impl EventStore {
    /// Reads some events of a shard after the one with this id, and gives the entries that they have
    /// in the transparency log.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn entries_of(
        &self,
        shard: u8,
        after: Option<EventId>,
    ) -> Result<EntriesSlice, Error> {
        let range = match after {
            Some(id) => IdRange::ALL.after(id, Order::Ascending),
            None => IdRange::ALL,
        };
        let Some(query) = query(self, &Partition::Shard(shard), range) else {
            return Ok(EntriesSlice::default());
        };
        let output = send(query).await?;
        let next = output.last_evaluated_key.as_ref().map(id_of).transpose()?;
        let items = output.items();
        let entries: Vec<Entry> = items.iter().filter_map(|item| entry(item).ok()).collect();
        Ok(EntriesSlice {
            not_events: items.len() - entries.len(),
            entries,
            next,
        })
    }
}

/// The entry of an event, from its item.
fn entry(item: &Item) -> Result<Entry, Error> {
    let content = Content {
        salt: optional(item, SALT)?,
        at: text(item, RECORDED_AT)?,
        by: optional(item, RECORDED_BY)?,
        from: optional(item, RECORDED_FROM)?,
        document: document_of(item)?,
    };
    Ok(Entry::new(id_of(item)?, &content))
}

/// An attribute that may be absent, and is a string if it is not.
fn optional<'a>(item: &'a Item, attribute: &'static str) -> Result<Option<&'a str>, Error> {
    if !item.contains_key(attribute) {
        return Ok(None);
    }
    text(item, attribute).map(Some)
}
