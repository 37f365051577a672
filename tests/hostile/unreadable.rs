//! Payloads that lambda_http fails or panics on: the function says so, and goes on.

use std::collections::BTreeMap;

use audit_log_testing::{payload, payload_with};
use serde_json::{Value, json};

use crate::binary::{Binary, CREATE, LIST};

/// Each with what is wrong with it.
fn unreadable(file: &str) -> Vec<(&'static str, Value)> {
    let headers = |count: usize| {
        (0..count)
            .map(|number| (format!("h{number}"), "1"))
            .collect::<BTreeMap<_, _>>()
    };
    let not_base64 = payload_with(file, |p| {
        p["isBase64Encoded"] = json!(true);
        p["body"] = json!("!");
    });
    let mut payloads: Vec<(&str, Value)> = vec![
        ("no request", json!("x")),
        ("no member of a request", json!({})),
        (
            "nested deeper than it is read",
            json!({"requestContext": null}),
        ),
        ("a body that is not base64", not_base64),
        (
            "a Host with a space",
            payload_with(file, |p| p["headers"]["host"] = json!("a b")),
        ),
        (
            "a Host that is none",
            payload_with(file, |p| p["headers"]["host"] = json!("[")),
        ),
        (
            "a scheme that is none",
            payload_with(file, |p| p["headers"]["x-forwarded-proto"] = json!("ht tp")),
        ),
        (
            "a port out of range",
            payload_with(file, |p| p["headers"]["host"] = json!("a:99999")),
        ),
        (
            "a header with a line break",
            payload_with(file, |p| p["headers"]["x-a"] = json!("a\r\nb: c")),
        ),
        (
            "a header that is a number",
            payload_with(file, |p| p["headers"]["x-a"] = json!(1)),
        ),
        (
            "a header's name with a space",
            payload_with(file, |p| p["headers"]["a b"] = json!("c")),
        ),
        (
            "a path that is a number",
            payload_with(file, |p| p["rawPath"] = json!(1)),
        ),
        (
            "a query string that is a list",
            payload_with(file, |p| p["rawQueryString"] = json!(["page=1"])),
        ),
        (
            "a space in the query string",
            payload_with(file, |p| p["rawQueryString"] = json!("page=1 2")),
        ),
        (
            "quotes in the query string",
            payload_with(file, |p| p["rawQueryString"] = json!("user_id=\"1\"")),
        ),
        (
            "a line break in the query string",
            payload_with(file, |p| p["rawQueryString"] = json!("page=1\r\nA: b")),
        ),
        (
            "a longer query string than a URL has",
            payload_with(file, |p| p["rawQueryString"] = json!("x".repeat(70_000))),
        ),
        (
            "a longer path than a URL has",
            payload_with(file, |p| {
                p["rawPath"] = json!(format!("/{}", "x".repeat(70_000)));
            }),
        ),
        (
            "no context",
            payload_with(file, |p| {
                drop(p.as_object_mut().unwrap().remove("requestContext"));
            }),
        ),
        (
            "a method that is none",
            payload_with(file, |p| {
                p["requestContext"]["http"]["method"] = json!("GE T");
            }),
        ),
        (
            "more headers than a map can have",
            payload_with(file, |p| p["headers"] = json!(headers(40_000))),
        ),
    ];
    let mut nested = json!([]);
    for _ in 0..200 {
        nested = json!([nested]);
    }
    payloads[2].1["requestContext"] = nested;
    payloads
}

#[tokio::test]
async fn a_function_survives_a_payload_that_is_not_a_request() {
    let mut create = Binary::start(CREATE, |_, _| json!({})).await;
    for (wrong, broken) in unreadable("create-event.json") {
        check(wrong, &create.response(&broken).await);
        let next = create.response(&payload("create-event.json")).await;
        assert_eq!(next["status"], 201, "after {wrong}: {next}");
    }
    let mut list = Binary::start(
        LIST,
        |_, _| json!({"Count": 0, "ScannedCount": 0, "Items": []}),
    )
    .await;
    for (wrong, broken) in unreadable("list-events.json") {
        check(wrong, &list.response(&broken).await);
        let next = list.response(&payload("list-events.json")).await;
        assert_eq!(next["status"], 200, "after {wrong}: {next}");
    }
}

fn check(wrong: &str, response: &Value) {
    let body = &response["body"];
    assert_eq!(
        (&response["status"], &body["code"]),
        (&json!(400), &json!("invalid_request")),
        "{wrong}: {response}"
    );
    assert_eq!(
        response["headers"]["content-type"], "application/json",
        "{wrong}"
    );
    assert_eq!(
        body["request_id"], "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda's own: {wrong}"
    );
}
