//! The embedded DynamoDB engine, and its DynamoDB API on a port.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where the engine keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory, gone at the end.
    Memory,
    /// In a folder, made if need be.
    Folder(PathBuf),
}

/// An engine that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder cannot be written.
    #[error("cannot keep data in {folder}: {error}; name another folder with --data, or use --memory", folder = folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another process has it open.
    #[error("another audit-log already uses {folder}; stop it, or name another folder with --data", folder = folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The engine itself refused.
    #[error("the embedded DynamoDB engine cannot {action}: {problem}")]
    Engine {
        /// What it was to do.
        action: String,
        /// Why it does not.
        problem: String,
    },
}

/// A database with the template's tables.
pub struct Engine {
    database: Database,
    /// Held as long as the database is open: two engines on one file would each trust their own caches.
    lock: Option<File>,
}

impl Engine {
    /// Opens the database, and makes those of `tables` (CreateTable requests) that it does not have.
    ///
    /// # Errors
    ///
    /// [`EngineError`], in one sentence.
    pub fn open(storage: &Storage, tables: &[Value]) -> Result<Engine, EngineError> {
        let engine = match storage {
            Storage::Memory => {
                Engine { database: Database::memory().map_err(|error| refused("start", &error))?, lock: None }
            }
            Storage::Folder(folder) => {
                let lock = lock(folder)?;
                let file = folder.join("dynamodb.sqlite");
                let database = Database::new(&file.to_string_lossy())
                    .map_err(|error| refused(&format!("open {}", file.display()), &error))?;
                Engine { database, lock: Some(lock) }
            }
        };
        for table in tables {
            engine.create(table)?;
        }
        Ok(engine)
    }

    fn create(&self, table: &Value) -> Result<(), EngineError> {
        let action = format!("create the table {}", table["TableName"]);
        let request = serde_json::from_value(table.clone())
            .map_err(|error| EngineError::Engine { action: action.clone(), problem: error.to_string() })?;
        match self.database.create_table(request) {
            Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => Ok(()),
            Err(error) => Err(refused(&action, &error)),
        }
    }

    /// Serves the DynamoDB API until `shutdown`.
    pub fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<Result<(), String>> {
        tokio::spawn(async move {
            let Engine { database, lock } = self;
            let served = dynoxide::server::serve_with_shutdown(listener, database, shutdown).await;
            drop(lock);
            served
        })
    }
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    let unwritable = |error| EngineError::Folder { folder: folder.into(), error };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let lock = File::create(folder.join("lock")).map_err(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { folder: folder.into() }),
        Err(TryLockError::Error(error)) => Err(unwritable(error)),
    }
}

fn refused(action: &str, error: &DynoxideError) -> EngineError {
    EngineError::Engine { action: action.to_owned(), problem: error.to_string() }
}

/// The URL of an engine that listens at `address`.
pub fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
