//! The complete service. It starts and stops the engine, the functions, the gateway and the
//! streams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use audit_log::event::Filters;
use aws_sdk_dynamodb::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::disk::{Disk, Durability};
use super::engine::{Address, Clients, Engine, EngineError, Storage};
use super::functions::{Function, FunctionError};
use super::gateway::Gateway;
use super::log_key::{LogKey, LogKeyError};
use super::stream::{Flush, Stream};
use super::tables::{TableError, create_tables};
use super::template::{ALLOWED_ORIGIN, FILTERS, Parameters, StreamSource, Template, TemplateError};
use crate::viewer::Page;

/// How long requests in progress may take once the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// The binary of the function that adds events to the count index.
const INDEX_EVENTS: &str = "index-events";
/// The binary of the function that adds events to the transparency log.
const SEAL_EVENTS: &str = "seal-events";

/// The options of a service.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address on which the API listens.
    pub host: IpAddr,
    /// The port of the API. 0 selects a free port.
    pub port: u16,
    /// The port of the embedded engine's DynamoDB API on 127.0.0.1. 0 selects a free port.
    pub dynamodb_port: u16,
    /// The place that keeps the events.
    pub storage: Storage,
    /// What the events in a folder have to survive before they are acknowledged.
    pub durability: Durability,
    /// The file of the key that signs the transparency log. It is created if it does not exist.
    /// Without one, the key is in memory only.
    pub log_key: Option<PathBuf>,
    /// The SAM template.
    pub template: PathBuf,
    /// The fields by which lists can be filtered. Without them, the template's default.
    pub filters: Option<Filters>,
    /// The web origin whose pages may call the API, if there is one.
    pub allowed_origin: Option<String>,
    /// The Lambda endpoint of the functions. Without one, they run in this process.
    pub lambda_url: Option<String>,
}

