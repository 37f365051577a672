//! BatchGetItem of one table, strongly consistent.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use super::attributes::Item;
use super::{Error, Failure};
use crate::effects::jitter;

/// The most keys of one BatchGetItem:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub(crate) const MAX_BATCH_KEYS: usize = 100;

const OPERATION: &str = "BatchGetItem";
/// The longest pause before the unprocessed keys are requested again. It doubles while none of them
/// comes.
const UNPROCESSED_PAUSE: Duration = Duration::from_millis(20);
/// How often unprocessed keys are requested while none of them comes.
const MAX_UNPROCESSED_TRIES: u32 = 6;

/// The result for a batch of keys.
pub(crate) struct Batch {
    /// The items that exist, in any order.
    pub found: Vec<Item>,
    /// The keys that DynamoDB left unprocessed on every try. Only a key that is not among them, and
    /// has no item, is absent.
    pub unprocessed: Vec<Item>,
}

impl Batch {
    /// The error for a key that was left unprocessed.
    pub fn throttled(&self) -> Error {
        let detail = format!("{} keys stayed unprocessed", self.unprocessed.len());
        Error::operation(Failure::Throttled, OPERATION, detail)
    }
}

/// Reads the items with these keys, at most [`MAX_BATCH_KEYS`], strongly consistent.
///
/// # Errors
///
/// [`Error`], when DynamoDB does not respond or rejects the request.
pub(crate) async fn batch_get(
    client: &Client,
    table: &str,
    keys: Vec<Item>,
) -> Result<Batch, Error> {
    let mut batch = Batch {
        found: Vec::with_capacity(keys.len()),
        unprocessed: keys,
    };
    let mut tries = 0;
    while !batch.unprocessed.is_empty() && tries < MAX_UNPROCESSED_TRIES {
        if tries > 0 {
            tokio::time::sleep(jitter(UNPROCESSED_PAUSE * 2_u32.pow(tries))).await;
        }
        let requested = batch.unprocessed.len();
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(std::mem::take(&mut batch.unprocessed)))
            .consistent_read(true)
            .build()
            .map_err(|error| Error::operation(Failure::Rejected, OPERATION, error.to_string()))?;
        let get = client
            .batch_get_item()
            .request_items(table, keys)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let output = Box::pin(get.send())
            .await
            .map_err(|error| Error::from_sdk(OPERATION, &error))?;

        let mut found = output.responses.unwrap_or_default();
        batch.found.extend(found.remove(table).unwrap_or_default());
        let mut unprocessed = output.unprocessed_keys.unwrap_or_default();
        if let Some(left) = unprocessed.remove(table) {
            batch.unprocessed = left.keys;
        }
        // Some progress makes the pause short again.
        let made_progress = batch.unprocessed.len() < requested;
        tries = if made_progress { 1 } else { tries + 1 };
    }
    Ok(batch)
}
