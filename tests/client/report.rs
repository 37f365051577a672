//! One event at a time.

use std::time::Duration;

use audit_log_client::{Code, Document, Error, Event, Retry};

use super::fake::{Answer, Fake};

const RECORDED: &str = r#"{"message":"Event recorded","id":"a","leaf":"l"}"#;

fn unavailable() -> Answer {
    let body = r#"{"error":"Try again.","code":"temporarily_unavailable","request_id":"r"}"#;
    Answer::Says(503, body.to_owned())
}

fn recorded() -> Answer {
    Answer::Says(201, RECORDED.to_owned())
}

#[tokio::test]
async fn an_event_is_repeated_with_the_same_key() {
    let throttled = Answer::Says(429, "{\"message\":\"Too Many Requests\"}".to_owned());
    let fake = Fake::start([unavailable(), throttled, Answer::Breaks, recorded()]).await;
    let receipt = fake.log().report(Event::new("s", "t")).await.unwrap();
    assert_eq!(receipt.id, "a");
    let received = fake.received();
    assert_eq!(received.len(), 4);
    for request in &received {
        assert_eq!(request.target, "/events");
        assert_eq!(request.body, received[0].body);
        let key = request.header("idempotency-key");
        assert_eq!(key.len(), 32);
        assert_eq!(key, received[0].header("idempotency-key"));
    }
}

#[tokio::test]
async fn two_events_have_two_keys() {
    let fake = Fake::start([recorded(), recorded()]).await;
    let event = Event::new("s", "t");
    fake.log().report(&event).await.unwrap();
    fake.log().report(&event).await.unwrap();
    let received = fake.received();
    let keys = received.map_keys();
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    for (status, code) in [
        (400, Code::InvalidEvent),
        (422, Code::IdempotencyKeyReused),
        (413, Code::EventTooLarge),
    ] {
        let name = match code {
            Code::InvalidEvent => "invalid_event",
            Code::IdempotencyKeyReused => "idempotency_key_reused",
            _ => "event_too_large",
        };
        let body = format!(r#"{{"error":"No.","code":"{name}","request_id":"r"}}"#);
        let fake = Fake::start([Answer::Says(status, body)]).await;
        let error = fake.log().report(Document::new("{}")).await.unwrap_err();
        assert_eq!(error.code(), Some(&code));
        assert_eq!(error.refusal().unwrap().status, status);
        assert!(!error.is_temporary());
        assert_eq!(fake.received().len(), 1);
    }
}

#[tokio::test]
async fn a_service_that_fails_is_asked_three_times() {
    let failed = || Answer::Says(500, String::new());
    let fake = Fake::start([failed(), failed(), failed()]).await;
    let error = fake.log().report(Event::new("s", "t")).await.unwrap_err();
    assert!(error.is_temporary());
    assert_eq!(fake.received().len(), 3);
}

#[tokio::test]
async fn a_deadline_ends_with_the_last_response() {
    let fake = Fake::start([unavailable()]).await;
    let log = fake.log().with_deadline(Duration::ZERO);
    let error = log.report(Event::new("s", "t")).await.unwrap_err();
    assert_eq!(error.code(), Some(&Code::TemporarilyUnavailable));
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_unreachable_log() {
    let fake = Fake::start([Answer::Breaks]).await;
    let log = fake.log().with_retry(Retry::NEVER);
    let error = log.report(Event::new("s", "t")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = ("location", "http://127.0.0.1:1/".to_owned());
    let fake = Fake::start([Answer::With(307, elsewhere, String::new())]).await;
    let error = fake.log().report(Event::new("s", "t")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, 307);
}

#[tokio::test]
async fn a_large_event_is_compressed_and_a_small_one_is_not() {
    let fake = Fake::start([recorded(), recorded()]).await;
    let text = "{\"a\": 1.0}";
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(2000));
    fake.log().report(Document::new(text)).await.unwrap();
    fake.log().report(Document::new(&large)).await.unwrap();
    let received = fake.received();
    assert_eq!(received[0].body, text);
    assert_eq!(received[0].header("content-encoding"), "");
    assert_eq!(received[1].body, large);
    assert_eq!(received[1].header("content-encoding"), "gzip");
    let content_type = "application/vnd.audit-log+json";
    assert_eq!(received[1].header("content-type"), content_type);
}

trait Keys {
    fn map_keys(&self) -> Vec<String>;
}

impl Keys for Vec<super::fake::Received> {
    fn map_keys(&self) -> Vec<String> {
        let keys = self.iter();
        keys.map(|request| request.header("idempotency-key").to_owned())
            .collect()
    }
}
