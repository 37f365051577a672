//! The Lambda function behind `POST /events`.

use audit_log::config::{Identity, Settings};
use audit_log::count::CountsTable;
use audit_log::create_event::CreateEvent;
use audit_log::dynamodb::{client, connect};
use audit_log::effects::Effects;
use audit_log::http::run;
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
    // An event on time is one call.
    connect(&client, 1).await;
    let effects = Effects::system().with_metrics(Metrics::standard_output(&identity.service));
    let (store, counts) = (EventStore::new(client.clone(), &settings), CountsTable::new(client, &settings));
    let handler = &CreateEvent::new(store, counts, effects);
    run(|request| handler.handle(request)).await
}
