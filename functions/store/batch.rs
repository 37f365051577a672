//! BatchGetItem, strongly consistent, of one table.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use super::Error;
use super::stored::Item;
use crate::effects::jitter;

/// The most keys of one BatchGetItem:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub(crate) const MAX_BATCH_KEYS: usize = 100;

const OPERATION: &str = "BatchGetItem";
/// The longest pause before the keys that DynamoDB left unprocessed are asked for again; it doubles while none comes.
const UNPROCESSED_PAUSE: Duration = Duration::from_millis(20);
/// How often they are asked for again while none of them comes.
const UNPROCESSED_TRIES: u32 = 6;

/// What a batch of keys brought.
pub(crate) struct Batch {
    /// The items that are there, in any order.
    pub found: Vec<Item>,
    /// The keys that DynamoDB left unprocessed to the end of all patience. Only a key that is not among them, and has no
    /// item, is absent.
    pub unprocessed: Vec<Item>,
}

impl Batch {
    /// The error for a key that was left unprocessed.
    pub fn throttled(&self) -> Error {
        let detail = format!("{} keys stayed unprocessed", self.unprocessed.len());
        Error::Throttled { operation: OPERATION, detail }
    }
}

/// Reads the items with these keys, at most [`MAX_BATCH_KEYS`], strongly consistent.
///
/// # Errors
///
/// [`Error`], when DynamoDB does not answer or refuses.
pub(crate) async fn batch_get(client: &Client, table: &str, keys: Vec<Item>) -> Result<Batch, Error> {
    let mut batch = Batch { found: Vec::with_capacity(keys.len()), unprocessed: keys };
    let mut tries = 0;
    while !batch.unprocessed.is_empty() && tries < UNPROCESSED_TRIES {
        if tries > 0 {
            tokio::time::sleep(jitter(UNPROCESSED_PAUSE * 2_u32.pow(tries))).await;
        }
        let asked = batch.unprocessed.len();
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(std::mem::take(&mut batch.unprocessed)))
            .consistent_read(true)
            .build()
            .map_err(|error| Error::Refused { operation: OPERATION, detail: error.to_string() })?;
        let get = client
            .batch_get_item()
            .request_items(table, keys)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let response = Box::pin(get.send()).await.map_err(|error| Error::from_sdk(OPERATION, &error))?;
        batch.found.extend(response.responses.unwrap_or_default().remove(table).unwrap_or_default());
        let left = response.unprocessed_keys.unwrap_or_default().remove(table);
        batch.unprocessed = left.map(|left| left.keys).unwrap_or_default();
        // A key that was processed has no item where there is none.
        tries = if batch.unprocessed.len() < asked { 1 } else { tries + 1 };
    }
    Ok(batch)
}
