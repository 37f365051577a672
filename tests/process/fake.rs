//! A log of the test's own, which stops in the middle of its responses.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The events of the log.
pub const EVENTS: usize = 10;
/// The events of a page. A page may be shorter than it was asked for.
const PAGE: usize = 3;

/// A log that responds to some requests for events, and not to the next one.
#[derive(Clone)]
pub struct FakeLog {
    pub url: String,
    gate: Arc<Gate>,
}

struct Gate {
    /// How many more pages are sent.
    open: AtomicUsize,
    stopped: Notify,
}

impl FakeLog {
    /// A log that sends this many pages, and then stops.
    pub async fn start(pages: usize) -> FakeLog {
        let gate = Arc::new(Gate {
            open: AtomicUsize::new(pages),
            stopped: Notify::new(),
        });
        let router = Router::new()
            .route("/events", get(list))
            .route("/events/feed", get(feed))
            .with_state(gate.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        FakeLog { url, gate }
    }

    /// Ends once a page was asked for that is not sent.
    pub async fn stopped(&self) {
        self.gate.stopped.notified().await;
    }

    /// Lets all pages pass.
    pub fn go_on(&self) {
        self.gate.open.store(usize::MAX, Ordering::SeqCst);
    }
}

impl Gate {
    async fn pass(&self) {
        let open = |open: usize| match open {
            usize::MAX => Some(open),
            _ => open.checked_sub(1),
        };
        let passed = self
            .open
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, open);
        if passed.is_err() {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// The id of the n-th event.
pub fn id(number: usize) -> String {
    format!("018cc251-f400-7000-8000-{number:012}")
}

/// The line of the n-th event.
pub fn line(number: usize) -> String {
    format!(
        "{{\"id\":\"{}\",\"recorded\":{{}},\"n\": {number}.0}}\n",
        id(number)
    )
}

/// The row of the n-th event. Its cell has a line break.
pub fn row(number: usize) -> String {
    format!("{},\"n\r\n{number}\"\r\n", id(number))
}

/// The header of the rows.
pub const HEADER: &str = "id,timestamp\r\n";

async fn list(
    State(gate): State<Arc<Gate>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let accept = headers.get("accept").map(|accept| accept.to_str().unwrap());
    let Some(accept @ ("application/x-ndjson" | "text/csv")) = accept else {
        let page = json!({ "events": [], "total": EVENTS, "total_exact": true });
        return Response::new(page.to_string().into());
    };
    gate.pass().await;
    let first = match query.get("cursor") {
        Some(cursor) => {
            1 + (0..EVENTS)
                .position(|number| id(number) == *cursor)
                .unwrap()
        }
        None => 0,
    };
    let numbers = first..EVENTS.min(first + PAGE);
    let next = numbers.end - 1;
    let text: String = match accept {
        "text/csv" => HEADER.to_owned() + &numbers.map(row).collect::<String>(),
        _ => numbers.map(line).collect(),
    };
    let mut response = Response::builder();
    if next + 1 < EVENTS {
        let link = format!("</events?cursor={}>; rel=\"next\"", id(next));
        response = response.header("link", link);
    }
    response.body(text.into()).unwrap()
}

async fn feed(
    State(gate): State<Arc<Gate>>,
    Query(query): Query<HashMap<String, usize>>,
) -> Response<Body> {
    gate.pass().await;
    let after = query["after"];
    let entries = after..EVENTS.min(after + PAGE);
    let next = entries.end;
    let entry = |number| {
        format!(
            "{{\"index\":{number},\"id\":\"{}\",\"event\":{}}}",
            id(number),
            line(number)
        )
    };
    let entries: Vec<String> = entries.map(entry).collect();
    let events = entries.join(",");
    let page = format!("{{\"events\":[{events}],\"next\":{next},\"sealed\":{EVENTS}}}");
    let response = Response::builder().header("retry-after", "0");
    response.body(page.into()).unwrap()
}
