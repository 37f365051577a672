//! DynamoDB does not answer: the caller hears so from us, and what it means.

use audit_log::boot::{Settings, Sources, client_from};
use audit_log::create_event::CreateEvent;
use audit_log::list_events::ListEvents;
use audit_log::log::EventLog;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use lambda_http::http::{Method, Request};
use tokio::net::TcpListener;

use crate::support::event;

/// A log at an address where nobody listens.
async fn nowhere() -> EventLog {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .endpoint_url(format!("http://{address}"))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    let settings = Settings { events_table: "events".to_owned(), shards: "2".parse().unwrap() };
    EventLog::new(client_from(loader).await, &settings)
}

#[tokio::test]
async fn a_silent_database_is_a_503_that_says_what_is_known() {
    let log = nowhere().await;
    let post = Request::builder().method(Method::POST).header("content-type", "application/json");
    let post = post.body(event("1", "2024-01-01T00:00:00Z").into()).unwrap();
    let create = CreateEvent::new(log.clone(), Sources::system());
    let list = ListEvents::new(log, Sources::system());
    let (post, get) = tokio::join!(create.handle(post), list.handle(Request::new("".into())));
    for (answer, sentence) in [(post, "not known whether the event was recorded"), (get, "try again")] {
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let error: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(error["code"], "temporarily_unavailable");
        let text = error["error"].as_str().unwrap();
        assert!(text.contains(sentence) && !text.contains("127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn a_missing_table_is_a_500_that_shows_nothing_of_it() {
    let audit = crate::Audit::start().await;
    let settings = Settings { events_table: "secret-name".to_owned(), shards: "1".parse().unwrap() };
    let log = EventLog::new(audit.service.client.clone(), &settings);
    let answer = ListEvents::new(log, Sources::system()).handle(Request::new("".into())).await;
    assert_eq!(answer.status(), 500);
    let error: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(error["code"], "internal_error");
    assert!(!error.to_string().contains("secret-name"));
}