/// A service that cannot start. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error("cannot listen on {address}: {error}; choose another with {option}")]
    Port {
        /// The address and port.
        address: SocketAddr,
        /// The option that chooses it.
        option: &'static str,
        /// The cause.
        error: std::io::Error,
    },
    /// See [`TemplateError`].
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// See [`EngineError`].
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// See [`LogKeyError`].
    #[error(transparent)]
    LogKey(#[from] LogKeyError),
    /// See [`TableError`].
    #[error(transparent)]
    Table(#[from] TableError),
    /// See [`FunctionError`].
    #[error(transparent)]
    Function(#[from] FunctionError),
}

type EngineTask = JoinHandle<Result<(), String>>;

/// A running service. It keeps running when it is dropped. [`stop`](Service::stop) ends it.
pub struct Service {
    /// The address of the API.
    pub address: SocketAddr,
    /// The address of the engine.
    pub dynamodb: Address,
    /// The client that the functions use.
    pub client: Client,
    /// The key that signs the transparency log.
    pub log_key: LogKey,
    /// The flush of each stream, and the binary of the function that it is delivered to.
    flushes: Vec<(String, Flush)>,
    streams: JoinSet<()>,
    stop_gateway: watch::Sender<()>,
    stop_engine: watch::Sender<()>,
    gateway: JoinHandle<std::io::Result<()>>,
    /// The embedded engine, if there is one.
    engine: Option<EngineTask>,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// [`StartError`], in one sentence.
    pub async fn start(options: &Options) -> Result<Service, StartError> {
        let template = Template::read_with(&options.template, &parameters(options))?;
        // The port comes first, so that a port in use is reported before the engine is opened.
        let (listener, address) = listen(options.host, options.port, "--port").await?;

        // 1. The engine, with the template's tables.
        let (stop_engine, engine_stopped) = watch::channel(());
        let Running {
            address: dynamodb,
            clients,
            disk,
            task: engine,
        } = start_engine(options, engine_stopped).await?;
        let client = clients.tables;
        create_tables(&client, &dynamodb.url, &template.tables).await?;
        let log_key = match &options.log_key {
            Some(file) => LogKey::open(file)?,
            None => LogKey::generate()?,
        };

        // 2. The functions, with the routes and streams that lead to them.
        let awaited = match options.durability {
            Durability::Power => disk.clone(),
            Durability::Process => Disk::default(),
        };
        let mut routes = Vec::new();
        let mut sources = Vec::new();
        for declared in template.functions.values() {
            let function = match &options.lambda_url {
                // Only this process has the key.
                Some(url) if declared.binary != SEAL_EVENTS => Function::elsewhere(declared, url)?,
                _ => Function::new(declared, &client, &log_key)?,
            };
            let function = function.with_disk(awaited.clone());
            for route in &declared.routes {
                routes.push((route.clone(), function.clone()));
            }
            for source in &declared.streams {
                sources.push((declared.binary.clone(), source.clone(), function.clone()));
            }
        }

        // 3. The gateway, which invokes functions for requests.
        let (stop_gateway, gateway_stopped) = watch::channel(());
        let page = Page::new(&format!("http://{address}"), &[log_key.verifier_key()]);
        let app = Gateway::new(routes, template.cors, page)
            .app()
            .into_make_service_with_connect_info::<SocketAddr>();
        let serve = axum::serve(listener, app).with_graceful_shutdown(closed(gateway_stopped));
        let gateway = tokio::spawn(async move { serve.await });

        // 4. The streams, which invoke functions for new items.
        let mut streams = JoinSet::new();
        let mut flushes = Vec::new();
        for (binary, source, function) in sources {
            let file = options
                .storage
                .folder()
                .map(|folder| folder.join(position_file(&source, &binary)));
            let client = clients.streams.clone();
            let (stream, flush) = Stream::new(client, function, source, file, disk.clone());
            streams.spawn(stream.run());
            flushes.push((binary, flush));
        }

        Ok(Service {
            address,
            dynamodb,
            client,
            log_key,
            flushes,
            streams,
            stop_gateway,
            stop_engine,
            gateway,
            engine,
        })
    }

    /// The URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends once every event that was recorded before is in the count index.
    pub async fn indexed(&self) {
        self.delivered_to(INDEX_EVENTS).await;
    }

    /// Ends once every event that was recorded before is in the transparency log.
    pub async fn sealed(&self) {
        self.delivered_to(SEAL_EVENTS).await;
    }

    async fn delivered_to(&self, binary: &str) {
        for (_, flush) in self.flushes.iter().filter(|(name, _)| name == binary) {
            flush.done().await;
        }
    }

    /// Accepts no more requests, completes those in progress, and closes the database.
    pub async fn stop(mut self) {
        drop(self.stop_gateway);
        ended(self.gateway).await;
        // Records that were not delivered are delivered after the next start.
        self.streams.shutdown().await;
        // The engine stops last, because requests in progress need it.
        drop(self.client);
        drop(self.stop_engine);
        if let Some(engine) = self.engine {
            ended(engine).await;
        }
    }
}

/// The parameters of the template that the options set.
fn parameters(options: &Options) -> Parameters {
    let mut parameters = Parameters::new();
    if let Some(filters) = options.filters {
        parameters.insert(FILTERS.to_owned(), filters.as_str().to_owned());
    }
    if let Some(origin) = &options.allowed_origin {
        parameters.insert(ALLOWED_ORIGIN.to_owned(), origin.clone());
    }
    parameters
}

/// The file of a stream's position. Each function that reads a stream has its own.
fn position_file(source: &StreamSource, binary: &str) -> String {
    format!("{}.{binary}.position", source.table)
}

/// An engine that runs, here or elsewhere.
struct Running {
    /// Where tools of other processes reach it.
    address: Address,
    /// How the functions reach it.
    clients: Clients,
    disk: Disk,
    /// The server of the embedded engine.
    task: Option<EngineTask>,
}

/// Starts the embedded engine, unless the options name another one.
async fn start_engine(
    options: &Options,
    stopped: watch::Receiver<()>,
) -> Result<Running, StartError> {
    if let Storage::Elsewhere(address) = &options.storage {
        return Ok(Running {
            address: address.clone(),
            clients: address.clients().await,
            disk: Disk::default(),
            task: None,
        });
    }
    let host = Ipv4Addr::LOCALHOST.into();
    let (listener, address) = listen(host, options.dynamodb_port, "--dynamodb-port").await?;
    let engine = Engine::open(options.storage.folder())?;
    Ok(Running {
        address: Address::new(format!("http://{address}")),
        clients: engine.clients().await,
        disk: engine.disk(),
        task: Some(engine.serve(listener, closed(stopped))),
    })
}

/// Waits for a task to end, or to panic. Aborts it after a while, because a client can leave its
/// request half sent.
async fn ended<T>(mut task: JoinHandle<T>) {
    if tokio::time::timeout(GRACE, &mut task).await.is_err() {
        task.abort();
    }
}

/// Ends when the sender is dropped.
async fn closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Binds a port. `option` is the option that chooses it.
async fn listen(
    host: IpAddr,
    port: u16,
    option: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Port {
        address: (host, port).into(),
        option,
        error,
    };
    let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
