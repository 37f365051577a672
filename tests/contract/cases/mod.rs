//! Cases from other audit logs: what their users ran into, tried on this one. Each test names the
//! threads that it comes from, as `owner/repository#number`.

mod compression;
mod content;
mod formats;
mod headers;
mod instants;
mod names;
mod numbers;
mod pages;
mod refusals;
mod responses;
mod samples;
mod shippers;
mod times;
mod users;

use audit_log_client::Document;
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

/// Records documents in batches, and gives the IDs in the order sent. A service that has no time for
/// all is sent the others again.
async fn record_all(app: &App, documents: &[String]) -> Vec<String> {
    let documents: Vec<Document> = documents.iter().map(Document::new).collect();
    let results = app.log().report_batch(&documents).await;
    let receipts = results.into_iter().map(|result| result.unwrap());
    receipts.map(|receipt| receipt.id).collect()
}

/// The document of an event of this user, type and service. The user is JSON.
fn document(user: &str, kind: &str, timestamp: &str, service: &str, app_data: &str) -> String {
    let head = format!(r#""user_id":{user},"event_type":"{kind}","timestamp":"{timestamp}""#);
    let tail = format!(r#""src_service":"{service}","invariant_data":null,"app_data":{app_data}"#);
    format!("{{{head},{tail}}}")
}

/// Records a document, and sees it come back to the byte.
async fn record_verbatim(app: &App, document: &str) -> String {
    let id = app.record(document.to_owned()).await;
    let event = app.get(&format!("/events/{id}")).await.text;
    let members = document.strip_prefix('{').unwrap();
    assert!(event.ends_with(&format!("}},{members}")), "{event}");
    id
}

/// A query string with these parameters. A space is `%20`.
fn query(parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://localhost/events", parameters).unwrap();
    url.query().unwrap().replace('+', "%20")
}
