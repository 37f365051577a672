//! Cases from other audit logs: what their users ran into, tried on this one. Each test names the
//! threads that it comes from, as `owner/repository#number`.

mod compression;
mod formats;
mod headers;
mod numbers;
mod refusals;
mod responses;
mod times;

use audit_log_testing::App;
use serde_json::Value;

/// The sentence and the problems by field of a document that is refused with this code.
async fn refused(app: &App, document: impl Into<reqwest::Body>, code: &str) -> (String, Value) {
    let response = app.post(document).await;
    assert_eq!(response.error(), (400, code.to_owned()), "{response:?}");
    let body = response.json();
    let sentence = body["error"].as_str().unwrap().to_owned();
    (sentence, body["fields"].clone())
}

/// The problem of the only field that is wrong with a document.
async fn problem(app: &App, document: String, field: &str) -> String {
    let (_, fields) = refused(app, document, "invalid_event").await;
    assert_eq!(fields.as_array().unwrap().len(), 1, "{fields}");
    assert_eq!(fields[0]["field"], field, "{fields}");
    fields[0]["problem"].as_str().unwrap().to_owned()
}
