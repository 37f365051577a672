//! `audit-log` as a process: what it keeps, how it stops, and what it says when it cannot start.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod demo;
mod fake;
mod import;
#[cfg(target_os = "linux")]
mod load;
mod reading;
mod recovery;
mod report;
mod sealing;
mod view;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use audit_log_testing::{App, Response, event, read_file};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A started service and where it listens.
struct Process {
    child: Child,
    app: App,
    engine: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
    for port in ["--port", "--dynamodb-port"]
        .iter()
        .filter(|port| !arguments.contains(port))
    {
        command.args([port, "0"]);
    }
    command.args(arguments).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

impl Process {
    async fn start(data: &Path) -> Process {
        Process::start_with(&["--data", data.to_str().unwrap()]).await
    }

    async fn start_with(arguments: &[&str]) -> Process {
        let mut child = command(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = None;
        let mut engine = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            let address = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned);
            if line.starts_with("The audit log is at") {
                url = address;
            } else if line.starts_with("Its DynamoDB engine is at") {
                engine = address;
            } else if line.starts_with("Ctrl-C") {
                break;
            }
        }
        // Whatever it prints from now on must find a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url = url.unwrap();
        let app = App::at(url.strip_suffix("/events").unwrap());
        Process {
            child,
            app,
            engine: engine.unwrap(),
        }
    }

    async fn ids(&self) -> Vec<String> {
        self.app.get("/events?per_page=1000").await.ids()
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .await
                .unwrap()
                .success()
        );
    }
}

#[tokio::test]
async fn ctrl_c_and_sigterm_stop_it_and_a_restart_has_every_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for signal in ["-INT", "-TERM"] {
        let mut process = Process::start(folder.path()).await;
        let second = expected.len();
        let response = process
            .app
            .post(event("1", &format!("2024-01-01T00:00:0{second}Z")))
            .await;
        expected.insert(0, response.id());
        assert_eq!(process.ids().await, expected);
        process.signal(signal).await;
        assert_eq!(
            process.child.wait().await.unwrap().code(),
            Some(0),
            "{signal}"
        );
    }
    assert_eq!(Process::start(folder.path()).await.ids().await, expected);
}

#[tokio::test]
async fn kill_9_during_writes_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for (round, durability) in ["power", "process", "power"].iter().enumerate() {
        let data = folder.path().to_str().unwrap();
        let options = ["--data", data, "--durability", durability];
        let mut process = Process::start_with(&options).await;
        let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let report = report.clone();
            let url = format!("{}/events", process.app.url());
            writers.spawn(async move {
                let http = reqwest::Client::new();
                for number in 0.. {
                    let document = event(
                        "1",
                        &format!("2024-01-0{}T00:{writer:02}:00.{number:06}Z", round + 1),
                    );
                    let request = http
                        .post(&url)
                        .header("content-type", "application/json")
                        .body(document);
                    let Ok(response) = request.send().await else {
                        return;
                    };
                    let (status, Ok(text)) = (response.status(), response.text().await) else {
                        return;
                    };
                    assert_eq!(status, 201);
                    let response: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if report
                        .send(response["id"].as_str().unwrap().to_owned())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(report);
        for _ in 0..60 {
            acknowledged.push(reports.recv().await.unwrap());
        }
        process.child.kill().await.unwrap();
        while let Some(id) = reports.recv().await {
            acknowledged.push(id);
        }
        while let Some(writer) = writers.join_next().await {
            writer.unwrap();
        }
    }
    let process = Process::start(folder.path()).await;
    let kept = process.app.follow_ids("/events?per_page=1000").await;
    assert!(
        kept.is_sorted_by(|newer, older| newer > older),
        "listed twice"
    );
    for id in &acknowledged {
        assert!(kept.contains(id), "lost {id}");
    }
}

#[tokio::test]
async fn the_engine_answers_dynamodb_clients() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let request = reqwest::Client::new()
        .post(&process.engine)
        .header("x-amz-target", "DynamoDB_20120810.DescribeTable")
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0")
        .header("x-amz-date", "20240101T000000Z")
        .body(r#"{"TableName":"EventsTable"}"#);
    let table = Response::of(request).await;
    assert_eq!(
        table.json()["Table"]["GlobalSecondaryIndexes"][0]["IndexName"],
        "user_id-index",
        "{table:?}"
    );
}

/// Exit code 2 and one sentence on standard error, which says what to do.
async fn refused(arguments: &[&str]) -> String {
    let ended = tokio::time::timeout(
        Duration::from_secs(60),
        command(arguments).stderr(Stdio::piped()).output(),
    )
    .await;
    let Output { status, stderr, .. } = ended
        .unwrap_or_else(|_| panic!("{arguments:?} started it"))
        .unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(
        (status.code(), stderr.lines().count()),
        (Some(2), 1),
        "{stderr}"
    );
    assert!(
        stderr.starts_with("audit-log: ") && stderr.ends_with(".\n"),
        "{stderr}"
    );
    stderr
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--dynamodb-port"] {
        let message = refused(&["--memory", option, &port]).await;
        assert!(
            message.contains(&port) && message.contains(option),
            "{message}"
        );
    }

    std::fs::write(path("file"), "").unwrap();
    assert!(refused(&["--data", &path("file")]).await.contains("--data"));

    assert!(
        refused(&["--memory", "--template", &path("missing.yaml")])
            .await
            .contains("--template")
    );
    for (name, text) in [
        ("broken.yaml", "Resources: [".to_owned()),
        ("empty.yaml", "Resources: {}".to_owned()),
        (
            "other.yaml",
            template().replace("create-event", "delete-event"),
        ),
        (
            "shards.yaml",
            template().replace(
                "  Shards:\n    Type: Number\n    Default: 2\n",
                "  Shards:\n    Type: Number\n    Default: 40\n",
            ),
        ),
    ] {
        std::fs::write(path(name), text).unwrap();
        refused(&["--memory", "--template", &path(name)]).await;
    }

    let data = path("data");
    let _process = Process::start(Path::new(&data)).await;
    assert!(
        refused(&["--data", &data])
            .await
            .contains("another audit-log already uses")
    );
}

#[tokio::test]
async fn a_folder_of_an_older_version_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("data"), folder.path().join("older.yaml"));
    std::fs::write(
        &older,
        template().replace(
            "  KeysTable:\n    Type: AWS::DynamoDB::Table\n",
            "  KeysTable:\n    Type: Nothing\n",
        ),
    )
    .unwrap();
    let (data, older) = (data.to_str().unwrap(), older.to_str().unwrap());
    let mut process = Process::start_with(&["--data", data, "--template", older]).await;
    process.app.post(event("1", "2024-01-01T00:00:00Z")).await;
    process.child.kill().await.unwrap();
    let message = refused(&["--data", data]).await;
    assert!(
        message.contains("older version") && message.contains("--data"),
        "{message}"
    );
    let process = Process::start_with(&["--data", data, "--template", older]).await;
    assert_eq!(process.ids().await.len(), 1);
}

