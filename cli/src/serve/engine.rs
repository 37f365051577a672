//! The DynamoDB engine. It is embedded and serves its DynamoDB API on a port, or it runs elsewhere.
//! The functions call the embedded engine without the port.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit_log::dynamodb::client_from;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials};
use aws_sdk_dynamodbstreams::Client as StreamsClient;
use dynoxide::Database;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::connector::{self, Connector, Unsigned};
use super::disk::Disk;

/// The file of the engine's database, in its folder.
pub const DATABASE: &str = "dynamodb.sqlite";
/// An index that the engine lacks. For each write to a table with a stream, the engine looks up the
/// last sequence number among all records of the stream. At 16,000 events a write took 2 ms, and at
/// 100,000 it would take 20 ms. With this index, a write takes as long as the first one.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS audit_log_stream ON _stream_records \
     (table_name, CAST(sequence_number AS INTEGER))";

/// The size of a page of a database in memory. SQLite keeps all pages of such a database in one
/// cache, and walks through the complete cache after many of the writes that split a page. With
/// SQLite's own 4,096 bytes, writes are 2.2 times slower after 42,000 events. Larger pages are fewer
/// and split less often, but take longer to copy.
const PAGE_BYTES: u32 = 16_384;

/// The place in which the engine keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Memory. The tables are gone when the service stops.
    Memory,
    /// A folder. It is created if it does not exist.
    Folder(PathBuf),
    /// Another engine, such as DynamoDB Local.
    Elsewhere(Address),
}

/// The address of an engine, and the credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of its DynamoDB API.
    pub url: String,
    /// Any value works. DynamoDB Local keeps the tables of different values apart.
    pub access_key_id: String,
}

impl Address {
    /// An engine that accepts any credentials.
    pub fn new(url: impl Into<String>) -> Address {
        Address {
            url: url.into(),
            access_key_id: "local".to_owned(),
        }
    }

    /// The configuration of a client for it.
    pub fn config(&self) -> ConfigLoader {
        let credentials = Credentials::new(&self.access_key_id, "local", None, None, "local");
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(&self.url)
            // The engine is on this machine, so a proxy in the environment is ignored.
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
    }

    /// The functions' client for it.
    pub async fn client(&self) -> Client {
        self.clients().await.tables
    }

    /// The clients for it.
    pub async fn clients(&self) -> Clients {
        let config = self.config().load().await;
        Clients {
            tables: client_from((&config).into()),
            streams: StreamsClient::new(&config),
        }
    }
}

/// The clients of an engine.
pub struct Clients {
    /// The functions' client for its tables.
    pub tables: Client,
    /// The client for the streams of its tables.
    pub streams: StreamsClient,
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

/// An engine that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder cannot be written.
    #[error(
        "cannot keep data in {folder}: {error}; name another folder with --data, or use --memory",
        folder = folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// Another process uses the folder.
    #[error(
        "another audit-log already uses {folder}; stop it, or name another folder with --data",
        folder = folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The engine itself failed.
    #[error("the embedded DynamoDB engine cannot {action}: {problem}")]
    Engine {
        /// The action that failed.
        action: String,
        /// The cause.
        problem: String,
    },
}

/// An embedded engine.
pub struct Engine {
    database: Database,
    disk: Disk,
    /// The lock on the folder, held as long as the database is open. Two engines on one file would
    /// each trust their own caches.
    lock: Option<Arc<File>>,
}

impl Engine {
    /// Opens the database in a folder, or in memory if there is none.
    ///
    /// # Errors
    ///
    /// [`EngineError`], in one sentence.
    pub fn open(folder: Option<&Path>) -> Result<Engine, EngineError> {
        match folder {
            None => Engine::in_memory(),
            Some(folder) => Engine::in_folder(folder),
        }
    }

    fn in_memory() -> Result<Engine, EngineError> {
        // Two connections can share a database in memory that has a name.
        let name = Uuid::new_v4();
        let uri = format!("file:{name}?mode=memory&cache=shared");
        // The size of a page is chosen before the engine creates its first table.
        let connection = connect(&uri)?;
        connection
            .pragma_update(None, "page_size", PAGE_BYTES)
            .map_err(|error| failed("set its page size", error.to_string()))?;
        let database = open(&uri)?;
        add_stream_index(&connection)?;
        Ok(Engine {
            database,
            disk: Disk::default(),
            lock: None,
        })
    }

    fn in_folder(folder: &Path) -> Result<Engine, EngineError> {
        let lock = lock(folder)?;
        let file = folder.join(DATABASE);
        let file = file.to_string_lossy();
        let database = open(&file)?;
        add_stream_index(&connect(&file)?)?;
        // SQLite's `synchronous` is NORMAL from here on, so `Disk` has to sync. All else that this
        // sets is the default.
        let normal = database.disable_bulk_loading();
        normal.map_err(|error| failed("change its settings", error.to_string()))?;
        let log = write_ahead_log(folder).map_err(|error| unwritable(folder, error))?;
        Ok(Engine {
            database,
            disk: Disk::new(move || log.sync_data()),
            lock: Some(Arc::new(lock)),
        })
    }

    /// What makes commits survive a power failure.
    pub fn disk(&self) -> Disk {
        self.disk.clone()
    }

    /// The clients that call this engine without a socket. Only that of the streams signs its
    /// requests, which are a few a second.
    pub async fn clients(&self) -> Clients {
        let config = self.config().load().await;
        Clients {
            tables: client_from(Builder::from(&config).auth_scheme_resolver(Unsigned)),
            streams: StreamsClient::new(&config),
        }
    }

    fn config(&self) -> ConfigLoader {
        let connector = Connector {
            database: self.database.clone(),
            disk: self.disk.clone(),
            _lock: self.lock.clone(),
        };
        // The SDK needs an address, and no request goes there.
        Address::new("http://localhost")
            .config()
            .http_client(connector::http_client(connector))
    }

    /// Serves the DynamoDB API until `shutdown`.
    pub fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<Result<(), String>> {
        tokio::spawn(async move {
            let Engine { database, lock, .. } = self;
            let served = dynoxide::server::serve_with_shutdown(listener, database, shutdown).await;
            drop(lock);
            served
        })
    }
}

/// Creates the folder, and locks it for this process.
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

/// Opens the write-ahead log of the database in a folder. SQLite creates it with the first commit,
/// and keeps it as long as the database is open.
fn write_ahead_log(folder: &Path) -> std::io::Result<File> {
    let log = folder.join(format!("{DATABASE}-wal"));
    let log = File::options().read(true).write(true).open(log)?;
    // The file itself must survive, too. Not every system can sync a folder.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(log)
}

/// Opens a database, which is created if it does not exist.
fn open(name: &str) -> Result<Database, EngineError> {
    Database::new(name).map_err(|error| failed(&format!("open {name}"), error.to_string()))
}

/// Opens a connection to a database, in addition to that of the engine.
fn connect(name: &str) -> Result<Connection, EngineError> {
    Connection::open(name).map_err(|error| failed(&format!("open {name}"), error.to_string()))
}

fn add_stream_index(connection: &Connection) -> Result<(), EngineError> {
    connection
        .execute_batch(STREAM_INDEX)
        .map_err(|error| failed("add an index", error.to_string()))
}

fn unwritable(folder: &Path, error: std::io::Error) -> EngineError {
    EngineError::Folder {
        folder: folder.into(),
        error,
    }
}

fn failed(action: &str, problem: String) -> EngineError {
    EngineError::Engine {
        action: action.to_owned(),
        problem,
    }
}
