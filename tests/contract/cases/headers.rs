//! Headers that come twice, as in aws/aws-lambda-rust-runtime#852.

use audit_log_testing::{App, Response};
use reqwest::Method;

/// `POST /events` with exactly these headers.
async fn post(app: &App, headers: &[(&str, &str)], document: &str) -> Response {
    let mut request = app.request(Method::POST, "/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(document.to_owned())).await
}

#[tokio::test]
async fn a_content_type_that_comes_twice_alike_is_one() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    for content_type in ["application/json", "application/json; profile=\"a, b\""] {
        let twice = [("content-type", content_type); 2];
        let response = post(&app, &twice, &document).await;
        assert_eq!(response.status, 201, "{response:?}");
    }
    let different = [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    let response = post(&app, &different, &document).await;
    assert_eq!(response.error(), (400, "invalid_request".to_owned()));
    let sentence = response.json()["error"].as_str().unwrap().to_owned();
    assert!(
        sentence.contains("content-type has several values"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_key_that_comes_twice_alike_is_one() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    let json = ("content-type", "application/json");
    let key = app.key("a");
    let once = post(&app, &[json, ("idempotency-key", &key)], &document).await;
    assert_eq!(once.status, 201);
    let twice = [json, ("idempotency-key", &key), ("idempotency-key", &key)];
    let again = post(&app, &twice, &document).await;
    assert_eq!((again.status, again.id()), (200, once.id()));

    let other = app.key("b");
    let different = [json, ("idempotency-key", &key), ("idempotency-key", &other)];
    let response = post(&app, &different, &document).await;
    assert_eq!(
        response.error(),
        (400, "invalid_idempotency_key".to_owned())
    );
}
