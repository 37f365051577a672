//! What a function logs, whatever it is asked.

use std::sync::{Arc, Mutex};

use audit_log_testing::payload_with;
use serde_json::{Map, Value, json};

use crate::binary::{Binary, CREATE, LIST};

/// In every place that has content.
const CONTENT: &str = "c0ntent";
/// Would end a line, begin another, hide what follows, or turn it round.
const ODD: &str = "a\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{85}\u{2028}\u{202e}\u{200b}\u{7f}\u{1b}[2J";

fn document() -> Value {
    json!({
        "user_id": format!("{CONTENT}{ODD}"), "event_type": CONTENT, "timestamp": "2024-01-01T00:00:00Z",
        "src_service": CONTENT, "invariant_data": {CONTENT: ODD}, "app_data": CONTENT,
    })
}

/// Requests that are answered in every way that a caller can bring about, with content and odd
/// characters everywhere.
fn requests() -> Vec<(&'static str, Value)> {
    let body = |document: Value| move |p: &mut Value| p["body"] = json!(document.to_string());
    let broken = format!(
        "{{\"{CONTENT}\":\"{CONTENT}\",\"{CONTENT}\":\"{CONTENT}\",\"\\ud800\":\"{CONTENT}\n\""
    );
    let claims = json!({"jwt": {"claims": {"sub": format!("{CONTENT}{ODD}")}, "scopes": []}});
    let query = |query: &str| {
        let query = query.to_owned();
        move |p: &mut Value| p["rawQueryString"] = json!(query)
    };
    vec![
        (CREATE, payload_with("create-event.json", body(document()))),
        (
            CREATE,
            payload_with("create-event.json", body(json!({CONTENT: CONTENT}))),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| p["body"] = json!(broken)),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| {
                p["rawPath"] = json!(format!("/{CONTENT}{ODD}/events"));
            }),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| {
                p["headers"]["content-type"] = json!(CONTENT);
            }),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| {
                p["headers"]["user-agent"] = json!(format!("{CONTENT}\u{202e}"));
            }),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| {
                p["headers"]["idempotency-key"] = json!("{\"level\":\"c0ntent\"}");
            }),
        ),
        (
            CREATE,
            payload_with("create-event.json", |p| {
                p["headers"]["idempotency-key"] = json!("c0ntent \u{202e}");
            }),
        ),
        (
            CREATE,
            payload_with("create-event-jwt-stage.json", |p| {
                p["requestContext"]["authorizer"] = claims;
            }),
        ),
        (
            CREATE,
            payload_with("create-event-base64.json", |p| p["body"] = json!(CONTENT)),
        ),
        (CREATE, json!({CONTENT: CONTENT})),
        (
            LIST,
            payload_with(
                "list-events.json",
                query("user_id=c0ntent%0a%7B%22level%22%3A1%7D%E2%80%AE"),
            ),
        ),
        (
            LIST,
            payload_with(
                "list-events.json",
                query("c0ntent%0a%E2%80%AE=1&from=c0ntent&cursor=c0ntent"),
            ),
        ),
        (
            LIST,
            payload_with("list-events.json", query("c0ntent c0ntent")),
        ),
        (
            LIST,
            payload_with("list-events.json", |p| {
                p["headers"]["host"] = json!("[c0ntent");
            }),
        ),
        (
            LIST,
            payload_with("get-event.json", |p| {
                p["pathParameters"]["id"] = json!(format!("{CONTENT}{ODD}"));
            }),
        ),
    ]
}

#[tokio::test]
async fn every_line_is_one_json_object_in_ascii_and_has_no_content() {
    for binary in [CREATE, LIST] {
        let salts = Arc::new(Mutex::new(Vec::new()));
        let written = salts.clone();
        let dynamodb = move |_: &str, request: &Value| {
            let puts = [
                &request["Item"],
                &request["TransactItems"][1]["Put"]["Item"],
            ];
            let salts = puts.map(|item| item["salt"]["S"].as_str().map(str::to_owned));
            written.lock().unwrap().extend(salts.into_iter().flatten());
            json!({"Count": 0, "ScannedCount": 0, "Items": []})
        };
        let mut function = Binary::start(binary, dynamodb).await;
        let mut told = Vec::new();
        for (number, (_, mut request)) in requests()
            .into_iter()
            .filter(|(of, _)| *of == binary)
            .enumerate()
        {
            if let Some(context) = request.get_mut("requestContext") {
                context["requestId"] = json!(format!("{number}{ODD}"));
            }
            told.push(function.response(&request).await["body"]["request_id"].clone());
        }
        let log = function.log().await;
        let salts = salts.lock().unwrap().clone();
        assert_eq!(salts.is_empty(), binary == LIST, "{salts:?}");
        for salt in &salts {
            assert!(!log.iter().any(|line| line.contains(salt)), "{log:?}");
        }
        let lines: Vec<Value> = log.iter().map(|line| read(line)).collect();
        let logged = lines
            .iter()
            .filter(|line| line["message"] == "request handled")
            .map(|line| &line["request_id"]);
        assert_eq!(
            logged.clone().count(),
            told.len(),
            "a line for each request"
        );
        // An error tells its request's id, and it is the one in the log, whatever is in it.
        assert!(
            told.iter()
                .zip(logged)
                .all(|(told, logged)| told.is_null() || told == logged),
            "{told:?}"
        );
    }
}

fn read(line: &str) -> Value {
    assert!(
        line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{line:?}"
    );
    assert!(!line.contains(CONTENT), "{line}");
    let members: Map<String, Value> =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_ne!(members.get("message"), Some(&json!("forged")));
    // Lambda files a line by these, and a metric by this.
    assert!(
        members.contains_key("_aws")
            || (members["timestamp"].is_string() && members["level"].is_string()),
        "{line}"
    );
    Value::Object(members)
}
