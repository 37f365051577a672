//! The release artifacts' own wiring: each binary, as Lambda starts it, polling a Runtime API.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_local::engine::Address;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

use crate::Audit;
use crate::filled::{Tables, events, stream_batch};
use crate::support::ids;

/// How long a function may take before the test says that it does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Runtime API for one function: payloads go in, answers come out.
struct RuntimeApi {
    address: std::net::SocketAddr,
    payloads: mpsc::Sender<String>,
    answers: mpsc::Receiver<String>,
}

type Shared = (Arc<Mutex<mpsc::Receiver<String>>>, mpsc::Sender<String>);

impl RuntimeApi {
    async fn start() -> RuntimeApi {
        let (payloads, queue) = mpsc::channel(1);
        let (done, answers) = mpsc::channel(1);
        let next = |State((queue, _)): State<Shared>| async move {
            let deadline = audit_log::boot::Sources::system().now().millis() + 60_000;
            let headers = [
                ("lambda-runtime-aws-request-id", "lambda-1".to_owned()),
                ("lambda-runtime-deadline-ms", deadline.to_string()),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:f".to_owned()),
            ];
            let payload = queue.lock().await.recv().await;
            (headers.map(|(name, value)| (name, value)), payload.unwrap_or_default())
        };
        let respond = |State((_, done)): State<Shared>, _: HeaderMap, body: String| async move {
            done.send(body).await.unwrap();
        };
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(respond))
            .with_state((Arc::new(Mutex::new(queue)), done));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        RuntimeApi { address, payloads, answers }
    }

    async fn invoke(&mut self, payload: String) -> Value {
        self.payloads.send(payload).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await.expect("the function answers").unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// The same for an API Gateway payload.
    async fn request(&mut self, payload: String) -> Value {
        let answer = self.invoke(payload).await;
        json!({"status": answer["statusCode"], "body": serde_json::from_str::<Value>(answer["body"].as_str().unwrap()).unwrap()})
    }

    fn function(&self, binary: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary);
        command.env_clear().kill_on_drop(true).stdout(Stdio::null());
        command.env("AWS_LAMBDA_RUNTIME_API", self.address.to_string());
        for (name, value) in [
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ] {
            command.env(name, value);
        }
        command.envs(environment.iter().copied());
        command
    }
}

fn spawn(api: &RuntimeApi, binary: &str, engine: &Address) -> Child {
    let environment = [
        ("AWS_ENDPOINT_URL_DYNAMODB", engine.url.as_str()),
        ("AWS_ACCESS_KEY_ID", &engine.access_key_id),
        ("EVENTS_TABLE", "EventsTable"),
        ("COUNTS_TABLE", "CountsTable"),
        ("SHARDS", "4"),
    ];
    api.function(binary, &environment).spawn().unwrap()
}

fn payload(file: &str) -> String {
    std::fs::read_to_string(format!("{}/events/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn the_binaries_answer_api_gateways_payloads_through_the_lambda_runtime() {
    let audit = Audit::start().await;
    let (mut create_api, mut list_api) = (RuntimeApi::start().await, RuntimeApi::start().await);
    let _create = spawn(&create_api, env!("CARGO_BIN_EXE_create-event"), &audit.service.dynamodb);
    let _list = spawn(&list_api, env!("CARGO_BIN_EXE_list-events"), &audit.service.dynamodb);

    let created = create_api.request(payload("create-event.json")).await;
    assert_eq!(created["status"], 201);
    let refused = create_api.request(payload("create-event-invalid.json")).await;
    assert_eq!((&refused["status"], &refused["body"]["code"]), (&json!(400), &json!("invalid_event")));
    let listed = list_api.request(payload("list-events.json")).await;
    assert_eq!((&listed["status"], &listed["body"]["total"]), (&json!(200), &json!(1)));
    assert_eq!(listed["body"]["events"][0]["id"], created["body"]["id"]);
}

#[tokio::test]
async fn index_events_killed_amid_a_batch_that_is_delivered_again_counts_each_event_once() {
    let (tables, events) = (Tables::start().await, events(3600, Duration::from_secs(3600)));
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    // The lanes are ready before there is any event, so that totals come from them.
    tables.index(now).await;
    tables.write(&events).await;
    for batch in events.chunks(900) {
        let api = RuntimeApi::start().await;
        let mut function = spawn(&api, env!("CARGO_BIN_EXE_index-events"), &tables.dynamodb);
        let before = tables.writes_of_the_index().await;
        api.payloads.send(stream_batch(batch).to_string()).await.unwrap();
        let some_written = async { while tables.writes_of_the_index().await == before {} };
        tokio::time::timeout(PATIENCE, some_written).await.expect("the function writes");
        function.kill().await.unwrap();
    }
    let mut api = RuntimeApi::start().await;
    let _function = spawn(&api, env!("CARGO_BIN_EXE_index-events"), &tables.dynamodb);
    for batch in events.chunks(900) {
        assert_eq!(api.invoke(stream_batch(batch).to_string()).await, json!({"batchItemFailures": []}));
    }
    let (list, usage) = tables.get("page=360", now).await;
    let oldest: Vec<String> = events.iter().take(10).rev().map(|event| event.id.to_string()).collect();
    assert_eq!((&list["total"], ids(&list)), (&json!(3600), oldest));
    assert!(usage.read.total() < 40.0, "by the index: {usage:?}");
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_says_which() {
    let api = RuntimeApi::start().await;
    for (environment, named) in [
        (vec![("SHARDS", "4")], "EVENTS_TABLE"),
        (vec![("EVENTS_TABLE", "t"), ("SHARDS", "4")], "COUNTS_TABLE"),
        (vec![("EVENTS_TABLE", "t"), ("COUNTS_TABLE", "c")], "SHARDS"),
        (vec![("EVENTS_TABLE", "t"), ("COUNTS_TABLE", "c"), ("SHARDS", "17")], "SHARDS"),
    ] {
        for binary in
            [env!("CARGO_BIN_EXE_create-event"), env!("CARGO_BIN_EXE_list-events"), env!("CARGO_BIN_EXE_index-events")]
        {
            let output = api.function(binary, &environment).output().await.unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && error.contains(named), "{error}");
        }
    }
}
