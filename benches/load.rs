//! Requests a second, next to the service that this one replaces, on one machine in one run: `cargo
//! bench --bench load`, after what `benches/run` builds and installs for it.
//!
//! Clients share the cores with what they measure, which costs the faster service more. What stands
//! for the old one: flask/app.py, run by the Python that `AUDIT_LOG_PYTHON` names.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use audit_log_cli::Service;
use audit_log_cli::serve::engine::Storage;
use audit_log_testing::report::Report;
use audit_log_testing::{options, repo_path};
use reqwest::Client;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// With this argument the process is the local service.
const SERVE: &str = "--serve";

const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// How many events a log has before it is measured.
const EVENTS: usize = 3_000;

/// They are this far apart, the last an hour old: nothing of them is still on its way into an
/// index.
const APART: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(3600);

/// The size of a document.
const BYTES: usize = 1024;

/// A short run fails if [`Request::Get`] or [`Request::Post`] reaches less than this share of the
/// old service on Flask's server: about a quarter to a third of what the local service reaches.
/// benches/results/load.md says why there is no target.
const FLOORS: [f64; 2] = [0.2, 0.5];

/// How long a Python server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if given(SERVE) {
        return serve().await;
    }
    // `cargo test --benches` only asks whether it starts.
    if given("--test") || !given("--bench") {
        return;
    }
    let short = given("--short");
    let seconds = Duration::from_secs(if short { 1 } else { 5 });
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut measured = Vec::new();
    for stack in [
        Stack::Ours,
        Stack::Development,
        Stack::Gunicorn,
        Stack::Ceiling,
    ] {
        measure(stack, cores, seconds, &mut measured).await;
    }

    let mut report = Report::new("load");
    for request in [Request::Get, Request::Post] {
        let columns: Vec<String> = CONNECTIONS
            .iter()
            .flat_map(|connections| {
                [
                    format!("{connections}: a second"),
                    "p50 ms".to_owned(),
                    "p99 ms".to_owned(),
                ]
            })
            .collect();
        let columns: Vec<&str> = std::iter::once("connections")
            .chain(columns.iter().map(String::as_str))
            .collect();
        let of_request = measured.iter().filter(|row: &&Row| row.request == request);
        let rows = of_request.map(|row| {
            let cells = row.cells.iter().flat_map(|cell| {
                [
                    format!("{:.0}", cell.rps),
                    format!("{:.2}", cell.p50),
                    format!("{:.2}", cell.p99),
                ]
            });
            std::iter::once(row.stack.name().to_owned())
                .chain(cells)
                .collect()
        });
        report.table(request.name(), &columns, rows);
    }
    for request in [Request::Get, Request::Post] {
        let most = |stack| {
            let row = measured
                .iter()
                .find(|row| row.stack == stack && row.request == request);
            row.map_or(f64::NAN, Row::most)
        };
        for (stack, floors) in [
            (Stack::Development, FLOORS),
            (Stack::Gunicorn, FLOORS.map(|floor| floor / 2.0)),
        ] {
            let figure = format!("{}, relative to the {}", request.name(), stack.name());
            let floor = floors[request as usize];
            report.watch_at_least(&figure, most(Stack::Ours) / most(stack), floor, short);
        }
    }
    report.finish();
}

/// The local service, as `cargo run -- --memory` has it, in a process of its own until it is ended.
/// Tells its URL.
async fn serve() {
    let service = Service::start(&options(Storage::Memory)).await.unwrap();
    println!("{}", service.url());
    std::future::pending::<()>().await;
}

/// What answers the requests.
#[derive(Clone, Copy, PartialEq)]
enum Stack {
    Ours,
    /// The old service as its container started it.
    Development,
    /// The same on a server made for production, with a process or more for each core.
    Gunicorn,
    /// The same without a store: on none, MongoDB included, is Flask faster. It keeps nothing, so
    /// it is no rival.
    Ceiling,
}