fn template() -> String {
    read_file("template.yaml")
}

/// Runs a command to its end: its exit code and what it prints.
async fn run(arguments: &[&str]) -> (i32, String) {
    run_with(&[], arguments).await
}

/// The same with more variables in its environment.
async fn run_with(environment: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
    command.args(arguments).envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().await.unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap(),
    )
}

#[tokio::test]
async fn rebuild_reports_and_repairs_each_difference() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    // Without the stream nothing indexes what is recorded.
    let without_stream = folder.path().join("without-stream.yaml");
    std::fs::write(
        &without_stream,
        template().replace("Type: DynamoDB\n", "Type: Nothing\n"),
    )
    .unwrap();
    let process = Process::start_with(&[
        "--data",
        data,
        "--template",
        without_stream.to_str().unwrap(),
    ])
    .await;
    // So many of one user that it needs a trie of its own.
    let log = process.app.url();
    let (code, printed) = run(&["demo", "--events", "1400", "--users", "1", "--log", log]).await;
    assert_eq!(code, 0, "{printed}");
    process.app.post(event("2", "2024-01-01T00:00:00Z")).await;
    let (code, printed) = run(&["rebuild", "--data", data]).await;
    assert_eq!(code, 2);
    assert!(
        printed.contains("another audit-log already uses"),
        "{printed}"
    );
    process.signal("-INT").await;
    let Process { mut child, .. } = process;
    child.wait().await.unwrap();

    let (code, printed) = run(&["rebuild", "--data", data]).await;
    assert!(
        code == 1 && printed.contains("was not in the index, or not completely"),
        "{printed}"
    );
    let (code, printed) = run(&["rebuild", "--data", data]).await;
    assert!(
        code == 0 && printed.contains("Compared 1401 events, and the tries of users"),
        "{printed}"
    );
    assert!(printed.contains("no difference"), "{printed}");

    let process = Process::start(folder.path()).await;
    let list = process.app.get("/events?per_page=100&page=15").await;
    assert_eq!(
        (list.ids().len(), &list.json()["total"]),
        (1, &serde_json::json!(1401))
    );
    // Nothing indexed the events, so the values are those that rebuild has found.
    let facets = process.app.get("/events/facets").await.json();
    let types = facets["event_type"].as_array().unwrap();
    assert!(types.contains(&serde_json::json!("test")), "{facets}");
    assert!(types.len() > 1, "{facets}");
}

#[tokio::test]
async fn rebuild_of_a_folder_that_is_not_there_says_so() {
    let (code, printed) = run(&["rebuild", "--data", "/nonexistent/audit"]).await;
    assert_eq!(
        (code, printed.as_str()),
        (
            2,
            "audit-log: there is no log in /nonexistent/audit; name its folder with --data.\n"
        )
    );
}

#[tokio::test]
async fn a_restart_with_another_filter_finds_the_older_events() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut ids = Vec::new();
    for filters in ["none", "event_type", "event_type,src_service"] {
        let mut process = Process::start_with(&["--data", data, "--filters", filters]).await;
        let second = ids.len();
        let document = event("1", &format!("2024-01-01T00:00:0{second}Z"));
        ids.insert(0, process.app.post(document).await.id());
        for field in ["event_type=test", "src_service=tests"] {
            let list = process.app.get(&format!("/events?{field}")).await;
            let name = field.split('=').next().unwrap();
            if filters.contains(name) {
                assert_eq!(list.ids(), ids, "{field} with {filters}");
            } else {
                assert_eq!(list.error(), (400, "invalid_parameter".to_owned()));
            }
        }
        process.signal("-TERM").await;
        process.child.wait().await.unwrap();
    }
}

#[tokio::test]
async fn an_index_of_an_older_version_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut process = Process::start(folder.path()).await;
    process.app.post(event("1", "2024-01-01T00:00:00Z")).await;
    process.signal("-TERM").await;
    process.child.wait().await.unwrap();

    // The index of the older version has other attributes.
    let template = read_file("template.yaml").replace(
        "NonKeyAttributes: [event_type, src_service]",
        "NonKeyAttributes: [src_service]",
    );
    let older = folder.path().join("template.yaml");
    std::fs::write(&older, template).unwrap();
    let mut command = command(&["--data", data, "--template", older.to_str().unwrap()]);
    let output = command.stderr(Stdio::piped()).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("older version") && said.contains("--data"),
        "{said}"
    );
}
