//! Reading events whose ids are known.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use super::batch::batch_get;
use super::stored::{Item, id_of, key};
use super::{Error, EventStore, StoredEvent};
use crate::event::EventId;

impl EventStore {
    /// The event with this id, strongly consistent, or `None`.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn get(&self, id: EventId) -> Result<Option<StoredEvent>, Error> {
        self.get_item(id).await?.as_ref().map(StoredEvent::from_item).transpose()
    }

    /// The item of the event with this id, strongly consistent, or `None`.
    pub(super) async fn get_item(&self, id: EventId) -> Result<Option<Item>, Error> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(id)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let response = Box::pin(get.send()).await.map_err(|error| Error::from_sdk("GetItem", &error))?;
        Ok(response.item)
    }

    /// The events with these ids (at most [`MAX_BATCH_KEYS`](super::MAX_BATCH_KEYS)), in the order of the ids.
    ///
    /// Strongly consistent: an id comes from the index, which can know an event before a lagging replica does.
    pub(super) async fn get_batch(&self, ids: &[EventId]) -> Result<Vec<StoredEvent>, Error> {
        let keys = ids.iter().copied().map(key).collect();
        let batch = batch_get(&self.client, &self.table, keys).await?;
        if batch.unprocessed.is_empty() {
            return in_order(ids, &batch.found);
        }
        Err(batch.throttled())
    }
}

fn in_order(ids: &[EventId], found: &[Item]) -> Result<Vec<StoredEvent>, Error> {
    let mut by_id = std::collections::HashMap::with_capacity(found.len());
    for item in found {
        by_id.insert(id_of(item)?, item);
    }
    // An id without its event would leave a hole in the list that nobody could see.
    ids.iter()
        .map(|id| by_id.get(id).ok_or(Error::corrupt(super::schema::ID)))
        .map(|item| StoredEvent::from_item(item?))
        .collect()
}
