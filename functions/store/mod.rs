//! The `events` and `keys` tables: append one event, get one, list many. Nothing here updates or
//! deletes.
//!
//! The futures of the SDK are large, so each is boxed: one request can have dozens of them.

mod append;
mod append_with_key;
mod attempts;
mod attributes;
mod batch;
mod entries;
mod error;
mod get;
mod idempotency;
mod keys;
mod list;
mod partition;
mod query;
mod scan;
mod schema;
mod sealed;
mod stored;
mod walk;

use aws_sdk_dynamodb::Client;

use crate::config::Settings;
use crate::event::{Filters, Shards};

pub use append::Appended;
pub use append_with_key::AppendedWithKey;
pub(crate) use attributes::{Attributes, Item};
pub(crate) use batch::{MAX_BATCH_KEYS, batch_get};
pub use entries::EntriesSlice;
pub use error::{Error, Failure};
pub use idempotency::{KeyHash, KeysCursor, KeysPage};
pub use keys::{KeysSlice, Seen};
pub use list::{Page, PageEnd, PageReader, Rows};
pub use partition::{EventKey, Partition, Scope, Selection};
pub use scan::Scan;
pub use sealed::{SealedEvent, Suspicion};
pub use stored::{Recorded, StoredEvent};

/// The events and their Idempotency-Keys, as they lie in two DynamoDB tables.
#[derive(Clone, Debug)]
pub struct EventStore {
    client: Client,
    table: String,
    keys_table: String,
    shards: Shards,
    filters: Filters,
}

impl EventStore {
    /// The store in the tables that the settings name.
    pub fn new(client: Client, settings: &Settings) -> EventStore {
        EventStore {
            client,
            table: settings.events_table.clone(),
            keys_table: settings.keys_table.clone(),
            shards: settings.shards,
            filters: settings.filters,
        }
    }

    /// The fields by which lists can be filtered.
    pub fn filters(&self) -> Filters {
        self.filters
    }

    /// How many shards new events are written to.
    pub fn shards(&self) -> Shards {
        self.shards
    }
}
