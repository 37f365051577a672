//! How a log is read: over HTTP, or from a bundle on a disk.
//!
//! | module | subject |
//! |---|---|
//! | [`service`] | the routes of a running service |
//! | [`bundle`] | the folder that `audit-log export` writes |
//! | [`event`] | an event as the service returns it |
//! | [`export`] | copies a log into a bundle |
//! | [`witness`] | feeds a witness |
//! | [`proof`] | consistency proofs from the tiles of a log |
//! | [`signed`] | checkpoints and the keys that sign them |
//! | [`cosignature`] | the statement of somebody who checked a log |

pub mod bundle;
pub mod cosignature;
pub mod event;
pub mod export;
pub mod proof;
pub mod service;
pub mod signed;
pub mod witness;

use std::path::PathBuf;

use audit_log::tree::Tile;

pub use bundle::Bundle;
pub use event::RecordedEvent;
pub use service::Service;
pub use signed::{Checked, SignedCheckpoint};

/// A log that can be read.
#[derive(Debug)]
pub enum Log {
    /// A running service.
    Service(Box<Service>),
    /// A folder.
    Bundle(Bundle),
}

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The service cannot be reached, or its response cannot be used.
    #[error(transparent)]
    Service(#[from] audit_log_client::Error),
    /// A file of a bundle.
    #[error("cannot read {file}: {problem}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl From<Service> for Log {
    fn from(service: Service) -> Log {
        Log::Service(Box::new(service))
    }
}

impl Log {
    /// The newest checkpoint, as it is served. `None` if the log has none.
    ///
    /// # Errors
    ///
    /// [`LogError`], as for every read here.
    pub async fn checkpoint(&self) -> Result<Option<String>, LogError> {
        match self {
            Log::Service(service) => service.checkpoint().await,
            Log::Bundle(bundle) => bundle.checkpoint(),
        }
    }

    /// The bytes of a tile. `None` if the log does not have it.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LogError> {
        match self {
            Log::Service(service) => service.tile(tile).await,
            Log::Bundle(bundle) => bundle.tile(tile),
        }
    }
}
