//! What an Idempotency-Key is stored as in the `keys` table: who used it, and for which event.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use super::schema::{ID, KEY};
use super::stored::{Item, id_of, key};
use super::{Error, EventStore, MAX_BATCH_KEYS, batch_get};
use crate::event::EventId;

/// An Idempotency-Key as one caller uses it for one service: what the `keys` table has as its partition key.
///
/// The caller is a part of it, so who guesses another's key cannot take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHash(String);

impl KeyHash {
    /// The hash of a key that `caller` sends for an event of `src_service`; without a caller, where the log is open.
    ///
    /// Hex SHA-256 over the three, each with its length in front, so that no two of them run together.
    pub fn new(caller: Option<&str>, src_service: &str, key: &str) -> KeyHash {
        let mut hash = Sha256::new();
        for part in [caller.unwrap_or_default(), src_service, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        KeyHash(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The item that says: this key recorded the event `id`.
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
    /// How many keys were looked at.
    pub keys: usize,
    /// The keys whose event is not there, in hex, with its id.
    pub lost: Vec<(String, EventId)>,
    /// Where to go on; `None` at the end.
    pub next: Option<KeysCursor>,
}

/// A place in the `keys` table.
#[derive(Clone, Debug)]
pub struct KeysCursor(Item);

impl EventStore {
    /// Reads a part of the `keys` table from a place on, and finds the keys whose event is not there. Both tables are
    /// written together, so there is one only after a restore that did not set both back to the same second.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer.
    pub async fn keys_without_event(&self, from: Option<KeysCursor>) -> Result<KeysPage, Error> {
        let scan = self
            .client
            .scan()
            .table_name(&self.keys_table)
            .consistent_read(true)
            .set_exclusive_start_key(from.map(|KeysCursor(key)| key));
        let response = Box::pin(scan.send()).await.map_err(|error| Error::from_sdk("Scan", &error))?;
        let items = response.items.unwrap_or_default();
        let mut page =
            KeysPage { keys: items.len(), lost: Vec::new(), next: response.last_evaluated_key.map(KeysCursor) };
        for items in items.chunks(MAX_BATCH_KEYS) {
            let ids = items.iter().map(id_of_key).collect::<Result<Vec<_>, _>>()?;
            let unique: BTreeSet<EventId> = ids.iter().copied().collect();
            let batch = batch_get(&self.client, &self.table, unique.into_iter().map(key).collect()).await?;
            if !batch.unprocessed.is_empty() {
                return Err(batch.throttled());
            }
            let found = batch.found.iter().map(id_of).collect::<Result<BTreeSet<_>, _>>()?;
            for (item, id) in items.iter().zip(ids).filter(|(_, id)| !found.contains(id)) {
                let hash = item.get(KEY).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
                page.lost.push((hash, id));
            }
        }
        Ok(page)
    }
}

/// The event that an item of the `keys` table names.
pub(super) fn id_of_key(item: &Item) -> Result<EventId, Error> {
    let id = item.get(ID).and_then(|value| EventId::parse(value.as_s().ok()?));
    id.ok_or(Error::Corrupt { table: "keys", attribute: ID })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_caller_and_service() {
        let hashes = [
            KeyHash::new(None, "billing", "k"),
            KeyHash::new(Some("ann"), "billing", "k"),
            KeyHash::new(Some("annb"), "illing", "k"),
            KeyHash::new(Some("ann"), "billin", "gk"),
            KeyHash::new(Some("ann"), "billing", "k2"),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(hash.0.len(), 64);
            assert!(!hashes[..at].contains(hash), "{at}");
        }
        assert_eq!(KeyHash::new(Some("ann"), "billing", "k"), hashes[1]);
    }
}
