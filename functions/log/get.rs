//! Reading events whose ids are known.

use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use super::stored::{Item, id_of, key};
use super::{Error, EventLog, StoredEvent};
use crate::boot::jitter;
use crate::event::EventId;

/// The most keys of one BatchGetItem:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub(super) const BATCH_KEYS_MAX: usize = 100;

/// The longest pause before the keys that DynamoDB left unprocessed are asked for again; it doubles while none comes.
const UNPROCESSED_PAUSE: Duration = Duration::from_millis(20);
/// How often they are asked for again while none of them comes.
const UNPROCESSED_TRIES: u32 = 6;

impl EventLog {
    /// The event with this id, strongly consistent, or `None`.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn get(&self, id: EventId) -> Result<Option<StoredEvent>, Error> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(id)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = Box::pin(get.send()).await.map_err(|error| Error::from_sdk("GetItem", &error))?;
        answer.item().map(StoredEvent::from_item).transpose()
    }

    /// The events with these ids (at most [`BATCH_KEYS_MAX`]), in the order of the ids.
    ///
    /// Strongly consistent: an id comes from the index, which can know an event before a lagging replica does.
    pub(super) async fn get_batch(&self, ids: &[EventId]) -> Result<Vec<StoredEvent>, Error> {
        const OPERATION: &str = "BatchGetItem";
        let mut wanted: Vec<Item> = ids.iter().copied().map(key).collect();
        let mut found: Vec<Item> = Vec::with_capacity(wanted.len());
        let mut tries = 0;
        while !wanted.is_empty() {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut wanted)))
                .consistent_read(true)
                .build()
                .map_err(|error| Error::Refused { operation: OPERATION, detail: error.to_string() })?;
            let get = self
                .client
                .batch_get_item()
                .request_items(&self.table, keys)
                .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
            let answer = Box::pin(get.send()).await.map_err(|error| Error::from_sdk(OPERATION, &error))?;
            let items = answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default();
            let progress = !items.is_empty();
            found.extend(items);
            if let Some(left) = answer.unprocessed_keys.unwrap_or_default().remove(&self.table) {
                wanted = left.keys;
                tries = if progress { 0 } else { tries + 1 };
                if tries == UNPROCESSED_TRIES {
                    let detail = format!("{} keys stayed unprocessed", wanted.len());
                    return Err(Error::Throttled { operation: OPERATION, detail });
                }
                tokio::time::sleep(jitter(UNPROCESSED_PAUSE * 2_u32.pow(tries))).await;
            }
        }
        in_order(ids, &found)
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
