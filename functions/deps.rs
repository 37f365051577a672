//! What a handler needs, built once when its function starts.

use aws_sdk_dynamodb::Client;

use crate::config::{Identity, Settings, SettingsError};
use crate::count::CountsTable;
use crate::dynamodb::{client, connect};
use crate::effects::Effects;
use crate::store::EventStore;
use crate::telemetry::{Metrics, log_to_standard_output};
use crate::tree::TreeTable;

/// The dependencies of a handler.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The events and their Idempotency-Keys.
    pub store: EventStore,
    /// The count index.
    pub counts: CountsTable,
    /// The transparency log.
    pub tree: TreeTable,
    /// The clock, random numbers and metrics.
    pub effects: Effects,
}

impl Deps {
    /// The dependencies on the tables that the settings name, with the system's clock and random
    /// numbers, and without metrics.
    pub fn new(client: Client, settings: &Settings) -> Deps {
        Deps {
            store: EventStore::new(client.clone(), settings),
            counts: CountsTable::new(client.clone(), settings),
            tree: TreeTable::new(client, settings),
            effects: Effects::system(),
        }
    }

    /// The dependencies of a function on Lambda. Sets up the log lines of the process, and opens
    /// this many connections to DynamoDB: see [`connect`].
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the environment variable.
    pub async fn from_environment(connections: usize) -> Result<Deps, SettingsError> {
        let identity = Identity::from_environment();
        log_to_standard_output(&identity);
        let settings = Settings::from_environment()?;
        let client = client()?;
        connect(&client, connections).await;
        let deps = Deps::new(client, &settings);
        let metrics = Metrics::standard_output(&identity.service);
        Ok(deps.with_effects(Effects::system().with_metrics(metrics)))
    }

    /// The same dependencies with other effects.
    #[must_use]
    pub fn with_effects(self, effects: Effects) -> Deps {
        Deps { effects, ..self }
    }
}
