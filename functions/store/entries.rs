//! Reading events for the transparency log, which the stream did not deliver.

use aws_sdk_dynamodb::types::AttributeValue;

use super::query::{query, send};
use super::schema::{EVENT, RECORDED_AT, RECORDED_BY, RECORDED_FROM};
use super::stored::{Item, id_of};
use super::{Error, EventStore, Partition};
use crate::event::{EventId, IdRange, Order};
use crate::tree::{Content, Entry};

/// The salt of the event's commitment. Absent in events from before there was a log.
const SALT: &str = "salt";

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
        salt: text(item, SALT)?,
        at: required(item, RECORDED_AT)?,
        by: text(item, RECORDED_BY)?,
        from: text(item, RECORDED_FROM)?,
        document: required(item, EVENT)?,
    };
    Ok(Entry::new(id_of(item)?, &content))
}

fn required<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, Error> {
    text(item, attribute)?.ok_or(Error::corrupt(attribute))
}

/// An attribute that may be absent, and is a string if it is not.
fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<Option<&'a str>, Error> {
    match item.get(attribute) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(_) => Err(Error::corrupt(attribute)),
    }
}
