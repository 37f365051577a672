//! The form of a response for each kind of API Gateway.

use std::io::Read;

use audit_log_cli::serve::functions::Function;
use audit_log_cli::serve::template::Template;
use audit_log_testing::{App, event_with, payload, repo_path};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// The function that lists, on a log with these events.
async fn list_function(documents: &[String]) -> (App, Function) {
    let app = App::start().await;
    for document in documents {
        app.record(document.clone()).await;
    }
    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let declared = &template.functions["ListEventsFunction"];
    let function = Function::new(declared, &app.service().client, &app.service().log_key).unwrap();
    (app, function)
}

async fn invoke(function: &Function, payload: &Value) -> Value {
    let response = function.invoke(payload.to_string()).await.unwrap();
    serde_json::from_str(&response).unwrap()
}

fn large_events() -> [String; 2] {
    let app_data = format!("\"{}\"", "é text ".repeat(200));
    ["00", "01"].map(|second| event_with("1", &format!("2024-01-01T00:00:{second}Z"), &app_data))
}

#[tokio::test]
async fn an_http_api_gets_a_compressed_body_as_base64() {
    let (app, function) = list_function(&large_events()).await;
    let mut payload = payload("list-events.json");
    payload["headers"]["accept-encoding"] = json!("gzip, deflate");
    let response = invoke(&function, &payload).await;
    assert_eq!(response["isBase64Encoded"], true);
    assert_eq!(response["headers"]["content-encoding"], "gzip");
    let body = BASE64.decode(response["body"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["events"], app.get("/events").await.json()["events"]);
}

/// It would pass base64 on as it is, unless it is configured with binary media types.
#[tokio::test]
async fn a_rest_api_never_gets_a_compressed_body() {
    let (app, function) = list_function(&large_events()).await;
    let mut payload = payload("list-events-rest.json");
    payload["headers"]["Accept-Encoding"] = json!("gzip");
    payload["multiValueHeaders"]["Accept-Encoding"] = json!(["gzip"]);
    payload["queryStringParameters"] = Value::Null;
    payload["multiValueQueryStringParameters"] = Value::Null;
    let response = invoke(&function, &payload).await;
    assert_eq!(response["isBase64Encoded"], false);
    assert_eq!(response["headers"].get("content-encoding"), None);
    let list: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(list["events"], app.get("/events").await.json()["events"]);
}

/// Base64 carries 6 bits a byte, so text that is as good as random becomes larger than it was.
#[tokio::test]
async fn a_page_that_gzip_makes_too_large_is_sent_plain() {
    let mut state = 1_u64;
    let mut character = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // From # to ~ without the backslash.
        let code = b'#' + u8::try_from((state >> 33) % 92).unwrap();
        char::from(if code == b'\\' { b'!' } else { code })
    };
    let documents: Vec<String> = (10..34)
        .map(|second| {
            let random: String = (0..258_000).map(|_| character()).collect();
            event_with(
                "1",
                &format!("2024-01-01T00:00:{second}Z"),
                &format!("\"{random}\""),
            )
        })
        .collect();
    let (app, _) = list_function(&documents).await;
    let gzip = [("accept-encoding", "gzip")];
    let full = app.get_with(&gzip, "/events?per_page=24").await;
    assert_eq!(full.ids().len(), 24);
    assert_eq!(full.header("content-encoding"), None);
    let smaller = app.get_with(&gzip, "/events?per_page=10").await;
    assert_eq!(smaller.ids().len(), 10);
    assert_eq!(smaller.header("content-encoding"), Some("gzip"));
}
