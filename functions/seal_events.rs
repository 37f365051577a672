//! The stream of the events table: adds each new event to the transparency log.

use std::sync::Arc;

pub use crate::index_events::{BatchResponse, StreamBatch};

use crate::deps::Deps;
use crate::tree::{Origin, Signer};

/// The handler, and what it needs.
#[derive(Clone, Debug)]
pub struct SealEvents {
    deps: Deps,
    origin: Origin,
    signer: Arc<dyn Signer>,
}

impl SealEvents {
    /// A handler that adds to the log with this name, which this key signs.
    pub fn new(deps: Deps, origin: Origin, signer: Arc<dyn Signer>) -> SealEvents {
        SealEvents {
            deps,
            origin,
            signer,
        }
    }

    /// Adds the events of a batch. This placeholder adds none.
    pub async fn handle(&self, batch: StreamBatch) -> BatchResponse {
        let records = batch.records.len();
        let origin = self.origin.as_str();
        tracing::info!(
            records,
            origin,
            key = ?self.signer,
            deps = ?self.deps,
            "this placeholder seals nothing"
        );
        BatchResponse {
            failures: Vec::new(),
        }
    }
}
