//! The Lambda function behind `GET /events`, and `/{id}`, `/histogram` and `/facets` below it.

use audit_log::deps::Deps;
use audit_log::http::run;
use audit_log::list_events::ListEvents;
use lambda_runtime::Error;
use mimalloc::MiMalloc;

/// It saves an eighth of the instructions of a request: benches/results/instructions.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A page queries every shard at once. Opening more connections would take longer than they save.
const CONNECTIONS: usize = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // As text, because the runtime shows the debug form of an error.
    let deps = Deps::from_environment(CONNECTIONS)
        .await
        .map_err(|error| error.to_string())?;
    let handler = &ListEvents::new(deps);
    run(|request| handler.handle(request)).await
}
