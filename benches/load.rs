//! Requests a second, compared with the service that this one replaces and with the engine below it,
//! on one machine in one run: `cargo bench --bench load`, after what `benches/run` builds and
//! installs for it.
//!
//! Clients share the cores with what they measure, which costs the faster service more. In place of
//! the old service runs flask/app.py, by the Python that `AUDIT_LOG_PYTHON` names. If
//! `AUDIT_LOG_EARLIER` names the command of an earlier build, that is measured, too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

mod stacks;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit_log_testing::report::Report;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use stacks::{
    Measured, Server, Stack, client, command_binary, document, get, load, post, response,
};

const CONNECTIONS: [usize; 3] = [1, 8, 32];
/// How often each stack has its turn.
const ROUNDS: usize = 3;
/// How long a turn takes for each number of connections.
const TIME: Duration = Duration::from_secs(2);
/// How long the functions behind the stream may take after a turn.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many events a log has before it is measured.
const EVENTS: usize = 3_000;

/// They are this far apart, the last an hour old: nothing of them is still on its way into an
/// index.
const APART: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(3600);

/// The names of the rows that the summary compares.
const MEMORY: &str = "this service, in memory";
const FILE: &str = "this service, on a file";
const FILE_PROCESS: &str = "this service, on a file, --durability process";
const EARLIER_MEMORY: &str = "an earlier build, in memory";
const EARLIER_FILE: &str = "an earlier build, on a file";

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    if given("--test") || !given("--bench") {
        return;
    }
    let short = given("--short");
    let rounds = if short { 1 } else { ROUNDS };
    let folder = tempfile::tempdir().unwrap();

    let mut running = Vec::new();
    for stack in stacks(folder.path()) {
        running.push(Running::start(stack, folder.path()).await);
    }
    let mut rows = Vec::new();
    // Reading comes first. What is written then does not make the log longer that others read.
    for request in [Request::Get, Request::Query, Request::Post] {
        measure(&running, request, rounds, &mut rows).await;
    }

    let mut report = Report::new("load");
    for request in [Request::Get, Request::Post, Request::Query] {
        table(&mut report, request, &rows);
    }
    summary(&mut report, &rows, short);
    report.finish();
}

/// All that is measured, each with a store of its own in `folder`.
fn stacks(folder: &Path) -> Vec<Stack> {
    let mut stacks = commands(command_binary(), [MEMORY, FILE], folder);
    let mut options = data(folder, FILE_PROCESS);
    options.extend(["--durability".into(), "process".into()]);
    stacks.push(Stack::Command {
        name: FILE_PROCESS,
        binary: command_binary(),
        options,
    });
    if let Some(earlier) = std::env::var_os("AUDIT_LOG_EARLIER") {
        let names = [EARLIER_MEMORY, EARLIER_FILE];
        stacks.extend(commands(earlier.into(), names, folder));
    }
    stacks.extend([Stack::Development, Stack::Gunicorn, Stack::Ceiling]);
    stacks
}

/// A build in memory and on a file.
fn commands(binary: PathBuf, [memory, file]: [&'static str; 2], folder: &Path) -> Vec<Stack> {
    let in_memory = Stack::Command {
        name: memory,
        binary: binary.clone(),
        options: vec!["--memory".into()],
    };
    let on_a_file = Stack::Command {
        name: file,
        binary,
        options: data(folder, file),
    };
    vec![in_memory, on_a_file]
}

/// The option that names a folder of its own.
fn data(folder: &Path, name: &str) -> Vec<OsString> {
    vec!["--data".into(), folder.join(name).into()]
}

#[derive(Clone, Copy, PartialEq)]
enum Request {
    Get,
    Post,
    /// A Query of the engine for ten events. A page needs at least one for each shard.
    Query,
}

impl Request {
    fn name(self) -> &'static str {
        match self {
            Request::Get => "GET page 1",
            Request::Post => "POST /events",
            Request::Query => "Query of 10 events, sent to the engine's port",
        }
    }

    /// The request to a server, or `None` if it has none of this kind.
    fn of(
        self,
        server: &Server,
    ) -> Option<impl Fn(&Client) -> RequestBuilder + Clone + Send + 'static> {
        let (events, engine) = (server.events.clone(), server.engine.clone());
        if self == Request::Query && engine.is_none() {
            return None;
        }
        Some(move |client: &Client| match self {
            Request::Get => client.get(&events),
            Request::Post => {
                let document = document(7, OffsetDateTime::now_utc());
                post(client, &events, document)
            }
            Request::Query => query(client, engine.as_deref().unwrap_or_default()),
        })
    }
}

/// A Query of the newest events of a shard. The engine checks that there is a signature, and not
/// what it is.
fn query(client: &Client, engine: &str) -> RequestBuilder {
    const QUERY: &str = r##"{"TableName":"EventsTable","KeyConditionExpression":"#shard = :shard","ExpressionAttributeNames":{"#shard":"shard"},"ExpressionAttributeValues":{":shard":{"S":"0"}},"Limit":10,"ScanIndexForward":false,"ConsistentRead":true}"##;
    client
        .post(engine)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.Query")
        .header("x-amz-date", "20240101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
        )
        .body(QUERY)
}

