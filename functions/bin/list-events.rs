//! The Lambda function behind `GET /events` and `GET /events/{id}`.

use audit_log::config::{Identity, Settings};
use audit_log::count::CountsTable;
use audit_log::dynamodb::{client, connect};
use audit_log::effects::Effects;
use audit_log::http::run;
use audit_log::list_events::ListEvents;
use audit_log::store::EventStore;
use audit_log::telemetry::{Metrics, log_to_standard_output};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let identity = Identity::from_environment();
    log_to_standard_output(&identity);
    // As text: the runtime shows an error's debug form.
    let settings = Settings::from_environment().map_err(|error| error.to_string())?;
    let client = client().map_err(|error| error.to_string())?;
    // A page asks every shard at once; more would take longer to open than they save.
    connect(&client, 2).await;
    let effects = Effects::system().with_metrics(Metrics::standard_output(&identity.service));
    let (store, counts) = (EventStore::new(client.clone(), &settings), CountsTable::new(client, &settings));
    let handler = &ListEvents::new(store, counts, effects);
    run(|request| handler.handle(request)).await
}
