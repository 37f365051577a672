//! A service that gives the responses of a list, one after the other, and keeps the requests.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log_client::{Auth, Log, Retry};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use flate2::read::GzDecoder;
use tokio::net::TcpListener;

/// How long a report is repeated in these tests: longer than they ever need.
const DEADLINE: Duration = Duration::from_secs(60);

/// A request that the service got.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path and the query.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: String,
}

/// One response.
pub enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// The same with one header.
    With(u16, (&'static str, String), String),
    /// The beginning of a response, and then the connection breaks.
    Breaks,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

/// The service.
pub struct Fake {
    url: String,
    script: Script,
}

impl Fake {
    /// A service with these responses. It does not expect more requests.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Fake {
        let script = Script {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            received: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Fake { url, script }
    }

    /// A client.
    pub fn log(&self) -> Log {
        let log = Log::new(&self.url, Auth::None).unwrap();
        log.with_retry(Retry::until(DEADLINE))
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        let answers = self.script.answers.lock().unwrap();
        assert!(answers.is_empty(), "{} responses are left", answers.len());
        self.script.received.lock().unwrap().clone()
    }
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn lines(&self) -> Vec<serde_json::Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

async fn respond(
    State(script): State<Script>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let is_compressed = headers.contains_key("content-encoding");
    let body = match is_compressed {
        true => {
            let mut text = String::new();
            GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            text
        }
        false => String::from_utf8(body.to_vec()).unwrap(),
    };
    let target = uri.to_string();
    script.received.lock().unwrap().push(Received {
        target,
        headers,
        body,
    });
    let answer = script.answers.lock().unwrap().pop_front();
    match answer {
        Some(Answer::Says(status, body)) => response(status, None, body.into()),
        Some(Answer::With(status, header, body)) => response(status, Some(header), body.into()),
        Some(Answer::Breaks) => {
            let header = ("content-length", "100".to_owned());
            let start = futures_util::stream::iter([
                Ok::<_, std::io::Error>(Bytes::from_static(b"{")),
                Err(std::io::Error::other("broken")),
            ]);
            response(200, Some(header), Body::from_stream(start))
        }
        None => response(418, None, "a request too many".into()),
    }
}

fn response(status: u16, header: Option<(&'static str, String)>, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}
