//! A log behind its HTTP API.

mod stretch;

use std::collections::HashSet;

use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::list_events::ListEvents;
use audit_log_cli::{Options, Service};
use audit_log_client::{API_GATEWAY, Auth, Aws, Log, Retry};
use futures_util::TryStreamExt;
use reqwest::{Body, Method, RequestBuilder};

use crate::{Response, options, settings, storage};

/// A log and a client of its API.
pub struct App {
    url: String,
    log: Log,
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
        App::new(url, Auth::None)
    }

    /// The log at `AUDIT_LOG_URL`, or else a service of the test's own.
    pub async fn open() -> App {
        match std::env::var("AUDIT_LOG_URL") {
            Ok(url) => App::new(&url, auth().await),
            Err(_) => App::start().await,
        }
    }

    fn new(url: &str, auth: Auth) -> App {
        App {
            url: url.trim_end_matches('/').to_owned(),
            log: Log::new(url, auth).unwrap(),
            first_second: stretch::draw(),
            service: None,
        }
    }

    /// The client of the log.
    pub fn log(&self) -> &Log {
        &self.log
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
        let mut feed = self.log.follow(0);
        while !waiting.is_empty() {
            let entry = feed.try_next().await.unwrap().unwrap();
            waiting.remove(entry.id.as_str());
        }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.log.http().request(method, url.parse().unwrap())
    }

    /// Sends a request as the caller that the log knows.
    ///
    /// A deployed API's rate is set for its callers, not for a burst of tests: a 429 is sent again.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let request = request.build().unwrap();
        let response = self.log.http().send(request, Retry::THROTTLED).await;
        Response::from(response.unwrap())
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

/// Who sends the requests to a deployed log. The emulator of AWS is reached over plain HTTP, and
/// wants signatures even so.
async fn auth() -> Auth {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = variable("AUDIT_LOG_TOKEN") {
        return Auth::Bearer(token);
    }
    if variable("AWS_ACCESS_KEY_ID").is_none() {
        return Auth::None;
    }
    let aws = Aws::from_environment(API_GATEWAY, None).await;
    aws.map_or(Auth::None, Auth::Aws)
}
