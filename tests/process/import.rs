//! `audit-log import`: each document of the old service once, whatever interrupts it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use super::{Process, run};

/// Documents as mongoexport writes them, in canonical extended JSON.
fn export(folder: &Path, documents: u32) -> PathBuf {
    let lines: Vec<String> = (0..documents)
        .map(|number| {
            let (minutes, seconds) = (number / 60, number % 60);
            format!(
                r#"{{"_id":{{"$oid":"65a1b2c3d4e5f607{number:08x}"}},"user_id":"1","event_type":"account_deleted","timestamp":"2024-01-01T00:{minutes:02}:{seconds:02}","src_service":"user_service","invariant_data":{{"message":"User deleted account","priority":{{"$numberInt":"2"}}}},"app_data":{{"username":"jondoe"}}}}"#
            )
        })
        .collect();
    let file = folder.join("logger.json");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    file
}

async fn import(log: &str, file: &Path, options: &[&str]) -> (i32, String) {
    let file = file.to_str().unwrap();
    run(&[&["import", file, "--log", log], options].concat()).await
}

/// The `_id` of each event of the log.
async fn old_ids(process: &Process) -> Vec<String> {
    let list = process.app.get("/events?per_page=1000").await.json();
    let events = list["events"].as_array().unwrap().iter();
    events
        .map(|event| event["_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_document_of_the_old_service_becomes_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let file = export(folder.path(), 1);
    let (code, printed) = import(process.app.url(), &file, &["--zone", "Europe/Berlin"]).await;
    assert_eq!(code, 0, "{printed}");
    let list: Value = process.app.get("/events").await.json();
    let event = &list["events"][0];
    assert_eq!(event["_id"], "65a1b2c3d4e5f60700000000");
    assert_eq!(event["timestamp"], "2024-01-01T00:00:00+01:00");
    assert_eq!(event["invariant_data"]["priority"], 2);
}

#[tokio::test]
async fn a_killed_import_continues_and_records_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let documents = 600;
    let file = export(folder.path(), documents);
    // It is killed when the first batches are recorded: in the middle, or shortly after.
    let mut first = Command::new(env!("CARGO_BIN_EXE_audit-log"))
        .args([
            "import",
            file.to_str().unwrap(),
            "--log",
            log,
            "--rate",
            "100",
        ])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while process.ids().await.len() < 100 {
        tokio::task::yield_now().await;
    }
    first.kill().await.unwrap();
    first.wait().await.unwrap();

    let (code, printed) = import(log, &file, &[]).await;
    assert_eq!(code, 0, "{printed}");
    let ids = old_ids(&process).await;
    let different: HashSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), documents as usize, "{printed}");
    assert_eq!(different.len(), documents as usize);

    // The place is forgotten at the end, and the keys are not.
    assert!(!folder.path().join("logger.json.import-progress").exists());
    let (code, printed) = import(log, &file, &[]).await;
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains("600 events were recorded before"),
        "{printed}"
    );
    assert_eq!(process.ids().await.len(), documents as usize);
}

#[tokio::test]
async fn an_import_continues_at_its_place_in_the_same_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let file = export(folder.path(), 3);
    let place = folder.path().join("place");
    let place_of = |last: &str| {
        let text = format!(r#"{{"log":"{log}/","documents":2,"refused":1,"last":"{last}"}}"#);
        std::fs::write(&place, text).unwrap();
    };
    let options = ["--progress", place.to_str().unwrap()];

    place_of("another");
    let (code, printed) = import(log, &file, &options).await;
    assert_eq!(code, 2);
    assert!(
        printed.contains("is not the file whose import"),
        "{printed}"
    );

    // The hash of the key of the second document.
    place_of("558a5195c20883ee956d4a8660249c03fd7d2e0c2bf5e14b9830be91f24b9480");
    let (code, printed) = import(log, &file, &options).await;
    assert!(
        printed.contains("Continuing after the first 2 events"),
        "{printed}"
    );
    assert!(
        printed.contains("earlier runs of this import had 1 event refused"),
        "{printed}"
    );
    assert_eq!(code, 1);
    assert_eq!(old_ids(&process).await, ["65a1b2c3d4e5f60700000002"]);
}

#[tokio::test]
async fn what_cannot_be_imported_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_with(&["--memory"]).await;
    let file = export(folder.path(), 2);
    let text = std::fs::read_to_string(&file).unwrap();
    let broken = text.replacen("2024-01-01T00:00:00", "yesterday", 1) + "{\"cut\":\n";
    std::fs::write(&file, broken).unwrap();
    let (code, printed) = import(process.app.url(), &file, &[]).await;
    assert_eq!(code, 1);
    assert!(
        printed.contains("line 1: timestamp must be an RFC 3339"),
        "{printed}"
    );
    assert!(
        printed.contains("line 3: it is not a JSON document"),
        "{printed}"
    );
    assert_eq!(old_ids(&process).await, ["65a1b2c3d4e5f60700000001"]);
}