/// A stack that runs and has its first events.
struct Running {
    name: &'static str,
    server: Server,
    /// What the old service keeps its events in: a file of one name, so each has a folder.
    _folder: TempDir,
}

impl Running {
    async fn start(stack: Stack, folder: &Path) -> Running {
        let folder = tempfile::tempdir_in(folder).unwrap();
        let server = stack.start(folder.path()).await;
        if stack != Stack::Ceiling {
            prefill(&server.events).await;
        }
        let running = Running {
            name: stack.name(),
            server,
            _folder: folder,
        };
        running.settle().await;
        running
    }

    /// Waits until the transparency log has all events, so that seal-events is idle. index-events,
    /// which gets the same batches, is then idle, too, or about to be.
    async fn settle(&self) {
        if self.server.engine.is_none() {
            return;
        }
        let client = client();
        let events = &self.server.events;
        let checkpoint = events.replace("/events", "/log/checkpoint");
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < PATIENCE, "{} does not seal", self.name);
            let list = get(&client, &format!("{events}?per_page=1")).await.unwrap();
            let list: Value = serde_json::from_slice(&list).unwrap();
            // There is none before the first batch. The second line is the size of the log.
            let checkpoint = get(&client, &checkpoint).await.unwrap_or_default();
            let checkpoint = String::from_utf8(checkpoint).unwrap();
            if checkpoint.lines().nth(1) == Some(&list["total"].to_string()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A stack and request, measured.
struct Row {
    name: &'static str,
    request: Request,
    /// The median round for each of [`CONNECTIONS`].
    cells: Vec<Measured>,
}

/// Measures a request on all stacks by turns, so that each has a share of the machine's better and
/// worse moments.
async fn measure(running: &[Running], request: Request, rounds: usize, rows: &mut Vec<Row>) {
    let with_request: Vec<_> = running
        .iter()
        .filter_map(|running| Some((running, request.of(&running.server)?)))
        .collect();
    // One measurement for each stack, number of connections and round.
    let mut measured = vec![[const { Vec::new() }; CONNECTIONS.len()]; with_request.len()];
    for _ in 0..rounds {
        for ((running, send), of_stack) in with_request.iter().zip(&mut measured) {
            for (connections, of_rounds) in CONNECTIONS.into_iter().zip(of_stack) {
                of_rounds.push(load(connections, TIME, send.clone()).await);
            }
            running.settle().await;
        }
    }
    for ((running, _), of_stack) in with_request.iter().zip(measured) {
        rows.push(Row {
            name: running.name,
            request,
            cells: of_stack.map(median_round).into(),
        });
    }
}

fn median_round(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
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
                let document = document(n % 50, now - HOUR - APART * u32::try_from(n).unwrap());
                response(post(&client, &url, document)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let list: Value = serde_json::from_slice(&get(&client(), url).await.unwrap()).unwrap();
    assert_eq!(list["total"].as_u64(), Some(EVENTS as u64));
    assert_eq!(list["events"].as_array().map(Vec::len), Some(10));
}

fn table(report: &mut Report, request: Request, rows: &[Row]) {
    let mut columns = vec!["connections".to_owned()];
    for connections in CONNECTIONS {
        columns.push(format!("{connections}: a second"));
        columns.extend(["p50 ms".to_owned(), "p99 ms".to_owned()]);
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let of_request = rows.iter().filter(|row| row.request == request);
    let rows = of_request.map(|row| {
        let mut line = vec![row.name.to_owned()];
        for cell in &row.cells {
            line.push(format!("{:.0}", cell.per_second));
            line.extend([format!("{:.2}", cell.p50), format!("{:.2}", cell.p99)]);
        }
        line
    });
    report.table(request.name(), &columns, rows);
}

/// Compares what is reached with the most connections.
fn summary(report: &mut Report, rows: &[Row], short: bool) {
    let most = |name: &str, request: Request| {
        let mut found = rows.iter();
        let row = found.find(|row| row.name == name && row.request == request);
        row.map(|row| row.cells.last().unwrap().per_second)
    };
    let mut compare = |name: &str, request: Request, other: &str, of: Request, target: f64| {
        let (Some(ours), Some(theirs)) = (most(name, request), most(other, of)) else {
            return;
        };
        let figure = match of == request {
            true => format!("{}: {name}, relative to {other}", request.name()),
            false => format!(
                "{}: {name}, relative to the engine's Queries",
                request.name()
            ),
        };
        report.at_least(&figure, ours / theirs, target, short);
    };
    let (get, post, query) = (Request::Get, Request::Post, Request::Query);
    let gunicorn = Stack::Gunicorn.name();
    compare(MEMORY, get, MEMORY, query, 0.27);
    compare(MEMORY, post, MEMORY, query, 0.33);
    compare(FILE, get, EARLIER_FILE, get, 2.2);
    compare(FILE, post, EARLIER_FILE, post, 1.0);
    compare(FILE_PROCESS, post, EARLIER_FILE, post, 1.6);
    compare(FILE, get, gunicorn, get, 1.0);
    compare(FILE, post, gunicorn, post, 1.0);
}
