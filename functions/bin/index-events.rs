//! The Lambda function behind the stream of the events table.

use std::convert::Infallible;

use audit_log::deps::Deps;
use audit_log::event::Timestamp;
use audit_log::index_events::{IndexEvents, StreamBatch};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// No caller waits for the first batch.
const CONNECTIONS: usize = 0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // As text, because the runtime shows the debug form of an error.
    let deps = Deps::from_environment(CONNECTIONS)
        .await
        .map_err(|error| error.to_string())?;
    let handler = &IndexEvents::new(deps);
    let invoke = |event: LambdaEvent<StreamBatch>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline);
        Ok::<_, Infallible>(handler.handle(event.payload, deadline).await)
    };
    run(service_fn(invoke)).await
}
