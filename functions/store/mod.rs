//! The `events` table: append one event, get one, list many, count them. The truth; nothing here updates or deletes.
//!
//! The SDK's futures are large, so each is boxed: dozens of them can be under way within one request.

mod append;
mod batch;
mod error;
mod get;
mod key;
mod list;
mod schema;
mod stored;
mod walk;

use aws_sdk_dynamodb::Client;

pub use append::{Appended, AppendedWithKey};
pub(crate) use batch::{MAX_BATCH_KEYS, batch_get};
pub use error::Error;
pub use key::{KeyHash, KeysCursor, KeysPage};
pub use list::{Page, PageReader, Rows};
pub use stored::{Recorded, StoredEvent};

use crate::config::Settings;
use crate::event::{EventId, IdRange, Shards};
pub use walk::{EventKey, KeysSlice, Partition, Seen};
use walk::{Walk, What};

/// Whose events a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everyone's: all shards of the table, strongly consistent.
    Everyone,
    /// One user's, by canonical id: the index, eventually consistent as every DynamoDB index is.
    User(String),
}

/// The log as it lies in one DynamoDB table.
#[derive(Clone, Debug)]
pub struct EventStore {
    client: Client,
    table: String,
    keys_table: String,
    shards: Shards,
}

impl EventStore {
    /// The log in the table that the settings name.
    pub fn new(client: Client, settings: &Settings) -> EventStore {
        let (table, keys_table) = (settings.events_table.clone(), settings.keys_table.clone());
        EventStore { client, table, keys_table, shards: settings.shards }
    }

    /// Into how many shards the log is written.
    pub fn shards(&self) -> Shards {
        self.shards
    }

    /// What `scope` lies in: the shards that are written, or the user's part of the index.
    pub fn partitions(&self, scope: &Scope) -> Vec<Partition> {
        match scope {
            Scope::Everyone => (0..self.shards.get()).map(Partition::Shard).collect(),
            Scope::User(user_id) => vec![Partition::User(user_id.clone())],
        }
    }

    /// How many events of these partitions have an id in `range`, counted now: as many read units as reading them costs.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer.
    pub async fn count_in(&self, partitions: &[Partition], range: IdRange) -> Result<u64, Error> {
        walk::count(self, partitions, range).await
    }

    /// Whether a partition has more events than `limit`: reads no more keys than it takes to tell.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer.
    pub async fn has_more_than(&self, partition: &Partition, limit: u64) -> Result<bool, Error> {
        Ok(self.id_at(vec![partition.clone()], IdRange::ALL, limit).await?.is_some())
    }

    /// The newest ids of one partition within `range`: one Query of at most `limit` keys.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn newest_ids(&self, partition: &Partition, range: IdRange, limit: usize) -> Result<Seen, Error> {
        walk::newest_ids(self, partition, range, limit).await
    }

    /// The keys of one partition's events within `range`, oldest first: at most `limit`, and at most what DynamoDB reads at
    /// once.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not answer or refuses.
    pub async fn keys(&self, partition: &Partition, range: IdRange, limit: usize) -> Result<KeysSlice, Error> {
        walk::keys(self, partition, range, limit).await
    }

    /// The id at `rank` (0 is the newest) among the events of these partitions in `range`, found by walking there.
    /// `None` past the end.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the whole answer.
    pub async fn id_at(&self, partitions: Vec<Partition>, range: IdRange, rank: u64) -> Result<Option<EventId>, Error> {
        let rows = usize::try_from(rank).unwrap_or(usize::MAX).saturating_add(1);
        let mut walk = Walk::new(self, partitions, range, rows, What::Keys);
        let mut skipped = 0;
        while let Some(row) = walk.next().await? {
            if skipped == rank {
                return row.id().map(Some);
            }
            skipped += 1;
        }
        Ok(None)
    }
}
