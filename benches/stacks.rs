//! What the benches `load` and `growth` start and send requests to: the command of this project, the
//! engine below it, and the service that it replaces.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    reason = "as a test, it fails by panicking, and each bench uses a part"
)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use audit_log_testing::repo_path;
use reqwest::{Client, RequestBuilder};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The size of a document.
pub const BYTES: usize = 1024;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What responds to the requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Stack {
    /// The command `audit-log` of a build, with these options.
    Command {
        name: &'static str,
        binary: PathBuf,
        options: Vec<OsString>,
    },
    /// The old service as its container started it.
    Development,
    /// The same on a server made for production, with a process or more for each core.
    Gunicorn,
    /// The same without a store: on none, MongoDB included, is Flask faster. It keeps nothing, so
    /// it is no rival.
    Ceiling,
}

impl Stack {
    pub fn name(&self) -> &'static str {
        match self {
            Stack::Command { name, .. } => name,
            Stack::Development => "old service as it was started: Flask's server",
            Stack::Gunicorn => "old service on gunicorn",
            Stack::Ceiling => "old service on gunicorn, without a store",
        }
    }

    /// Starts it. The old service keeps its events in `folder`.
    pub async fn start(&self, folder: &Path) -> Server {
        match self {
            Stack::Command {
                binary, options, ..
            } => Server::command(binary, options),
            _ => Server::flask(self, folder).await,
        }
    }
}

/// The command that is measured: the one that `AUDIT_LOG_COMMAND` names, or else that of the
/// profile `command`.
pub fn command_binary() -> PathBuf {
    match std::env::var_os("AUDIT_LOG_COMMAND") {
        Some(binary) => binary.into(),
        None => repo_path("target/command/audit-log"),
    }
}

/// The interpreter that has the libraries of the old service.
pub fn python() -> OsString {
    std::env::var_os("AUDIT_LOG_PYTHON").unwrap_or_else(|| "python3".into())
}

/// A running process. It ends when this is dropped.
pub struct Server {
    child: Child,
    /// Its list of events.
    pub events: String,
    /// The DynamoDB API of its engine, if it has one.
    pub engine: Option<String>,
}

impl Server {
    fn command(binary: &Path, options: &[OsString]) -> Server {
        let mut command = Command::new(binary);
        command.args(["--port", "0", "--dynamodb-port", "0", "--template"]);
        command.arg(repo_path("template.yaml")).args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));

        // The first two lines say where it listens.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = || {
            let line = lines.next().expect("the service starts").unwrap();
            let mut words = line.split_whitespace();
            words
                .find(|word| word.starts_with("http://"))
                .unwrap()
                .to_owned()
        };
        let (events, engine) = (url(), Some(url()));
        Server {
            child,
            events,
            engine,
        }
    }

    async fn flask(stack: &Stack, folder: &Path) -> Server {
        let app = repo_path("benches/flask");
        // No other process is likely to be given it in the moment until the server takes it.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);

        let python = python();
        let mut command = Command::new(&python);
        if *stack == Stack::Development {
            command.arg(app.join("app.py"));
        } else {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let (bind, workers) = (format!("127.0.0.1:{port}"), (cores + 1).to_string());
            command.args(["-m", "gunicorn", "app:app", "--log-level", "warning"]);
            // Threads, because its single-threaded workers close the connection after each response.
            command.args(["--threads", "16", "--workers", &workers]);
            command.args(["--graceful-timeout", "1", "--bind", &bind, "--chdir"]);
            command.arg(&app);
        }
        let store = if *stack == Stack::Ceiling { "none" } else { "" };
        command
            .env("PORT", port.to_string())
            .env("DATA", folder.join("events.db"))
            .env("STORE", store);
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let mut server = Server {
            child,
            events: format!("http://127.0.0.1:{port}/events"),
            engine: None,
        };

        let (client, begin) = (client(), Instant::now());
        while get(&client, &server.events).await.is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "{}: no response; {ended:?}",
                stack.name()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not killed: gunicorn's workers are processes of their own, which it ends when it is asked
        // to end.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status();
            let _ = self.child.wait();
        }
    }
}

/// Requests a second, and how long they take.
#[derive(Clone)]
pub struct Measured {
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
}

/// A client of one connection, as long as it sends one request at a time.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(1)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// Sends requests on so many connections for a while. Each sends its next request when it has the
/// response to the last.
pub async fn load(
    connections: usize,
    time: Duration,
    request: impl Fn(&Client) -> RequestBuilder + Clone + Send + 'static,
) -> Measured {
    // 1. A fifth of the time opens the connections and warms up.
    let clients: Vec<Client> = (0..connections).map(|_| client()).collect();
    send(&clients, time / 5, request.clone()).await;

    // 2. The rest is measured. Requests that are under way when the time is up count, and so does
    //    the time that they take.
    let begin = Instant::now();
    let mut taken = send(&clients, time, request).await;
    let elapsed = begin.elapsed().as_secs_f64();
    taken.sort_unstable();
    Measured {
        per_second: taken.len() as f64 / elapsed,
        p50: percentile(&taken, 0.5),
        p99: percentile(&taken, 0.99),
    }
}

async fn send(
    clients: &[Client],
    time: Duration,
    request: impl Fn(&Client) -> RequestBuilder + Clone + Send + 'static,
) -> Vec<Duration> {
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for client in clients {
        let (client, request) = (client.clone(), request.clone());
        workers.spawn(async move {
            let mut taken = Vec::new();
            while begin.elapsed() < time {
                let sent = Instant::now();
                response(request(&client)).await?;
                taken.push(sent.elapsed());
            }
            Ok::<_, String>(taken)
        });
    }
    let taken: Result<Vec<Vec<Duration>>, String> = workers.join_all().await.into_iter().collect();
    taken
        .unwrap_or_else(|error| panic!("a request failed: {error}"))
        .concat()
}

/// In milliseconds.
fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.max(1) - 1].as_secs_f64() * 1000.0
}

/// An event of 1 KB.
pub fn document(user: usize, at: OffsetDateTime) -> String {
    let timestamp = at.format(&Rfc3339).unwrap();
    let start = format!(
        r#"{{"user_id":"{user}","event_type":"order_paid","timestamp":"{timestamp}","src_service":"billing","invariant_data":{{"message":"The order was paid","priority":2}},"app_data":{{"note":""#
    );
    let end = r#""}}"#;
    format!(
        "{start}{}{end}",
        "x".repeat(BYTES - start.len() - end.len())
    )
}

pub async fn get(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    response(client.get(url)).await
}

/// The request that reports a document.
pub fn post(client: &Client, url: &str, document: String) -> RequestBuilder {
    client
        .post(url)
        .header("content-type", "application/json")
        .body(document)
}

/// Sends a request, and reads the response to its end.
pub async fn response(request: RequestBuilder) -> Result<Vec<u8>, String> {
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let body = response.bytes().await;
    let body = body.map_err(|error| format!("{error:?}"))?.to_vec();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    Ok(body)
}
