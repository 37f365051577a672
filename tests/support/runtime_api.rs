//! A Runtime API for one function: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use audit_log::boot::Sources;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};

/// How long a function may take before whoever waits says that it does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Payloads go in, answers come out.
pub struct RuntimeApi {
    pub address: SocketAddr,
    pub payloads: mpsc::Sender<String>,
    polls: mpsc::UnboundedReceiver<Instant>,
    sent: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<(Instant, String)>,
}

#[derive(Clone)]
struct Shared {
    payloads: Arc<Mutex<mpsc::Receiver<String>>>,
    polls: mpsc::UnboundedSender<Instant>,
    sent: mpsc::UnboundedSender<Instant>,
    answers: mpsc::UnboundedSender<(Instant, String)>,
}

impl RuntimeApi {
    pub async fn start() -> RuntimeApi {
        let (payloads, queue) = mpsc::channel(1);
        let (polled, polls) = mpsc::unbounded_channel();
        let (noted, sent) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let shared = Shared { payloads: Arc::new(Mutex::new(queue)), polls: polled, sent: noted, answers: answered };
        // Nobody may be left to hear any of these.
        let next = |State(shared): State<Shared>| async move {
            shared.polls.send(Instant::now()).ok();
            let payload = shared.payloads.lock().await.recv().await.unwrap_or_default();
            let headers = [
                ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
                ("lambda-runtime-deadline-ms", (Sources::system().now().millis() + 60_000).to_string()),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:f".to_owned()),
            ];
            shared.sent.send(Instant::now()).ok();
            (headers, payload)
        };
        let respond = |State(shared): State<Shared>, body: String| async move {
            shared.answers.send((Instant::now(), body)).ok();
        };
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(respond))
            // An answer has up to 6 MB.
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        RuntimeApi { address, payloads, polls, sent, answers }
    }

    /// The variables that Lambda itself sets for a function.
    pub fn environment(&self) -> [(&'static str, String); 7] {
        [
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", "f".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ]
    }

    /// When the function asked for an invocation.
    pub async fn polled(&mut self) -> Instant {
        timeout(PATIENCE, self.polls.recv()).await.expect("the function asks for an invocation").unwrap()
    }

    /// The function's answer, and how long it took.
    pub async fn invoke(&mut self, payload: String) -> (Value, Duration) {
        self.payloads.send(payload).await.unwrap();
        let (answered, answer) = timeout(PATIENCE, self.answers.recv()).await.expect("the function answers").unwrap();
        let sent = self.sent.recv().await.unwrap();
        (serde_json::from_str(&answer).unwrap(), answered - sent)
    }
}
