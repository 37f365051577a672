//! Idempotency-Key: a retry never records twice, and never loses.

use futures_util::future::join_all;
use lambda_http::http::{Method, Request};

use crate::Audit;
use crate::support::{Answer, event, event_with};

const AT: &str = "2024-01-01T00:00:00Z";

async fn post(audit: &Audit, key: &str, document: String) -> Answer {
    audit.post_with(&[("idempotency-key", key)], document).await
}

#[tokio::test]
async fn a_replayed_key_answers_the_first_id() {
    let audit = Audit::start().await;
    let first = post(&audit, "k1", event("1", AT)).await;
    assert_eq!((first.status, first.json()["message"].as_str()), (201, Some("Event recorded")));
    let again = post(&audit, "k1", event("1", AT)).await;
    assert_eq!((again.status, again.json()["message"].as_str()), (200, Some("Event already recorded")));
    assert_eq!((again.id(), again.header("location")), (first.id(), first.header("location")));
    assert_eq!(audit.get("/events").await.json()["total"], 1);
}

#[tokio::test]
async fn a_retry_that_is_spelled_differently_is_the_same_document() {
    let audit = Audit::start().await;
    let first = post(&audit, "k1", event_with("1", AT, r#"{"a":"é","b":[1,2]}"#)).await;
    let again = post(&audit, "k1", event_with("1", AT, r#" {"b": [1, 2], "a": "\u00e9"}"#)).await;
    assert_eq!((again.status, again.id()), (200, first.id()));
}

#[tokio::test]
async fn a_key_with_another_document_is_refused_and_changes_nothing() {
    let audit = Audit::start().await;
    let first = post(&audit, "k1", event_with("1", AT, "1")).await;
    for other in ["2", "1.0", "\"1\""] {
        let answer = post(&audit, "k1", event_with("1", AT, other)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("idempotency_key_reused")), "{other}");
    }
    let list = audit.get("/events").await.json();
    assert_eq!(list["total"], 1);
    assert_eq!(
        (list["events"][0]["id"].as_str(), list["events"][0]["app_data"].as_i64()),
        (Some(first.id().as_str()), Some(1))
    );
}

#[tokio::test]
async fn another_key_service_or_timestamp_is_another_event() {
    let audit = Audit::start().await;
    let service = event("1", AT).replace("\"tests\"", "\"other\"");
    let answers = [
        post(&audit, "k1", event("1", AT)).await,
        post(&audit, "k2", event("1", AT)).await,
        post(&audit, "k1", service).await,
        post(&audit, "k1", event("1", "2024-01-01T00:00:00.000000001Z")).await,
    ];
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(audit.get("/events").await.json()["total"], 4);
}

#[tokio::test]
async fn of_twenty_at_once_one_records_and_all_know_its_id() {
    let audit = Audit::start().await;
    let answers = join_all((0..20).map(|_| post(&audit, "k1", event("1", AT)))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[..19].to_vec(), statuses[19]), (vec![200; 19], 201));
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    assert_eq!(audit.get("/events").await.json()["total"], 1);
}

#[tokio::test]
async fn twenty_at_once_without_a_key_are_twenty_events() {
    let audit = Audit::start().await;
    let answers = join_all((0..20).map(|_| audit.post(event("1", AT)))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(audit.get("/events").await.json()["total"], 20);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let audit = Audit::start().await;
    let (longest, too_long) = ("~".repeat(255), "x".repeat(256));
    for key in ["!", longest.as_str()] {
        assert_eq!(post(&audit, key, event("1", AT)).await.status, 201, "{key}");
    }
    for key in ["", "a b", too_long.as_str(), "a\tb"] {
        let answer = post(&audit, key, event("1", AT)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_idempotency_key")), "{key}");
    }
    let latin = audit.request(reqwest::Method::POST, "/events").header("content-type", "application/json");
    let latin = latin.header("idempotency-key", reqwest::header::HeaderValue::from_bytes(b"\xe9").unwrap());
    assert_eq!(Answer::of(latin.body(event("1", AT))).await.status, 400);
}

/// The trap: a shard that is a hash modulo the number of shards would send the retry elsewhere.
#[tokio::test]
async fn a_retry_after_shards_were_raised_still_finds_its_event() {
    let audit = Audit::start().await;
    let request = |key: usize, at: &str| {
        let request = Request::builder().method(Method::POST).uri("/events");
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        request.body(event("1", at).into()).unwrap()
    };
    let (before, raised) = (audit.create_event("2"), audit.create_event("2,16@2024-06-01T00:00:00Z"));
    for key in 0..16 {
        assert_eq!(before.handle(request(key, AT)).await.status(), 201);
        assert_eq!(raised.handle(request(key, AT)).await.status(), 200);
        assert_eq!(raised.handle(request(key, "2024-06-01T00:00:00Z")).await.status(), 201);
    }
    let list = audit.list_events("2,16@2024-06-01T00:00:00Z").handle(Request::new("".into())).await;
    let list: serde_json::Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list["total"], 32);
}
