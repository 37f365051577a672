//! `audit-log seal` seals what the stream did not deliver.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use audit_log_cli::Service;
use audit_log_cli::serve::engine::Storage;
use audit_log_testing::{App, options};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use tokio::net::TcpListener;

use crate::service::{report, run, run_with, text};

/// Removes everything from the transparency log, as a log has it that is older.
async fn forget(service: &Service) {
    let client = &service.client;
    let items = client.scan().table_name("TreeTable").send().await.unwrap();
    for item in items.items() {
        let key: HashMap<_, _> = ["part", "at"]
            .map(|name| (name.to_owned(), item[name].clone()))
            .into();
        let delete = client.delete_item().table_name("TreeTable");
        delete.set_key(Some(key)).send().await.unwrap();
    }
}

async fn seal(folder: &Path) -> String {
    let output = run(&["seal", "--data", &folder.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    text(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_older_than_its_tree_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(Storage::Folder(folder.path().to_owned()));
    let service = Service::start(&options).await.unwrap();
    let app = App::at(&service.url());
    report(&app, 20).await;
    service.sealed().await;
    service.indexed().await;
    forget(&service).await;
    service.stop().await;

    let printed = seal(folder.path()).await;
    assert!(printed.contains("Shard f: sealed."), "{printed}");
    // Nothing is sealed twice.
    seal(folder.path()).await;

    let service = Service::start(&options).await.unwrap();
    let key = service.log_key.verifier_key().to_string();
    let url = service.url();
    let output = run(&["verify", "--log", &url, "--vkey", &key]).await;
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("Compared 20 entries"), "{printed}");
    service.stop().await;
}

type Invocations = Arc<Mutex<Vec<(String, String, bool)>>>;

/// A function that needs two invocations for shard 0, and fails for shard 1.
async fn invoke(State(invocations): State<Invocations>, request: Request) -> String {
    let path = request.uri().path().to_owned();
    let is_signed = request.headers().contains_key("authorization");
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let answer = match body.as_str() {
        r#"{"backfill":{"after":null,"shard":"0"}}"# => r#"{"next":"a"}"#,
        r#"{"backfill":{"after":"a","shard":"0"}}"# => r#"{"next":null}"#,
        _ => r#"{"errorMessage":"the key does not sign"}"#,
    };
    invocations.lock().unwrap().push((path, body, is_signed));
    answer.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_invoked_until_each_shard_is_sealed() {
    let invocations = Invocations::default();
    let router: Router<()> = Router::new()
        .fallback(invoke)
        .with_state(invocations.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let environment = [
        ("AWS_ENDPOINT_URL_LAMBDA", url.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let seal = ["seal", "--function", "seal-events", "--shards"];
    let output = run_with(&environment, &[&seal[..], &["1"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let invoked = invocations.lock().unwrap().clone();
    assert_eq!(invoked.len(), 2);
    for (path, _, is_signed) in &invoked {
        assert_eq!(path, "/2015-03-31/functions/seal-events/invocations");
        assert!(is_signed);
    }

    let output = run_with(&environment, &[&seal[..], &["2"]].concat()).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("the key does not sign"),
        "{}",
        text(&output)
    );
}
