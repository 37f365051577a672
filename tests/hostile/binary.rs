//! A function's binary, as Lambda starts it: payloads in, responses and a log out.

use std::process::Stdio;

use audit_log_testing::RuntimeApi;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinHandle;

pub const CREATE: &str = env!("CARGO_BIN_EXE_create-event");
pub const LIST: &str = env!("CARGO_BIN_EXE_list-events");

pub struct Binary {
    api: RuntimeApi,
    process: Child,
    lines: JoinHandle<Vec<String>>,
}

impl Binary {
    /// Starts a binary on a DynamoDB that responds with `dynamodb(operation, request)`.
    pub async fn start(
        binary: &str,
        dynamodb: impl Fn(&str, &Value) -> Value + Clone + Send + Sync + 'static,
    ) -> Binary {
        let response = move |headers: HeaderMap, body: Bytes| async move {
            let Some(target) = headers.get("x-amz-target") else {
                // What only opens a connection.
                return "healthy".to_owned();
            };
            let operation = target.to_str().unwrap().split_once('.').unwrap().1;
            dynamodb(operation, &serde_json::from_slice(&body).unwrap()).to_string()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(response)).await });

        let api = RuntimeApi::start().await;
        let environment = [
            ("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()),
            ("EVENTS_TABLE", "events"),
            ("KEYS_TABLE", "keys"),
            ("COUNTS_TABLE", "counts"),
            ("TREE_TABLE", "tree"),
            ("SHARDS", "1"),
            ("FILTERS", "event_type,src_service"),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ];
        let mut process = api
            .function(binary, &environment)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let lines = tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Some(line) = output.next_line().await.unwrap() {
                lines.push(line);
            }
            lines
        });
        Binary {
            api,
            process,
            lines,
        }
    }

    /// The response to a payload: its status, its headers, and its body as JSON, or as a string if
    /// it is in another format.
    pub async fn response(&mut self, payload: &Value) -> Value {
        let (response, _) = self.api.invoke(payload).await;
        let body = response["body"]
            .as_str()
            .unwrap_or_else(|| panic!("not our response: {response}"));
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        json!({"status": response["statusCode"], "headers": response["headers"], "body": body})
    }

    /// The most memory that the process had so far, in MB.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> u64 {
        audit_log_testing::memory::peak(self.process.id().unwrap()) / 1024
    }

    /// Ends the process, and gives the lines that it logged.
    pub async fn log(mut self) -> Vec<String> {
        self.process.kill().await.unwrap();
        self.lines.await.unwrap()
    }
}
