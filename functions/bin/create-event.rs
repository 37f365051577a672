//! The Lambda function behind `POST /events`.

use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::http::run;
use lambda_runtime::Error;
use mimalloc::MiMalloc;

/// It saves a tenth of the instructions of a request: benches/results/instructions.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An event that is on time takes one call.
const CONNECTIONS: usize = 1;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // As text, because the runtime shows the debug form of an error.
    let deps = Deps::from_environment(CONNECTIONS)
        .await
        .map_err(|error| error.to_string())?;
    let handler = &CreateEvent::new(deps);
    run(|request| handler.handle(request)).await
}
