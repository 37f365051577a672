//! A service that is killed while it seals: the log has each event once, and an audit finds nothing.

use std::sync::Arc;
use std::time::Duration;

use audit_log_testing::{App, event_with};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Process, run};

const WRITERS: u64 = 200;
/// How many events a writer records until the service is killed.
const EVENTS: u64 = 3;
/// How often the service is killed.
const KILLS: u64 = 2;
/// The time between two looks at the total.
const POLL: Duration = Duration::from_millis(200);
/// How long the log may take to have everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Records events, unless the service is gone, and passes on the id of each that was acknowledged.
async fn write(app: &App, writer: u64, ids: &UnboundedSender<String>) {
    for number in 0..EVENTS {
        let user = format!("u{writer}");
        let document = event_with(&user, "2024-01-01T00:00:00Z", &number.to_string());
        let request = app
            .request(reqwest::Method::POST, "/events")
            .header("content-type", "application/json")
            .body(document);
        let Ok(response) = request.send().await else {
            return;
        };
        let Ok(text) = response.text().await else {
            return;
        };
        let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
        let Some(id) = recorded["id"].as_str() else {
            // Too many at once.
            assert_eq!(recorded["code"], "temporarily_unavailable", "{text}");
            continue;
        };
        if ids.send(id.to_owned()).is_err() {
            return;
        }
    }
}

/// Ends once the total of everyone's list is the number of its events: the count index catches up
/// after a kill, too.
async fn counted(app: &App) {
    loop {
        let events = app.follow_ids("/events?per_page=1000").await.len();
        let page = app.get("/events?per_page=1").await.json();
        if page["total"] == events {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_during_sealing_leaves_a_log_that_proves_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        let mut process = Process::start(folder.path()).await;
        let app = Arc::new(App::at(process.app.url()));
        let (send, mut ids) = unbounded_channel();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (app, send) = (app.clone(), send.clone());
            writers.spawn(async move { write(&app, writer, &send).await });
        }
        drop(send);
        acknowledged.push(ids.recv().await.unwrap());
        // Sealing of this run has begun, and is not at its end.
        timeout(
            PATIENCE,
            app.sealed(&acknowledged[acknowledged.len() - 1..]),
        )
        .await
        .unwrap();
        process.child.kill().await.unwrap();
        while let Some(id) = ids.recv().await {
            acknowledged.push(id);
        }
        writers.join_all().await;
    }

    let process = Process::start(folder.path()).await;
    timeout(PATIENCE, process.app.sealed(&acknowledged))
        .await
        .unwrap();
    timeout(PATIENCE, counted(&process.app)).await.unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, key) = run(&["vkey", "--data", data]).await;
    assert_eq!(code, 0, "{key}");
    let log = process.app.url();
    let (code, printed) = run(&["verify", "--log", log, "--vkey", key.trim()]).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("no fault"), "{printed}");
    assert!(!printed.contains("pending"), "{printed}");
}
