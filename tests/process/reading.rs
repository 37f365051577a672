//! `audit-log list`, `export` and `tail`.

use std::path::{Path, PathBuf};
use std::process::Output;

use audit_log_testing::{App, event};
use tokio::process::{Child, Command};

use crate::fake::{EVENTS, FakeLog, HEADER, line, row};

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
    command.args(arguments).args(["--log", url]);
    command.env_remove("AUDIT_LOG_TOKEN").kill_on_drop(true);
    command
}

async fn run(url: &str, arguments: &[&str]) -> Output {
    command(url, arguments).output().await.unwrap()
}

async fn text(url: &str, arguments: &[&str]) -> String {
    let output = run(url, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn kill_9(mut child: Child) {
    let id = child.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-KILL", &id]).status().await;
    assert!(killed.unwrap().success());
    child.wait().await.unwrap();
}

/// The file of an export that is not complete.
fn part_of(folder: &Path) -> PathBuf {
    let mut parts = std::fs::read_dir(folder).unwrap();
    let part = parts.next().unwrap().unwrap().path();
    assert!(part.to_string_lossy().ends_with(".part"), "{part:?}");
    assert!(parts.next().is_none());
    part
}

#[tokio::test]
async fn an_export_that_was_killed_continues_with_whole_events() {
    let lines: String = (0..EVENTS).map(line).collect();
    let rows = HEADER.to_owned() + &(0..EVENTS).map(row).collect::<String>();
    for (format, expected) in [("ndjson", lines), ("csv", rows)] {
        let log = FakeLog::start(2).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let arguments = ["export", "--format", format, "-o", file.to_str().unwrap()];
        let child = command(&log.url, &arguments).spawn().unwrap();
        log.stopped().await;
        kill_9(child).await;

        // It was killed while it wrote the next event.
        let part = part_of(folder.path());
        let mut written = std::fs::read_to_string(&part).unwrap();
        assert!(expected.starts_with(&written), "{written}");
        assert!(!written.is_empty());
        let half = written.len() + 45;
        written.push_str(&expected[written.len()..half]);
        std::fs::write(&part, &written).unwrap();

        log.go_on();
        text(&log.url, &arguments).await;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
        assert!(!part.exists());
    }
}

#[tokio::test]
async fn a_tail_that_was_killed_continues_behind_what_it_printed() {
    let log = FakeLog::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let arguments = ["tail", "--follow", "--state", state.to_str().unwrap()];
    let mut following = command(&log.url, &arguments);
    let child = following
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    log.stopped().await;
    kill_9(child).await;
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "6\n");

    log.go_on();
    let arguments = ["tail", "--state", state.to_str().unwrap()];
    let printed = text(&log.url, &arguments).await;
    let indexes: Vec<u64> = printed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|entry| entry["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indexes, [6, 7, 8, 9]);
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "10\n");
    assert_eq!(text(&log.url, &arguments).await, "");
}

/// A log of a few events, one of which has line breaks.
async fn log() -> App {
    let app = App::start().await;
    for number in 0..5 {
        app.record(event("1", &format!("2024-01-01T00:00:0{number}Z")))
            .await;
    }
    let broken = event("=\\u001b[2J", "2024-01-01T00:00:09Z").replace(": ", ":\r\n ");
    app.record(broken).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_what_the_service_sends() {
    let app = log().await;
    for (format, media_type) in [("ndjson", "application/x-ndjson"), ("csv", "text/csv")] {
        let path = "/events?per_page=1000&order=asc";
        let sent = app.get_with(&[("accept", media_type)], path).await;
        let exported = text(app.url(), &["export", "--format", format]).await;
        assert_eq!(exported, sent.text);
    }
    let of_user = text(
        app.url(),
        &["export", "--user", "1", "--to", "2024-01-01T00:00:03Z"],
    )
    .await;
    assert_eq!(of_user.lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_readable_and_says_how_it_continues() {
    let app = log().await;
    let printed = text(app.url(), &["list", "--per-page", "2"]).await;
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("TIME "), "{printed}");
    assert!(lines[1].starts_with("2024-01-01T00:00:09"), "{printed}");
    assert!(lines[1].contains("=\\u001b[2J"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "{printed}");
    let next = lines[4].strip_prefix("2 of 6 events. Continue with --after ");
    let rest = ["list", "--after", next.unwrap(), "--json"];
    let page: serde_json::Value = serde_json::from_str(&text(app.url(), &rest).await).unwrap();
    assert_eq!(page["events"].as_array().unwrap().len(), 4);
    let csv = text(app.url(), &["list", "--user", "1", "--format", "csv"]).await;
    assert_eq!(csv.lines().count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_prints_each_sealed_entry_on_one_line() {
    let app = log().await;
    app.service().sealed().await;
    let printed = text(app.url(), &["tail", "--after", "1"]).await;
    assert_eq!(printed.lines().count(), 5);
    let readable = text(app.url(), &["tail", "--format", "table"]).await;
    assert_eq!(readable.lines().count(), 6);
}

#[tokio::test]
async fn a_log_that_is_not_there_is_exit_2() {
    let nothing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nothing.local_addr().unwrap());
    drop(nothing);
    for arguments in [&["list"][..], &["export"], &["tail"]] {
        let output = run(&url, arguments).await;
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("name one with --log"), "{errors}");
    }
}

#[tokio::test]
async fn shells_and_man_know_every_command() {
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"));
        let output = command.args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["man"],
    ] {
        let printed = run(arguments).await;
        for name in ["export", "verify", "tail"] {
            assert!(printed.contains(name), "{arguments:?}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    run(&["man", folder.path().to_str().unwrap()]).await;
    assert!(folder.path().join("audit-log-export.1").exists());
}