impl Stack {
    fn name(self) -> &'static str {
        match self {
            Stack::Ours => "this service, in memory",
            Stack::Development => "old service as it was started: Flask's server",
            Stack::Gunicorn => "old service on gunicorn",
            Stack::Ceiling => "old service on gunicorn, without a store",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Request {
    Get,
    Post,
}

impl Request {
    fn name(self) -> &'static str {
        match self {
            Request::Get => "GET page 1",
            Request::Post => "POST /events",
        }
    }

    /// Sends one, of something that happens now, and reads the answer to its end.
    async fn send(self, client: &Client, url: &str) -> Result<(), String> {
        match self {
            Request::Get => get(client, url).await.map(drop),
            Request::Post => post(client, url, document(7, OffsetDateTime::now_utc())).await,
        }
    }
}

/// A stack and request, measured.
struct Row {
    stack: Stack,
    request: Request,
    cells: Vec<Cell>,
}

impl Row {
    /// Requests a second with the most connections.
    fn most(&self) -> f64 {
        self.cells.last().unwrap().rps
    }
}

struct Cell {
    rps: f64,
    p50: f64,
    p99: f64,
}

/// Starts a stack, fills it, and adds its rows.
async fn measure(stack: Stack, cores: usize, seconds: Duration, rows: &mut Vec<Row>) {
    let server = match stack {
        Stack::Ours => Server::ours(),
        _ => Server::flask(stack, cores).await,
    };
    if stack != Stack::Ceiling {
        prefill(&server.url).await;
    }
    // Reading comes first: what is written then does not make the log longer that others read.
    for request in [Request::Get, Request::Post] {
        let mut cells = Vec::new();
        for connections in CONNECTIONS {
            let clients: Vec<Client> = (0..connections).map(|_| client()).collect();
            load(&clients, &server.url, request, seconds / 5).await;
            cells.push(load(&clients, &server.url, request, seconds).await);
        }
        rows.push(Row {
            stack,
            request,
            cells,
        });
    }
}

/// A client of one connection, as long as it sends one request at a time.
fn client() -> Client {
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(1)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// Each client sends its next request when it has the answer to the last.
async fn load(clients: &[Client], url: &str, request: Request, time: Duration) -> Cell {
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for client in clients {
        let (client, url) = (client.clone(), url.to_owned());
        workers.spawn(async move {
            let (mut taken, mut errors) = (Vec::new(), Vec::new());
            while begin.elapsed() < time {
                let sent = Instant::now();
                match request.send(&client, &url).await {
                    Ok(()) => taken.push(sent.elapsed()),
                    Err(error) => errors.push(error),
                }
            }
            (taken, errors)
        });
    }
    let (taken, errors): (Vec<_>, Vec<_>) = workers.join_all().await.into_iter().unzip();
    // Requests that were under way when the time was up count, and so does the time that they took.
    let elapsed = begin.elapsed().as_secs_f64();
    let (mut taken, errors): (Vec<Duration>, Vec<String>) = (taken.concat(), errors.concat());
    if let Some(first) = errors.first() {
        panic!(
            "{} of {} requests failed, such as: {first}",
            errors.len(),
            errors.len() + taken.len()
        );
    }
    taken.sort_unstable();
    Cell {
        rps: taken.len() as f64 / elapsed,
        p50: percentile(&taken, 0.5),
        p99: percentile(&taken, 0.99),
    }
}

/// In milliseconds.
fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.max(1) - 1].as_secs_f64() * 1000.0
}

/// Gives a log its first events, and sees that it has them.
async fn prefill(url: &str) {
    const WRITERS: usize = 8;
    let now = OffsetDateTime::now_utc();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, url) = (client(), url.to_owned());
        writers.spawn(async move {
            for n in (writer..EVENTS).step_by(WRITERS) {
                post(
                    &client,
                    &url,
                    document(n % 50, now - HOUR - APART * n as u32),
                )
                .await
                .unwrap();
            }
        });
    }
    writers.join_all().await;
    let list: Value = serde_json::from_slice(&get(&client(), url).await.unwrap()).unwrap();
    assert_eq!(list["total"].as_u64(), Some(EVENTS as u64));
    assert_eq!(list["events"].as_array().map(Vec::len), Some(10));
}

fn document(user: usize, at: OffsetDateTime) -> String {
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

async fn get(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    response(client.get(url)).await
}

async fn post(client: &Client, url: &str, document: String) -> Result<(), String> {
    response(
        client
            .post(url)
            .header("content-type", "application/json")
            .body(document),
    )
    .await
    .map(drop)
}

async fn response(request: reqwest::RequestBuilder) -> Result<Vec<u8>, String> {
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let body = response
        .bytes()
        .await
        .map_err(|error| format!("{error:?}"))?
        .to_vec();
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{status}: {}", String::from_utf8_lossy(&body)))
    }
}

/// A running process, and its list of events. It ends when this is dropped.
struct Server {
    child: Child,
    url: String,
    folder: Option<PathBuf>,
}

impl Server {
    fn ours() -> Server {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(SERVE).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Server {
            child,
            url: format!("{}/events", url.trim()),
            folder: None,
        }
    }

    async fn flask(stack: Stack, cores: usize) -> Server {
        let app = repo_path("benches/flask");
        let folder = std::env::temp_dir().join(format!("audit-log-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // No other process is likely to be given it in the moment until the server takes it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();

        let python = std::env::var_os("AUDIT_LOG_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(&python);
        if stack == Stack::Development {
            command.arg(app.join("app.py"));
        } else {
            // Threads, because its single-threaded workers close the connection after each answer.
            command.args([
                "-m",
                "gunicorn",
                "app:app",
                "--threads",
                "16",
                "--log-level",
                "warning",
            ]);
            command.args([
                "--graceful-timeout",
                "1",
                "--workers",
                &(cores + 1).to_string(),
            ]);
            command
                .args(["--bind", &format!("127.0.0.1:{port}"), "--chdir"])
                .arg(&app);
        }
        command
            .env("PORT", port.to_string())
            .env("DATA", folder.join("events.db"));
        command.env("STORE", if stack == Stack::Ceiling { "none" } else { "" });
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let mut server = Server {
            child,
            url: format!("http://127.0.0.1:{port}/events"),
            folder: Some(folder),
        };

        let (client, begin) = (client(), Instant::now());
        while get(&client, &server.url).await.is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "{}: no answer; {ended:?}",
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
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
