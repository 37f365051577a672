//! The service as a whole: engine, functions and gateway, started and stopped together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::engine::{Address, Engine, EngineError, Storage};
use super::functions::{Function, FunctionError};
use super::gateway::Gateway;
use super::stream::{Flush, Stream};
use super::tables::{TableError, create_tables};
use super::template::{Template, TemplateError};

/// How long requests under way may take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address on which the API listens.
    pub host: IpAddr,
    /// Its port; 0 is any free one.
    pub port: u16,
    /// Where the embedded engine's DynamoDB API listens on 127.0.0.1; 0 is any free port.
    pub dynamodb_port: u16,
    /// Where the events are kept.
    pub storage: Storage,
    /// The SAM template.
    pub template: PathBuf,
    /// The Lambda endpoint behind which the functions run; without one, they run in this process.
    pub lambda_url: Option<String>,
}

/// A service that cannot be started: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is not to be had.
    #[error("cannot listen on {address}: {error}; choose another with {option}")]
    Port {
        /// The address and port.
        address: SocketAddr,
        /// The option that chooses it.
        option: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// See [`TemplateError`].
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// See [`EngineError`].
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// See [`TableError`].
    #[error(transparent)]
    Table(#[from] TableError),
    /// See [`FunctionError`].
    #[error(transparent)]
    Function(#[from] FunctionError),
}

/// A running service. Dropping it leaves it running; [`stop`](Service::stop) ends it.
pub struct Service {
    /// The address of the API.
    pub address: SocketAddr,
    /// Where the engine answers.
    pub dynamodb: Address,
    /// The client that the functions use.
    pub client: Client,
    flushes: Vec<Flush>,
    streams: JoinSet<()>,
    stop_gateway: watch::Sender<()>,
    stop_engine: watch::Sender<()>,
    gateway: JoinHandle<std::io::Result<()>>,
    /// The embedded one.
    engine: Option<JoinHandle<Result<(), String>>>,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// [`StartError`], in one sentence.
    pub async fn start(options: &Options) -> Result<Service, StartError> {
        let template = Template::read(&options.template)?;
        let (listener, address) = listen(options.host, options.port, "--port").await?;
        let (stop_engine, engine_stopped) = watch::channel(());
        let (dynamodb, engine) = match &options.storage {
            Storage::Elsewhere(address) => (address.clone(), None),
            storage => {
                let local = Ipv4Addr::LOCALHOST.into();
                let (listener, address) =
                    listen(local, options.dynamodb_port, "--dynamodb-port").await?;
                let engine = Engine::open(storage.folder())?;
                (
                    Address::new(format!("http://{address}")),
                    Some(engine.serve(listener, closed(engine_stopped))),
                )
            }
        };
        let client = dynamodb.client().await;
        create_tables(&client, &dynamodb.url, &template.tables).await?;
        let (mut routes, mut sources) = (Vec::new(), Vec::new());
        for declared in template.functions.values() {
            let function = match &options.lambda_url {
                Some(url) => Function::elsewhere(declared, url)?,
                None => Function::new(declared, &client)?,
            };
            sources.extend(
                declared
                    .streams
                    .iter()
                    .map(|source| (source.clone(), function.clone())),
            );
            routes.extend(
                declared
                    .routes
                    .iter()
                    .map(|route| (route.clone(), function.clone())),
            );
        }

        let (stop_gateway, gateway_stopped) = watch::channel(());
        let app = Gateway::new(routes)
            .app()
            .into_make_service_with_connect_info::<SocketAddr>();
        let serve = axum::serve(listener, app).with_graceful_shutdown(closed(gateway_stopped));
        let gateway = tokio::spawn(async move { serve.await });
        let streams_client = aws_sdk_dynamodbstreams::Client::new(&dynamodb.config().load().await);
        let (mut streams, mut flushes) = (JoinSet::new(), Vec::new());
        for (source, function) in sources {
            let file = options
                .storage
                .folder()
                .map(|folder| folder.join(format!("{}.position", source.table)));
            let (stream, flush) = Stream::new(streams_client.clone(), function, source, file);
            streams.spawn(stream.run());
            flushes.push(flush);
        }
        let service = Service {
            address,
            dynamodb,
            client,
            flushes,
            streams,
            stop_gateway,
            stop_engine,
            gateway,
            engine,
        };
        Ok(service)
    }

    /// The URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends once every event that was recorded before is in the count index.
    pub async fn indexed(&self) {
        for flush in &self.flushes {
            flush.done().await;
        }
    }

    /// Takes no more requests, answers those under way, and closes the database.
    pub async fn stop(mut self) {
        // The engine goes last: requests under way still need it. A task that panicked has stopped,
        // too.
        drop(self.stop_gateway);
        ended(self.gateway).await;
        // What the stream has not delivered it delivers after the next start.
        self.streams.shutdown().await;
        drop(self.client);
        drop(self.stop_engine);
        if let Some(engine) = self.engine {
            ended(engine).await;
        }
    }
}

/// Waits for a task to end, but not for ever: a client can leave its request half sent.
async fn ended<T>(mut task: JoinHandle<T>) {
    if tokio::time::timeout(GRACE, &mut task).await.is_err() {
        task.abort();
    }
}

/// Ends when the sender is dropped.
async fn closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn listen(
    host: IpAddr,
    port: u16,
    option: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |error| StartError::Port {
        address: (host, port).into(),
        option,
        error,
    };
    let listener = TcpListener::bind((host, port)).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}
