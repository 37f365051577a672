//! A log behind its HTTP API.

mod caller;
mod stretch;

use std::collections::HashSet;
use std::time::Duration;

use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::list_events::ListEvents;
use audit_log_cli::{Options, Service};
use reqwest::{Body, Method, RequestBuilder};

use crate::{Response, options, settings, storage};
use caller::Caller;

/// The time between two looks at the feed of a deployed log.
const POLL: Duration = Duration::from_secs(2);
/// The longest pause before a request is sent again that was one too many.
const PATIENCE: Duration = Duration::from_secs(5);

/// A log and a client of its API.
pub struct App {
    url: String,
    caller: Caller,
    http: reqwest::Client,
    /// The first second of the stretch of time that belongs to one test.
    first_second: i64,
    /// The service that was started for this test.
    service: Option<Service>,
}

impl App {
    /// A service of the test's own, which runs as long as the test.
    pub async fn start() -> App {
        App::start_with(&options(storage())).await
    }

    /// The same with other options.
    pub async fn start_with(options: &Options) -> App {
        let service = Service::start(options).await.unwrap();
        let mut app = App::at(&service.url());
        app.service = Some(service);
        app
    }

    /// A log that runs on this machine.
    pub fn at(url: &str) -> App {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        App::new(url, Caller::Unknown, http)
    }

    /// The log at `AUDIT_LOG_URL`, or else a service of the test's own.
    pub async fn open() -> App {
        match std::env::var("AUDIT_LOG_URL") {
            Ok(url) => App::new(&url, Caller::from_environment(), reqwest::Client::new()),
            Err(_) => App::start().await,
        }
    }

    fn new(url: &str, caller: Caller, http: reqwest::Client) -> App {
        App {
            url: url.trim_end_matches('/').to_owned(),
            caller,
            http,
            first_second: stretch::draw(),
            service: None,
        }
    }

    /// The URL of the API, without `/events`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The service that was started for this test.
    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("a service of the test's own")
    }

    /// Ends once a checkpoint has every event that was recorded before: at once in a service of the
    /// test's own, and when the feed shows these events in any other.
    pub async fn sealed(&self, ids: &[String]) {
        if let Some(service) = &self.service {
            return service.sealed().await;
        }
        let mut waiting: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut next = 0;
        while !waiting.is_empty() {
            let response = self
                .get(&format!("/events/feed?after={next}&per_page=1000"))
                .await;
            if response.status == 503 {
                // A service under load asks its callers to come again.
                tokio::time::sleep(POLL).await;
                continue;
            }
            assert_eq!(response.status, 200, "{response:?}");
            let page = response.json();
            for id in &crate::ids(&page) {
                waiting.remove(id.as_str());
            }
            next = page["next"].as_u64().unwrap();
            if response.header("retry-after").is_some() {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request as the caller that the log knows.
    ///
    /// A deployed API's rate is set for its callers, not for a burst of tests: a 429 is sent again.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let mut request = request.build().unwrap();
        self.caller.authorize(&mut request);
        let mut pause = Duration::from_millis(100);
        loop {
            let again = request.try_clone().unwrap();
            let response = Response::read(self.http.execute(again).await.unwrap()).await;
            if response.status != 429 || pause > PATIENCE {
                return response;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// `POST /events` with a JSON document.
    pub async fn post(&self, document: impl Into<Body>) -> Response {
        self.post_with(&[], document).await
    }

    /// The same with more headers.
    pub async fn post_with(&self, headers: &[(&str, &str)], document: impl Into<Body>) -> Response {
        let mut request = self.request(Method::POST, "/events");
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(document)).await
    }

    /// Records a document and gives its ID.
    pub async fn record(&self, document: impl Into<Body>) -> String {
        let response = self.post(document).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.id()
    }

    /// `GET` of a path with its query.
    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path)).await
    }

    /// `GET` of a path with its query, and with more headers.
    pub async fn get_with(&self, headers: &[(&str, &str)], path: &str) -> Response {
        let mut request = self.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// The list at a path and all that follow it by their `next` links.
    pub async fn follow(&self, path: &str) -> Vec<Response> {
        let mut pages = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            next = page.link("next");
            let ends = page.json()["next_cursor"].is_null();
            assert_eq!(
                next.is_none(),
                ends,
                "{path}: the link and the cursor say the same"
            );
            pages.push(page);
        }
        pages
    }

    /// The IDs of all events from the list at a path on, by its `next` links.
    pub async fn follow_ids(&self, path: &str) -> Vec<String> {
        let pages = self.follow(path).await;
        pages.iter().flat_map(Response::ids).collect()
    }

    /// The function that records, on the tables of this service, with this many shards.
    pub fn create_event(&self, shards: u8) -> CreateEvent {
        let deps = Deps::new(self.service().client.clone(), &settings(shards));
        CreateEvent::new(deps)
    }

    /// The function that lists, on the tables of this service, with this many shards.
    pub fn list_events(&self, shards: u8) -> ListEvents {
        let deps = Deps::new(self.service().client.clone(), &settings(shards));
        ListEvents::new(deps)
    }
}
