//! Tables of any size, without a gateway or a stream: filled as they would be found, indexed when a
//! test says so.

mod fill;
mod index;
mod keys;
mod list;
mod record;
mod tree;

use std::sync::{Arc, Mutex};

use audit_log::config::Settings;
use audit_log::count::{CountsTable, Indexer};
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::{Filters, Timestamp};
use audit_log::list_events::ListEvents;
use audit_log::store::EventStore;
use audit_log::tree::TreeTable;
use audit_log_cli::serve::engine::Address;
use audit_log_cli::serve::tables::{Table, create_tables};
use audit_log_cli::serve::template::{FILTERS, Parameters, Template};
use aws_sdk_dynamodb::Client;

use crate::{repo_path, settings, start_engine};

pub use fill::{LAG, OLD_EVENTS, events, events_from, sample, write};
pub use index::stream_batch;
pub use keys::{is_of_user, of_user, user, with};
pub use list::list;
pub use tree::{Log, entries};

/// As many as the template has by default.
pub const SHARDS: u8 = 2;

/// The tables of a log, and the functions on them.
pub struct Tables {
    /// Where the engine listens.
    pub dynamodb: Address,
    /// The client that the functions use.
    pub client: Client,
    /// The events and their keys.
    pub store: EventStore,
    /// The count index.
    pub counts: CountsTable,
    /// The transparency log.
    pub tree: TreeTable,
    /// What keeps the count index.
    pub indexer: Indexer,
    lists: ListEvents,
    /// The time on the clock of `lists`.
    now: Arc<Mutex<Timestamp>>,
}

impl Tables {
    /// Empty tables in an engine of their own, which lives as long as the test.
    pub async fn start() -> Tables {
        Tables::with_filters(Filters::ALL).await
    }

    /// The same, with these filters.
    pub async fn with_filters(filters: Filters) -> Tables {
        Tables::with_settings(Settings {
            filters,
            ..settings(SHARDS)
        })
        .await
    }

    /// The same, with these settings of the functions.
    pub async fn with_settings(settings: Settings) -> Tables {
        Tables::create_at(start_engine().await, settings).await
    }

    /// The same, in an engine that has none yet.
    pub async fn create_at(dynamodb: Address, settings: Settings) -> Tables {
        let filters = settings.filters.as_str().to_owned();
        let parameters = Parameters::from([(FILTERS.to_owned(), filters)]);
        let template = Template::read_with(&repo_path("template.yaml"), &parameters).unwrap();
        let tables: Vec<Table> = template
            .tables
            .into_iter()
            .map(Table::without_stream)
            .collect();
        let client = dynamodb.client().await;
        create_tables(&client, &dynamodb.url, &tables)
            .await
            .unwrap();
        Tables::at_with(dynamodb, settings).await
    }

    /// The tables that an engine has.
    pub async fn at(dynamodb: Address) -> Tables {
        Tables::at_with(dynamodb, settings(SHARDS)).await
    }

    async fn at_with(dynamodb: Address, settings: Settings) -> Tables {
        let client = dynamodb.client().await;
        let deps = Deps::new(client.clone(), &settings);
        let Deps {
            store,
            counts,
            tree,
            ..
        } = deps.clone();
        let indexer = Indexer::new(store.clone(), counts.clone());
        let now = Arc::new(Mutex::new(Timestamp::EPOCH));
        let clock = now.clone();
        let effects = Effects::system().with_clock(move || *clock.lock().unwrap());
        let lists = ListEvents::new(deps.with_effects(effects));
        Tables {
            dynamodb,
            client,
            store,
            counts,
            tree,
            indexer,
            lists,
            now,
        }
    }

    /// The dependencies of a handler on these tables.
    pub fn deps(&self) -> Deps {
        Deps {
            store: self.store.clone(),
            counts: self.counts.clone(),
            tree: self.tree.clone(),
            effects: Effects::system(),
        }
    }

    /// The count index in another table.
    pub fn counts_named(&self, table: &str) -> CountsTable {
        let settings = Settings {
            counts_table: table.to_owned(),
            ..settings(SHARDS)
        };
        CountsTable::new(self.client.clone(), &settings)
    }
}
