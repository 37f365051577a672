//! How long a page takes as a log grows, compared with the service that this one replaces, which
//! counts and skips: `cargo bench --bench growth`, after what `benches/run` builds and installs.
//!
//! Both keep their events in a file. It takes some 10 minutes and 6 GB of disk, nearly all of it to
//! fill the logs. `--short` leaves out the largest.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

mod stacks;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_cli::serve::engine::{Address, Engine};
use audit_log_testing::report::Report;
use audit_log_testing::tables::events;
use audit_log_testing::{Tables, repo_path, settings};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use stacks::{BYTES, Server, Stack, client, command_binary, get, load, python};

const SIZES: [usize; 3] = [3_000, 100_000, 1_000_000];
/// The events of each size are spread over this time.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long each page is requested, on one connection.
const TIME: Duration = Duration::from_secs(5);
const PER_PAGE: usize = 10;

const OURS: &str = "this service";
const OLD: &str = "old service on gunicorn";

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    if given("--test") || !given("--bench") {
        return;
    }
    let short = given("--short");
    let sizes = if short { &SIZES[..2] } else { &SIZES[..] };

    let mut rows = Vec::new();
    for count in sizes {
        for name in [OURS, OLD] {
            let folder = tempfile::tempdir().unwrap();
            let server = start(name, folder.path(), *count).await;
            for (page, number) in [("first", 1), ("middle", count / PER_PAGE / 2)] {
                let milliseconds = page_time(&server, *count, number).await;
                eprintln!("{count} events, {name}, {page} page: {milliseconds:.2} ms");
                rows.push(Row {
                    count: *count,
                    name,
                    page,
                    milliseconds,
                });
            }
        }
    }
    write(&rows, sizes, short);
}

/// How long a page of a log takes.
struct Row {
    count: usize,
    name: &'static str,
    page: &'static str,
    /// The median.
    milliseconds: f64,
}

/// Fills a log in `folder`, and starts its service.
async fn start(name: &str, folder: &Path, count: usize) -> Server {
    if name == OLD {
        let app = repo_path("benches/flask/app.py");
        let mut fill = Command::new(python());
        fill.arg(app).args(["fill", &count.to_string()]);
        let filled = fill.env("DATA", folder.join("events.db")).status();
        assert!(filled.unwrap().success());
        return Stack::Gunicorn.start(folder).await;
    }
    fill(folder, count).await;
    let command = Stack::Command {
        name: OURS,
        binary: command_binary(),
        options: vec!["--data".into(), folder.into()],
    };
    command.start(folder).await
}

/// Writes a data folder with so many events that are all in the count index.
async fn fill(folder: &Path, count: usize) {
    // 1. The engine of the command, on the folder.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new(format!("http://{}", listener.local_addr().unwrap()));
    let (stop, stopped) = oneshot::channel::<()>();
    let engine = Engine::open(Some(folder)).unwrap();
    let served = engine.serve(listener, async { drop(stopped.await) });

    // 2. The events and their index. The tables have no stream yet. Otherwise the service would
    //    begin with a million records of it.
    let tables = Tables::create_at(address, settings(audit_log_testing::tables::SHARDS)).await;
    tables.write_of(&events(count, MONTH), BYTES + 200).await;
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    tables.index(now).await;

    // 3. The stream that the template declares.
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage);
    // For a large table, the engine takes longer than the functions' client waits.
    let client = Client::new(&tables.dynamodb.config().load().await);
    let update = client.update_table().table_name("EventsTable");
    let update = update.stream_specification(stream.build().unwrap());
    update.send().await.unwrap();
    drop(tables);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

/// The median time of a page, in milliseconds.
async fn page_time(server: &Server, count: usize, page: usize) -> f64 {
    let url = format!("{}?page={page}", server.events);
    let list: Value = serde_json::from_slice(&get(&client(), &url).await.unwrap()).unwrap();
    assert_eq!(list["total"].as_u64(), Some(count as u64));
    assert_eq!(list["events"].as_array().map(Vec::len), Some(PER_PAGE));
    load(1, TIME, move |client| client.get(&url)).await.p50
}

fn write(rows: &[Row], sizes: &[usize], short: bool) {
    let time = |name: &str, page: &str, count: usize| {
        let mut found = rows.iter();
        let row = found.find(|row| row.name == name && row.page == page && row.count == count);
        row.unwrap().milliseconds
    };
    let pages = [
        (OURS, "first"),
        (OURS, "middle"),
        (OLD, "first"),
        (OLD, "middle"),
    ];

    let mut report = Report::new("growth");
    let columns = [
        "events",
        "this service: first",
        "middle",
        "old service: first",
        "middle",
    ];
    let lines = sizes.iter().map(|count| {
        let times = pages.iter().map(|(name, page)| time(name, page, *count));
        let times = times.map(|time| format!("{time:.2}"));
        std::iter::once(count.to_string()).chain(times).collect()
    });
    report.table("Milliseconds of a page of 10, the median", &columns, lines);

    let names = pages.map(|(name, page)| format!("{name}, {page} page"));
    let lines: Vec<(&str, Vec<f64>)> = pages
        .iter()
        .zip(&names)
        .map(|((name, page), label)| {
            let times = sizes.iter().map(|count| time(name, page, *count));
            (label.as_str(), times.collect())
        })
        .collect();
    let title = "Milliseconds of a page of 10, by events in the log";
    let labels: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    report.lines("docs/growth.svg", title, &labels, &lines);

    let (smallest, largest) = (sizes[0], sizes[sizes.len() - 1]);
    for page in ["first", "middle"] {
        let figure = format!("{page} page at {largest} events, relative to {smallest}");
        let grown = time(OURS, page, largest) / time(OURS, page, smallest);
        report.at_most(&figure, grown, 1.5, short);
    }
    report.finish();
}
