//! POST /events, where it takes an empty log, its own clock, or what only a gateway on this machine
//! lets through.

use std::time::Duration;

use audit_log::effects::Effects;
use audit_log_testing::{App, event, event_with, list_request, post_request};
use reqwest::Method;
use reqwest::header::HeaderValue;

#[tokio::test]
async fn a_body_beyond_what_lambda_takes_is_refused() {
    let app = App::start().await;
    // Above Lambda's 6 MB, and above API Gateway's own 10.
    for megabytes in [7, 11, 30] {
        let data = format!("\"{}\"", "x".repeat(megabytes * 1024 * 1024));
        assert_eq!(
            app.post(event_with("1", "2024-01-01T00:00:00Z", &data))
                .await
                .status,
            413,
            "{megabytes} MB"
        );
    }
}

#[tokio::test]
async fn an_event_may_lie_a_day_ahead() {
    let app = App::start().await;
    let ahead = |hours: u64| {
        let at = Effects::system()
            .now()
            .saturating_add(Duration::from_secs(hours * 3600));
        event("1", &at.to_string())
    };
    assert_eq!(app.post(ahead(23)).await.status, 201);
    assert_eq!(app.post(ahead(25)).await.status, 400);
}

#[tokio::test]
async fn a_key_that_is_empty_or_no_visible_ascii_is_refused() {
    let app = App::start().await;
    for key in [b"".as_slice(), b"a\tb", b"\xe9"] {
        let request = app
            .request(Method::POST, "/events")
            .header("content-type", "application/json");
        let request = request.header("idempotency-key", HeaderValue::from_bytes(key).unwrap());
        let request = request.body(event("1", "2024-01-01T00:00:00Z"));
        assert_eq!(app.send(request).await.status, 400, "{key:?}");
    }
}

/// API Gateway makes a string of `application/json`. Where that changes the length, it shows.
#[tokio::test]
async fn bytes_that_the_gateway_replaced_are_refused_where_it_shows() {
    let app = App::start().await;
    let with = |name: &[u8]| {
        let document = event_with("1", "2024-01-01T00:00:00Z", "\"@\"").into_bytes();
        let at = document.iter().position(|byte| *byte == b'@').unwrap();
        [&document[..at], name, &document[at + 1..]].concat()
    };
    for wrong in [b"\xff".as_slice(), b"\xef\xbd", b"a\x80b\x80"] {
        let response = app.post(with(wrong)).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_json")),
            "{response:?}"
        );
        assert!(
            response.json()["error"]
                .as_str()
                .unwrap()
                .contains("not UTF-8"),
            "{response:?}"
        );
    }
    // Three bytes of an emoji's four become one U+FFFD, which has three: that cannot be seen here.
    assert_eq!(app.post(with(b"\xf0\x9f\x98")).await.status, 201);
    assert_eq!(
        app.post(with("\u{fffd}".as_bytes())).await.status,
        201,
        "a real one is kept"
    );
}

#[tokio::test]
async fn an_id_that_only_a_lenient_gateway_lets_through_is_not_found() {
    let app = App::start().await;
    for id in ["%00", "..%2f..", "%ff"] {
        let response = app.get(&format!("/events/{id}")).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (404, Some("not_found")),
            "{id}"
        );
    }
}

/// The trap: a shard that is a hash modulo the number of shards would send the retry elsewhere.
#[tokio::test]
async fn a_retry_after_a_raise_of_shards_finds_its_event() {
    let app = App::start().await;
    let request =
        |key: usize| post_request(Some(&key.to_string()), event("1", "2024-01-01T00:00:00Z"));
    let before = app.create_event(2);
    let raised = app.create_event(16);
    for key in 0..16 {
        assert_eq!(before.handle(request(key)).await.status(), 201);
        assert_eq!(raised.handle(request(key)).await.status(), 200);
        assert_eq!(raised.handle(request(16 + key)).await.status(), 201);
    }
    let list = app.list_events(16).handle(list_request("")).await;
    let list: serde_json::Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list["total"], 32);
}
