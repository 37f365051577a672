//! What a request can make a function answer, and take up.

use audit_log_testing::payload_with;
use audit_log_testing::properties::{Function, MAX_HEADER_BYTES, response};
use serde_json::{Value, json};

/// The answer of `GET /events` with this query string.
fn list(query: &str) -> Value {
    let payload = payload_with("list-events.json", |p| p["rawQueryString"] = json!(query));
    response(Function::List, payload.to_string().as_bytes())
        .unwrap()
        .0
}

#[test]
fn the_longest_query_has_links_that_api_gateway_passes_on() {
    let (user, mut longest) = ("%C3%BC".repeat(128), 0);
    for digits in (1..100).chain([1_000, 4_000]) {
        let from = format!("1970-01-01T00:00:00.{}%2B01:00", "0".repeat(digits));
        let to = from.replace("1970", "2025");
        let response = list(&format!(
            "user_id={user}&from={from}&to={to}&cursor=ffffffff-ffff-7fff-bfff-ffffffffffff&page=2&per_page=1"
        ));
        if let Some(link) = response["headers"]["link"].as_str() {
            assert_eq!(link.split(", ").count(), 4, "{link}");
            longest = longest.max(link.len());
        }
    }
    assert!(
        (3_500..=MAX_HEADER_BYTES).contains(&longest),
        "{longest} bytes"
    );
}

#[test]
fn a_thousand_unknown_parameters_are_not_a_thousand_sentences() {
    let query: Vec<String> = (0..3_000).map(|number| format!("{number:x}")).collect();
    let response = list(&query.join("&"));
    assert_eq!(response["statusCode"], 400);
    let body = response["body"].as_str().unwrap();
    assert!(body.len() < 10_000, "{} bytes", body.len());
}
