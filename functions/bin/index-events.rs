//! The Lambda function behind the `events` table's stream.

use audit_log::config::{Identity, Settings};
use audit_log::count::{CountsTable, Indexer};
use audit_log::dynamodb::client;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::index_events::{IndexEvents, StreamBatch};
use audit_log::store::EventStore;
use audit_log::telemetry::{Metrics, log_to_standard_output};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let identity = Identity::from_environment();
    log_to_standard_output(&identity);
    // As text: the runtime shows an error's debug form.
    let settings = Settings::from_environment().map_err(|error| error.to_string())?;
    let client = client().map_err(|error| error.to_string())?;
    let effects = Effects::system().with_metrics(Metrics::standard_output(&identity.service));
    let store = EventStore::new(client.clone(), &settings);
    let indexer = Indexer::new(store, CountsTable::new(client, &settings));
    let handler = &IndexEvents::new(indexer, effects);
    run(service_fn(|event: LambdaEvent<StreamBatch>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline);
        Ok::<_, std::convert::Infallible>(handler.handle(event.payload, deadline).await)
    }))
    .await
}
