//! The stored form of an Idempotency-Key: a hash of its caller, its service and the key, and the
//! event that it recorded.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use super::attributes::Item;
use super::schema::{ID, KEY};
use super::stored::{id_of, key};
use super::{Error, EventStore, MAX_BATCH_KEYS, batch_get};
use crate::event::{EventId, IdempotencyKey};

/// An Idempotency-Key as one caller uses it for one service: the partition key of the `keys` table.
///
/// The caller is part of it, so a caller who guesses the key of another one cannot use it up.
///
/// ```
/// use audit_log::event::IdempotencyKey;
/// use audit_log::store::KeyHash;
///
/// let key: IdempotencyKey = "order-17".parse().unwrap();
/// let ann = KeyHash::new(Some("ann"), "billing", &key);
/// let bob = KeyHash::new(Some("bob"), "billing", &key);
/// assert_ne!(ann, bob);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHash(String);

impl KeyHash {
    /// The hash of a key that `caller` sends for an event of `src_service`. There is no caller if
    /// the API does not require authentication.
    ///
    /// It is the SHA-256 of the three in hex, each with its length in front. Without the lengths,
    /// the end of one could be the beginning of the next.
    pub fn new(caller: Option<&str>, src_service: &str, key: &IdempotencyKey) -> KeyHash {
        let mut hash = Sha256::new();
        for part in [caller.unwrap_or_default(), src_service, key.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let hex = digest.iter().map(|byte| format!("{byte:02x}"));
        KeyHash(hex.collect())
    }

    /// The item which says that this key recorded the event `id`.
    pub(super) fn item(&self, id: EventId) -> Item {
        HashMap::from([
            (KEY.to_owned(), AttributeValue::S(self.0.clone())),
            (ID.to_owned(), AttributeValue::S(id.to_string())),
        ])
    }
}

/// A part of the `keys` table, compared with the events.
#[derive(Debug, Default)]
pub struct KeysPage {
    /// How many keys were read.
    pub keys: usize,
    /// The keys whose event does not exist, each in hex and with the event's id.
    pub lost: Vec<(String, EventId)>,
    /// Where the next part begins. `None` at the end.
    pub next: Option<KeysCursor>,
}

/// A place in the `keys` table.
#[derive(Clone, Debug)]
pub struct KeysCursor(Item);

impl EventStore {
    /// Reads a part of the `keys` table, starting at `from`, and finds the keys whose event does
    /// not exist.
    ///
    /// A key and its event are written in one transaction. So such a key exists only after a
    /// restore that did not set both tables back to the same second.
    ///
    /// # Errors
    ///
    /// [`Error`], if DynamoDB does not return the complete result.
    pub async fn keys_without_event(&self, from: Option<KeysCursor>) -> Result<KeysPage, Error> {
        let scan = self
            .client
            .scan()
            .table_name(&self.keys_table)
            .consistent_read(true)
            .set_exclusive_start_key(from.map(|KeysCursor(key)| key));
        let response = Box::pin(scan.send())
            .await
            .map_err(|error| Error::from_sdk("Scan", &error))?;
        let items = response.items.unwrap_or_default();
        let mut page = KeysPage {
            keys: items.len(),
            lost: Vec::new(),
            next: response.last_evaluated_key.map(KeysCursor),
        };
        for items in items.chunks(MAX_BATCH_KEYS) {
            page.lost.extend(self.lost_among(items).await?);
        }
        Ok(page)
    }

    /// The keys among these items whose event does not exist.
    async fn lost_among(&self, items: &[Item]) -> Result<Vec<(String, EventId)>, Error> {
        let ids = items
            .iter()
            .map(id_of_key)
            .collect::<Result<Vec<_>, Error>>()?;
        // BatchGetItem rejects repeated keys.
        let unique: BTreeSet<EventId> = ids.iter().copied().collect();
        let event_keys = unique.into_iter().map(key).collect();
        let batch = batch_get(&self.client, &self.table, event_keys).await?;
        if !batch.unprocessed.is_empty() {
            return Err(batch.throttled());
        }
        let found_ids = batch.found.iter().map(id_of);
        let found = found_ids.collect::<Result<BTreeSet<_>, Error>>()?;

        let mut lost = Vec::new();
        for (item, id) in items.iter().zip(ids) {
            if !found.contains(&id) {
                lost.push((hash_of(item), id));
            }
        }
        Ok(lost)
    }
}

/// The hash that an item of the `keys` table has.
fn hash_of(item: &Item) -> String {
    match item.get(KEY) {
        Some(AttributeValue::S(hash)) => hash.clone(),
        _ => String::new(),
    }
}

/// The event that an item of the `keys` table names.
pub(super) fn id_of_key(item: &Item) -> Result<EventId, Error> {
    let id = match item.get(ID) {
        Some(AttributeValue::S(text)) => EventId::parse(text),
        _ => None,
    };
    id.ok_or(Error::Corrupt {
        table: "keys",
        attribute: ID,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_caller_and_service() {
        let hash = |caller, src_service, key: &str| {
            KeyHash::new(caller, src_service, &key.parse().unwrap())
        };
        let hashes = [
            hash(None, "billing", "k"),
            hash(Some("ann"), "billing", "k"),
            hash(Some("annb"), "illing", "k"),
            hash(Some("ann"), "billin", "gk"),
            hash(Some("ann"), "billing", "k2"),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(hash.0.len(), 64);
            assert!(!hashes[..at].contains(hash), "{at}");
        }
        assert_eq!(hash(Some("ann"), "billing", "k"), hashes[1]);
    }
}
