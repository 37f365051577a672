//! The HTTP contract, as any client sees it.
//!
//! Without more, each test starts a service of its own. `AUDIT_LOG_URL` points them at one that runs, such as
//! `https://abc.execute-api.eu-west-1.amazonaws.com`: requests are then signed with the AWS credentials in the
//! environment, or carry the token in `AUDIT_LOG_TOKEN`. That log may hold anything, and keeps what the tests write:
//! each test writes to, and looks at, a stretch of time of its own. The tests of [`refused`] write nothing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod create;
mod get;
mod idempotency;
mod list;
mod paging;
mod refused;

mod caller;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the service")]
mod support;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use audit_log_cli::{Options, Service};
use caller::Caller;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use support::{Answer, event_with};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A service, and the part of its log that belongs to one test.
struct App {
    url: String,
    caller: Caller,
    http: reqwest::Client,
    /// The first second of the test's stretch of time.
    start: i64,
    /// Runs as long as the test.
    _service: Option<Service>,
}

/// The longest pause before a request that was too many is sent again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many seconds belong to a test.
const SECONDS: u32 = 100;

impl App {
    async fn start() -> App {
        let (url, service) = match std::env::var("AUDIT_LOG_URL") {
            Ok(url) => (url.trim_end_matches('/').to_owned(), None),
            Err(_) => {
                let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
                let (host, storage) = (Ipv4Addr::LOCALHOST.into(), support::storage());
                let service =
                    Service::start(&Options { host, port: 0, dynamodb_port: 0, storage, template, lambda_url: None })
                        .await;
                let service = service.unwrap();
                (service.url(), Some(service))
            }
        };
        // Of a billion and more seconds of the past, none that another test has is likely to be drawn.
        let start = rand::random_range(86_400..1_700_000_000);
        App { url, caller: Caller::from_environment(), http: reqwest::Client::new(), start, _service: service }
    }

    /// The test's n-th second: `2001-02-03T04:05:06`, in UTC.
    fn second(&self, n: u32) -> String {
        self.second_at(n, 0)
    }

    /// The same where clocks are `minutes` ahead of UTC.
    fn second_at(&self, n: u32, minutes: i32) -> String {
        let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
        let at = OffsetDateTime::from_unix_timestamp(self.start + i64::from(n)).unwrap().to_offset(offset);
        at.format(&Rfc3339).unwrap()[..19].to_owned()
    }

    /// The query parameters that select the test's stretch of time.
    fn stretch(&self) -> String {
        format!("from={}Z&to={}Z", self.second(0), self.second(SECONDS))
    }

    /// An event of `user` in the test's n-th second, with some `app_data`.
    fn event(&self, user: &str, n: u32, app_data: &str) -> String {
        event_with(user, &format!("{}Z", self.second(n)), app_data)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body.into()).build().unwrap();
        request.headers_mut().extend(headers.iter().cloned());
        self.caller.authorize(&mut request);
        let mut pause = Duration::from_millis(100);
        loop {
            let response = Answer::from(self.http.execute(request.try_clone().unwrap()).await.unwrap()).await;
            // A deployed API's rate is set for its callers, not for a burst of tests.
            if response.status != 429 || pause > PATIENCE {
                return response;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// POST /events with a JSON document.
    async fn post(&self, document: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, "/events", &[json()], document).await
    }

    /// A key that no other test has: keys hold for ever.
    fn key(&self, name: &str) -> String {
        format!("{name}-{:08x}", self.start)
    }

    /// POST /events under an Idempotency-Key of the test's own.
    async fn post_under(&self, name: &str, document: String) -> Answer {
        let key = (HeaderName::from_static("idempotency-key"), HeaderValue::from_str(&self.key(name)).unwrap());
        self.send(Method::POST, "/events", &[json(), key], document).await
    }

    /// Records a document and gives its id.
    async fn record(&self, document: String) -> String {
        let response = self.post(document).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.id()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// The list of the test's stretch of time, under more parameters.
    async fn list(&self, parameters: &str) -> Answer {
        let separator = if parameters.is_empty() { "" } else { "&" };
        self.get(&format!("/events?{}{separator}{parameters}", self.stretch())).await
    }

    /// How many events the test's stretch of time holds.
    async fn total(&self) -> u64 {
        self.list("per_page=1").await.json()["total"].as_u64().unwrap()
    }
}

fn json() -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static("application/json"))
}
