//! Reading events whose ids are known.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use super::attributes::Item;
use super::batch::batch_get;
use super::schema::ID;
use super::stored::{id_of, key};
use super::{Error, EventStore, StoredEvent};
use crate::event::EventId;

impl EventStore {
    /// The event with this id, read strongly consistent, or `None`.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn get(&self, id: EventId) -> Result<Option<StoredEvent>, Error> {
        match self.get_item(id).await? {
            Some(item) => StoredEvent::from_item(&item).map(Some),
            None => Ok(None),
        }
    }

    /// The item of the event with this id, read strongly consistent, or `None`.
    pub(super) async fn get_item(&self, id: EventId) -> Result<Option<Item>, Error> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(id)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let output = Box::pin(get.send())
            .await
            .map_err(|error| Error::from_sdk("GetItem", &error))?;
        Ok(output.item)
    }

    /// The events with these ids, in the order of the ids. At most
    /// [`MAX_BATCH_KEYS`](super::MAX_BATCH_KEYS) ids.
    ///
    /// The read is strongly consistent. An id comes from a GSI, which can know an event before a
    /// lagging replica of the table does.
    pub(super) async fn get_batch(&self, ids: &[EventId]) -> Result<Vec<StoredEvent>, Error> {
        let keys = ids.iter().copied().map(key).collect();
        let batch = batch_get(&self.client, &self.table, keys).await?;
        if !batch.unprocessed.is_empty() {
            return Err(batch.throttled());
        }
        in_order(ids, &batch.found)
    }
}

fn in_order(ids: &[EventId], found: &[Item]) -> Result<Vec<StoredEvent>, Error> {
    let mut by_id = HashMap::with_capacity(found.len());
    for item in found {
        by_id.insert(id_of(item)?, item);
    }
    let mut events = Vec::with_capacity(ids.len());
    for id in ids {
        // Leaving out an id without an event would make a hole in the list that no reader sees.
        let item = by_id.get(id).ok_or(Error::corrupt(ID))?;
        events.push(StoredEvent::from_item(item)?);
    }
    Ok(events)
}
