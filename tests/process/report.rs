//! `audit-log report`: every event of a file once, as it was spelled, and every problem by its line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use audit_log_testing::event;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Process, run};

fn file(folder: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.join("events");
    std::fs::write(&file, content).unwrap();
    file
}

async fn report(log: &str, file: &Path) -> (i32, String) {
    run(&["report", "--log", log, file.to_str().unwrap()]).await
}

fn documents(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers
        .map(|number| {
            let (minutes, seconds) = (number / 60, number % 60);
            event("1", &format!("2024-01-01T00:{minutes:02}:{seconds:02}Z"))
        })
        .collect()
}

#[tokio::test]
async fn a_second_run_of_a_file_that_grew_records_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let mut lines = documents(0..230);
    // Two equal lines are two events.
    lines.push(lines[0].clone());
    let events = file(folder.path(), lines.join("\n"));
    let (code, printed) = report(log, &events).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.starts_with("Recorded 231 events"), "{printed}");
    let recorded = process.ids().await;
    assert_eq!(recorded.len(), 231);

    lines.extend(documents(300..310));
    let events = file(folder.path(), lines.join("\r\n"));
    let (code, printed) = report(log, &events).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("Recorded 10 events"), "{printed}");
    assert!(
        printed.contains("231 events were recorded before"),
        "{printed}"
    );
    assert_eq!(process.ids().await.len(), 241);
}

#[tokio::test]
async fn every_form_of_input_is_recorded_as_it_is_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let spelled = |second: u32| {
        format!(
            "{{\"user_id\": 7,\n \"event_type\": \"t\", \"timestamp\":\"2024-01-01T00:00:{second:02}Z\",\
             \"src_service\":\"s\",\"invariant_data\":[1.0, 1e2,\"\\u00e9\"],\"app_data\":null}}"
        )
    };
    let (document, element) = (spelled(1), spelled(2));
    let (compressed, keyed) = (spelled(3).replace('\n', ""), spelled(4));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(compressed.as_bytes()).unwrap();
    let inputs = [
        document.clone().into_bytes(),
        format!("[\n{element}]").into_bytes(),
        gzip.finish().unwrap(),
        format!("[{{\"key\": \"k\", \"event\": {keyed}}}]").into_bytes(),
    ];
    for input in inputs {
        let (code, printed) = report(log, &file(folder.path(), input)).await;
        assert_eq!((code, printed.as_str()), (0, "Recorded 1 event.\n"));
    }
    let list = process.app.get("/events").await.text;
    for text in [document, element, compressed, keyed] {
        let members = &text[1..];
        assert!(list.contains(members), "{members} is not in {list}");
    }
}

#[tokio::test]
async fn standard_input_can_be_reported() {
    let process = Process::start_with(&["--memory"]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-log"))
        .args(["report", "--json"])
        .env("AUDIT_LOG_URL", process.app.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = command.stdin.take().unwrap();
    let lines = [documents(0..2).join("\n"), "{}".to_owned()].join("\n\n");
    input.write_all(lines.as_bytes()).await.unwrap();
    drop(input);
    let Output { status, stdout, .. } = command.wait_with_output().await.unwrap();
    assert_eq!(status.code(), Some(1));
    let stdout = String::from_utf8(stdout).unwrap();
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert_eq!(lines[0]["result"], "recorded");
    assert_eq!(lines[1]["id"], process.ids().await[0]);
    assert_eq!(
        (&lines[2]["line"], &lines[2]["result"]),
        (&4.into(), &"refused".into())
    );
}

#[tokio::test]
async fn a_refused_line_is_named_and_the_others_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let mut lines = documents(0..3);
    lines[1] = lines[1].replace("00:00:01Z", "00:00:01");
    lines.insert(1, "{\"cut\": ".to_owned());
    lines.push(format!("{{\"long\": \"{}\"}}", "x".repeat(300 * 1024)));
    let (code, printed) = report(log, &file(folder.path(), lines.join("\n"))).await;
    assert_eq!(code, 1, "{printed}");
    for expected in [
        "line 2: it is not a JSON document",
        "line 3: timestamp has no offset from UTC; append Z",
        "line 5: it has more than the 262144 bytes",
        "3 events refused",
        "Recorded 2 events",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert_eq!(process.ids().await.len(), 2);
}

#[tokio::test]
async fn a_log_or_a_file_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let events = file(folder.path(), documents(0..1).join("\n"));
    let (code, printed) = report("http://127.0.0.1:9", &events).await;
    assert_eq!(code, 2);
    assert!(printed.contains("127.0.0.1:9"), "{printed}");
    assert!(printed.contains("does not respond"), "{printed}");
    let (code, printed) = report("http://127.0.0.1:9", Path::new("/nonexistent")).await;
    assert_eq!(code, 2);
    assert!(
        printed.starts_with("audit-log: cannot read /nonexistent"),
        "{printed}"
    );
}
