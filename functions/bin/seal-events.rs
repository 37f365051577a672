//! The Lambda function behind the stream of the events table that seals events.

use audit_log::deps::Deps;
use audit_log::event::Timestamp;
use audit_log::kms::signer_from_environment;
use audit_log::seal_events::{Invocation, SealEvents};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// No caller waits for the first batch.
const CONNECTIONS: usize = 0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // As text, because the runtime shows the debug form of an error.
    let deps = Deps::from_environment(CONNECTIONS)
        .await
        .map_err(|error| error.to_string())?;
    let (origin, signer) = signer_from_environment()
        .await
        .map_err(|error| error.to_string())?;
    let handler = &SealEvents::new(deps, origin, signer);
    let invoke = |event: LambdaEvent<Invocation>| async move {
        let deadline = Timestamp::from_millis(event.context.deadline);
        let answer = handler.invoke(event.payload, deadline).await;
        answer.map_err(|error| error.to_string())
    };
    run(service_fn(invoke)).await
}
