//! POST /events, where it takes an empty log, its own clock, or what only a gateway on this machine lets through.

use lambda_http::http::{Method, Request};
use serde_json::{Value, json};

use crate::App;
use crate::support::{Answer, event, event_with, seed};

#[tokio::test]
async fn the_readmes_event_is_recorded_and_listed() {
    let app = App::start().await;
    let document = seed("2024-01-01T00:00:00Z");
    let created = app.post(document.clone()).await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert_eq!(created.json(), json!({"message": "Event recorded", "id": id}));
    assert_eq!(created.header("location"), Some(format!("/events/{id}").as_str()));

    let listed = app.get("/events").await;
    assert_eq!(listed.status, 200);
    let list = listed.json();
    let mut expected: Value = serde_json::from_str(&document).unwrap();
    expected["id"] = json!(id);
    expected["recorded"] = json!({"at": list["events"][0]["recorded"]["at"], "by": null, "from": "127.0.0.1"});
    let (page, pages) = (json!(1), json!(1));
    assert_eq!(
        list,
        json!({"events": [expected], "total": 1, "total_exact": true, "page": page, "per_page": 10, "total_pages": pages, "next_cursor": null})
    );
    assert!(listed.text.starts_with(&format!(r#"{{"events":[{{"id":"{id}","recorded":{{"at":"#)), "{}", listed.text);
}

#[tokio::test]
async fn a_body_beyond_what_lambda_takes_is_refused() {
    let app = App::start().await;
    // Above Lambda's 6 MB, and above API Gateway's own 10.
    for megabytes in [7, 11] {
        let data = format!("\"{}\"", "x".repeat(megabytes * 1024 * 1024));
        assert_eq!(app.post(event_with("1", "2024-01-01T00:00:00Z", &data)).await.status, 413, "{megabytes} MB");
    }
}

#[tokio::test]
async fn an_event_may_lie_a_day_ahead() {
    let app = App::start().await;
    let ahead = |hours: u64| {
        let at = audit_log::effects::Effects::system().now().plus(std::time::Duration::from_secs(hours * 3600));
        event("1", &at.to_string())
    };
    assert_eq!(app.post(ahead(23)).await.status, 201);
    assert_eq!(app.post(ahead(25)).await.status, 400);
}

#[tokio::test]
async fn a_key_that_is_empty_or_no_visible_ascii_is_refused() {
    let app = App::start().await;
    for key in [b"".as_slice(), b"a\tb", b"\xe9"] {
        let request = app.request(reqwest::Method::POST, "/events").header("content-type", "application/json");
        let request = request.header("idempotency-key", reqwest::header::HeaderValue::from_bytes(key).unwrap());
        assert_eq!(Answer::of(request.body(event("1", "2024-01-01T00:00:00Z"))).await.status, 400, "{key:?}");
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
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("invalid_json")), "{response:?}");
        assert!(response.json()["error"].as_str().unwrap().contains("not UTF-8"), "{response:?}");
    }
    // Three bytes of an emoji's four become one U+FFFD, which has three: that cannot be seen here.
    assert_eq!(app.post(with(b"\xf0\x9f\x98")).await.status, 201);
    assert_eq!(app.post(with("\u{fffd}".as_bytes())).await.status, 201, "a real one is kept");
}

/// Some decoders take a byte order mark away, so this says nothing about a gateway.
#[tokio::test]
async fn a_byte_order_mark_is_refused() {
    let app = App::start().await;
    let response = app.post(format!("\u{feff}{}", event("1", "2024-01-01T00:00:00Z"))).await;
    assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("invalid_json")), "{response:?}");
}

#[tokio::test]
async fn a_header_that_comes_twice_counts_once_if_it_is_equal() {
    let app = App::start().await;
    let send = async |headers: &[(&str, &str)]| {
        let request = app.request(reqwest::Method::POST, "/events");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request.body(event("1", "2024-01-01T00:00:00Z"))).await
    };
    let (json, key) = (("content-type", "application/json"), ("idempotency-key", "!"));
    assert_eq!(send(&[json, key, key]).await.status, 201);
    assert_eq!(send(&[json, json, key]).await.status, 200);
    for (headers, code) in [
        (vec![json, key, ("idempotency-key", "k")], "invalid_idempotency_key"),
        (vec![json, ("content-type", "text/plain"), key], "invalid_request"),
    ] {
        let response = send(&headers).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some(code)), "{response:?}");
        assert!(response.json()["error"].as_str().unwrap().contains("several values"), "{response:?}");
    }
}

#[tokio::test]
async fn an_id_that_only_a_lenient_gateway_lets_through_is_not_found() {
    let app = App::start().await;
    for id in ["%00", "..%2f..", "%ff"] {
        let response = app.get(&format!("/events/{id}")).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (404, Some("not_found")), "{id}");
    }
}

/// The trap: a shard that is a hash modulo the number of shards would send the retry elsewhere.
#[tokio::test]
async fn a_retry_after_a_raise_of_shards_finds_its_event() {
    let app = App::start().await;
    let request = |key: usize| {
        let request = Request::builder().method(Method::POST).uri("/events");
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        request.body(event("1", "2024-01-01T00:00:00Z").into()).unwrap()
    };
    let (before, raised) = (app.create_event("2"), app.create_event("16"));
    for key in 0..16 {
        assert_eq!(before.handle(request(key)).await.status(), 201);
        assert_eq!(raised.handle(request(key)).await.status(), 200);
        assert_eq!(raised.handle(request(16 + key)).await.status(), 201);
    }
    let list = app.list_events("16").handle(Request::new("".into())).await;
    let list: serde_json::Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list["total"], 32);
}
