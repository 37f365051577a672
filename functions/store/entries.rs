//! Reading events for the transparency log, which the stream did not deliver.

use super::query::{query, send};
use super::stored::{entry_of, id_of};
use super::{Error, EventStore, Partition};
use crate::event::{EventId, IdRange, Order};
use crate::tree::Entry;

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
        let entries: Vec<Entry> = items
            .iter()
            .filter_map(|item| entry_of(item).ok())
            .collect();
        Ok(EntriesSlice {
            not_events: items.len() - entries.len(),
            entries,
            next,
        })
    }
}
