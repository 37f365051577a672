//! The DynamoDB engine: one that is embedded, with its DynamoDB API on a port, or one that runs
//! elsewhere.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};

use audit_log::dynamodb::client_from;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The engine's file in its folder.
pub const DATABASE: &str = "dynamodb.sqlite";
/// For each write to a table with a stream the engine looks up the stream's last number, in all of
/// its records: at 16,000 events a write took 2 ms, at 100,000 it would take 20. With this it takes
/// what it took at the first.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS audit_log_stream ON _stream_records \
     (table_name, CAST(sequence_number AS INTEGER))";

/// Where the engine keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory, gone at the end.
    Memory,
    /// In a folder, made if need be.
    Folder(PathBuf),
    /// In another engine, such as DynamoDB Local.
    Elsewhere(Address),
}

/// Where an engine answers, and as whom it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of its DynamoDB API.
    pub url: String,
    /// It only has to be there; DynamoDB Local keeps tables apart by it.
    pub access_key_id: String,
}

impl Address {
    /// An engine that does not care who asks.
    pub fn new(url: impl Into<String>) -> Address {
        Address {
            url: url.into(),
            access_key_id: "local".to_owned(),
        }
    }

    /// What points a client at it.
    pub fn config(&self) -> ConfigLoader {
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(&self.url)
            // Not through the proxy that the environment may name: the engine is on this machine.
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new(
                &self.access_key_id,
                "local",
                None,
                None,
                "local",
            ))
    }

    /// The functions' client for it.
    pub async fn client(&self) -> Client {
        client_from((&self.config().load().await).into())
    }
}

impl Storage {
    /// The folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Storage::Memory | Storage::Elsewhere(_) => None,
            Storage::Folder(folder) => Some(folder),
        }
    }
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

/// An embedded engine.
pub struct Engine {
    database: Database,
    /// Held as long as the database is open: two engines on one file would each trust their own
    /// caches.
    lock: Option<File>,
}

impl Engine {
    /// Opens the database in a folder; without one, in memory.
    ///
    /// # Errors
    ///
    /// [`EngineError`], in one sentence.
    pub fn open(folder: Option<&Path>) -> Result<Engine, EngineError> {
        match folder {
            None => {
                let database = Database::memory().map_err(|error| refused("start", &error))?;
                // No other process can reach into a database in memory: it is restored from one that has
                // the index.
                let folder = tempfile::tempdir()
                    .map_err(|error| unwritable(&std::env::temp_dir(), error))?;
                let file = folder.path().join(DATABASE);
                drop(open_file(&file)?);
                database
                    .restore_from(&file.to_string_lossy())
                    .map_err(|error| refused("start", &error))?;
                Ok(Engine {
                    database,
                    lock: None,
                })
            }
            Some(folder) => {
                let lock = lock(folder)?;
                Ok(Engine {
                    database: open_file(&folder.join(DATABASE))?,
                    lock: Some(lock),
                })
            }
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
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let lock = File::create(folder.join("lock")).map_err(|error| unwritable(folder, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse {
            folder: folder.into(),
        }),
        Err(TryLockError::Error(error)) => Err(unwritable(folder, error)),
    }
}

fn open_file(file: &Path) -> Result<Database, EngineError> {
    let action = format!("open {}", file.display());
    let database =
        Database::new(&file.to_string_lossy()).map_err(|error| refused(&action, &error))?;
    let index = rusqlite::Connection::open(file)
        .and_then(|connection| connection.execute_batch(STREAM_INDEX));
    index.map_err(|error| EngineError::Engine {
        action,
        problem: error.to_string(),
    })?;
    Ok(database)
}

fn unwritable(folder: &Path, error: std::io::Error) -> EngineError {
    EngineError::Folder {
        folder: folder.into(),
        error,
    }
}

fn refused(action: &str, error: &DynoxideError) -> EngineError {
    EngineError::Engine {
        action: action.to_owned(),
        problem: error.to_string(),
    }
}
