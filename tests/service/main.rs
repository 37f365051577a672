//! The service through HTTP, each test on a service and an engine of its own.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounded;
mod cost;
mod counting;
mod create;
mod index;
mod large;
mod metrics;
mod payloads;
mod permissions;
mod racing;
mod routes;
mod runtime;
mod stored;
mod unavailable;
mod verbatim;

#[path = "../support/filled.rs"]
mod filled;
#[path = "../support/runtime_api.rs"]
#[allow(dead_code, reason = "shared with the bench of the functions")]
mod runtime_api;
#[path = "../support/mod.rs"]
mod support;

use std::net::Ipv4Addr;
use std::path::Path;

use audit_log::config::Settings;
use audit_log::count::CountsTable;
use audit_log::create_event::CreateEvent;
use audit_log::effects::Effects;
use audit_log::list_events::ListEvents;
use audit_log::store::EventStore;
use audit_log_cli::{Options, Service};
use aws_sdk_dynamodb::Client;
use support::Answer;

/// The tables as a function sees them.
fn tables(client: &Client, events_table: &str, shards: &str) -> (EventStore, CountsTable) {
    let settings = Settings {
        events_table: events_table.to_owned(),
        keys_table: "KeysTable".to_owned(),
        counts_table: "CountsTable".to_owned(),
        shards: shards.parse().unwrap(),
    };
    (EventStore::new(client.clone(), &settings), CountsTable::new(client.clone(), &settings))
}

/// A running service and a client.
struct App {
    service: Service,
    http: reqwest::Client,
}

impl App {
    async fn start() -> App {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
        let options = Options {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            dynamodb_port: 0,
            storage: support::storage(),
            template,
            lambda_url: None,
        };
        let service = Service::start(&options).await.unwrap();
        App { service, http: reqwest::Client::new() }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.service.url()))
    }

    /// POST /events with a JSON document.
    async fn post(&self, document: impl Into<reqwest::Body>) -> Answer {
        self.post_with(&[], document).await
    }

    /// The same with more headers.
    async fn post_with(&self, headers: &[(&str, &str)], document: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(reqwest::Method::POST, "/events").header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request.body(document)).await
    }

    /// Records a document and gives its id.
    async fn record(&self, document: String) -> String {
        let response = self.post(document).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.id()
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(reqwest::Method::GET, path)).await
    }

    /// The tables of this service's engine, under other settings than the template's.
    fn tables(&self, shards: &str) -> (EventStore, CountsTable) {
        tables(&self.service.client, "EventsTable", shards)
    }

    fn create_event(&self, shards: &str) -> CreateEvent {
        let (store, counts) = self.tables(shards);
        CreateEvent::new(audit_log::deps::Deps { store, counts, effects: Effects::system() })
    }

    fn list_events(&self, shards: &str) -> ListEvents {
        let (store, counts) = self.tables(shards);
        ListEvents::new(audit_log::deps::Deps { store, counts, effects: Effects::system() })
    }
}
