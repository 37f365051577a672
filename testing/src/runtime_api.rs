//! A Runtime API for one function:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log_cli::serve::engine::Address;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};

/// How long a function may take before a test fails because it does not respond.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ID of every invocation.
const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// The variable by which template.yaml sets up the allocator of the functions.
pub const ALLOCATOR: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// Payloads go in, responses come out.
pub struct RuntimeApi {
    address: SocketAddr,
    payloads: mpsc::Sender<String>,
    polls: mpsc::UnboundedReceiver<Instant>,
    sent: mpsc::UnboundedReceiver<Instant>,
    responses: mpsc::UnboundedReceiver<(Instant, String)>,
}

/// The other ends of the channels.
#[derive(Clone)]
struct Shared {
    payloads: Arc<Mutex<mpsc::Receiver<String>>>,
    polls: mpsc::UnboundedSender<Instant>,
    sent: mpsc::UnboundedSender<Instant>,
    responses: mpsc::UnboundedSender<(Instant, String)>,
    time: Duration,
}

impl RuntimeApi {
    /// One that gives each invocation a minute.
    pub async fn start() -> RuntimeApi {
        RuntimeApi::with_timeout(Duration::from_secs(60)).await
    }

    /// One that gives each invocation this much time, as a function's `Timeout` does. It does not
    /// stop the function.
    pub async fn with_timeout(time: Duration) -> RuntimeApi {
        let (payloads, queue) = mpsc::channel(1);
        let (polls_sender, polls) = mpsc::unbounded_channel();
        let (sent_sender, sent) = mpsc::unbounded_channel();
        let (responses_sender, responses) = mpsc::unbounded_channel();
        let shared = Shared {
            payloads: Arc::new(Mutex::new(queue)),
            polls: polls_sender,
            sent: sent_sender,
            responses: responses_sender,
            time,
        };
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(respond),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(respond))
            // A response has up to 6 MB.
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        RuntimeApi {
            address,
            payloads,
            polls,
            sent,
            responses,
        }
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

    /// A function as Lambda starts it, with the allocator as the template sets it up, and with
    /// nothing else in its environment.
    pub fn function(&self, binary: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary);
        command.env_clear();
        command.envs(self.environment());
        command.envs([ALLOCATOR]);
        command.envs(environment.iter().copied());
        command.kill_on_drop(true);
        command.stdout(Stdio::null());
        command
    }

    /// A running function, as the template sets it up, on the tables of an engine.
    pub fn spawn(&self, binary: &str, engine: &Address) -> Child {
        let environment = [
            ("AWS_ENDPOINT_URL_DYNAMODB", engine.url.as_str()),
            ("AWS_ACCESS_KEY_ID", &engine.access_key_id),
            ("EVENTS_TABLE", "EventsTable"),
            ("KEYS_TABLE", "KeysTable"),
            ("COUNTS_TABLE", "CountsTable"),
            ("TREE_TABLE", "TreeTable"),
            ("SHARDS", "2"),
            ("FILTERS", "event_type,src_service"),
        ];
        self.function(binary, &environment).spawn().unwrap()
    }

    /// The time at which the function asked for an invocation.
    pub async fn polled(&mut self) -> Instant {
        let polled = timeout(PATIENCE, self.polls.recv()).await;
        polled
            .expect("the function asks for an invocation")
            .unwrap()
    }

    /// Hands the function a payload and does not wait for the response.
    pub async fn send(&self, payload: &Value) {
        self.payloads.send(payload.to_string()).await.unwrap();
    }

    /// The function's response to a payload, and how long it took.
    pub async fn invoke(&mut self, payload: &Value) -> (Value, Duration) {
        self.send(payload).await;
        let responded = timeout(PATIENCE, self.responses.recv()).await;
        let (at, response) = responded.expect("the function responds").unwrap();
        let sent = self.sent.recv().await.unwrap();
        (serde_json::from_str(&response).unwrap(), at - sent)
    }
}

/// Gives the function its next payload.
async fn next(State(shared): State<Shared>) -> ([(&'static str, String); 3], String) {
    // A test may have ended, so that no receiver is left.
    shared.polls.send(Instant::now()).ok();
    let payload = shared
        .payloads
        .lock()
        .await
        .recv()
        .await
        .unwrap_or_default();
    let deadline = Effects::system().now().saturating_add(shared.time);
    let arn = "arn:aws:lambda:us-east-1:1:function:f";
    let headers = [
        ("lambda-runtime-aws-request-id", REQUEST_ID.to_owned()),
        ("lambda-runtime-deadline-ms", deadline.millis().to_string()),
        ("lambda-runtime-invoked-function-arn", arn.to_owned()),
    ];
    shared.sent.send(Instant::now()).ok();
    (headers, payload)
}

/// Takes a response, or the error that the function reports.
async fn respond(State(shared): State<Shared>, body: String) {
    shared.responses.send((Instant::now(), body)).ok();
}
