//! Many events in one request.

use audit_log_client::{Code, Document, Error};
use serde_json::{Value, json};

use super::fake::{Answer, Fake};

fn recorded(id: &str) -> Value {
    json!({ "status": 201, "id": id, "leaf": "l" })
}

fn unavailable() -> Value {
    json!({ "status": 503, "code": "temporarily_unavailable", "error": "Try again." })
}

fn refused() -> Value {
    let fields = json!([{ "field": "user_id", "problem": "is required" }]);
    json!({ "status": 400, "code": "invalid_event", "error": "No.", "fields": fields })
}

fn results(results: &[Value]) -> Answer {
    Answer::Says(200, json!({ "results": results }).to_string())
}

fn documents(names: &[&str]) -> Vec<Document> {
    let document = |name: &&str| Document::new(format!("{{\"n\": \"{name}\"}}")).with_key(*name);
    names.iter().map(document).collect()
}

#[tokio::test]
async fn only_what_is_not_settled_is_repeated() {
    let fake = Fake::start([
        results(&[unavailable(), recorded("b"), refused(), unavailable()]),
        results(&[recorded("a"), unavailable()]),
        results(&[recorded("d")]),
    ])
    .await;
    let names = documents(&["a", "b", "c", "d"]);
    let outcome = fake.log().report_batch(&names).await;
    let ids: Vec<Option<&str>> = outcome
        .iter()
        .map(|result| result.as_ref().ok().map(|receipt| receipt.id.as_str()))
        .collect();
    assert_eq!(ids, [Some("a"), Some("b"), None, Some("d")]);
    let error = outcome[2].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(&Code::InvalidEvent));
    assert_eq!(error.refusal().unwrap().fields[0].field, "user_id");

    let keys: Vec<Vec<String>> = fake
        .received()
        .iter()
        .map(|request| {
            let lines = request.lines();
            let key = |line: &Value| line["key"].as_str().unwrap().to_owned();
            lines.iter().map(key).collect()
        })
        .collect();
    assert_eq!(keys, [vec!["a", "b", "c", "d"], vec!["a", "d"], vec!["d"]]);
}

#[tokio::test]
async fn a_batch_without_a_response_is_repeated() {
    let throttled = Answer::Says(429, String::new());
    let down = Answer::Says(503, String::new());
    let fake = Fake::start([
        throttled,
        Answer::Breaks,
        down,
        results(&[recorded("a"), recorded("b")]),
    ])
    .await;
    let outcome = fake.log().report_batch(&documents(&["a", "b"])).await;
    assert!(outcome.iter().all(Result::is_ok), "{outcome:?}");
    let received = fake.received();
    assert_eq!(received.len(), 4);
    assert!(
        received
            .iter()
            .all(|request| request.body == received[0].body)
    );
}

#[tokio::test]
async fn a_request_has_at_most_100_elements() {
    let answer = |count: usize| results(&vec![recorded("a"); count]);
    let fake = Fake::start([answer(100), answer(50)]).await;
    let names = vec![Document::new("{}"); 150];
    let outcome = fake.log().report_batch(&names).await;
    assert_eq!(outcome.len(), 150);
    let received = fake.received();
    assert_eq!(received[0].lines().len(), 100);
    assert_eq!(received[0].header("content-type"), "application/x-ndjson");
    assert_eq!(received[0].header("content-encoding"), "gzip");
    assert_eq!(received[1].lines().len(), 50);
}

/// Line breaks would be changed in a batch of lines.
#[tokio::test]
async fn documents_with_line_breaks_keep_them() {
    let fake = Fake::start([results(&[recorded("a")]), results(&[recorded("b")])]).await;
    let broken = "{\"a\":\r\n 1.0}";
    let names = [Document::new(broken).with_key("k"), Document::new("{}")];
    let outcome = fake.log().report_batch(&names).await;
    // The lines are sent first, but the results are in the order of the documents.
    assert_eq!(outcome[0].as_ref().unwrap().id, "b");
    assert_eq!(outcome[1].as_ref().unwrap().id, "a");
    let received = fake.received();
    let content_type = "application/vnd.audit-log+json";
    assert_eq!(received[1].header("content-type"), content_type);
    let expected = format!("[{{\"key\":\"k\",\"event\":{broken}}}]");
    assert_eq!(received[1].body, expected);
}

#[tokio::test]
async fn one_element_cannot_have_the_others_refused() {
    let whole = r#"{"error":"No.","code":"invalid_json","request_id":"r"}"#;
    let single = r#"{"message":"Event recorded","id":"a","leaf":"l"}"#;
    let fake = Fake::start([
        Answer::Says(400, whole.to_owned()),
        Answer::Says(201, single.to_owned()),
        Answer::Says(400, whole.to_owned()),
    ])
    .await;
    let outcome = fake.log().report_batch(&documents(&["a", "b"])).await;
    assert!(outcome[0].is_ok());
    let error = outcome[1].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(&Code::InvalidJson));
    assert_eq!(fake.received()[2].header("idempotency-key"), "b");
}

#[tokio::test]
async fn a_response_that_lacks_a_result_is_no_success() {
    let fake = Fake::start([results(&[recorded("a")])]).await;
    let outcome = fake.log().report_batch(&documents(&["a", "b"])).await;
    for result in outcome {
        assert!(matches!(result, Err(Error::NotALog { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_caller_who_may_not_report_gets_one_error_for_each() {
    let fake = Fake::start([Answer::Says(403, "{\"message\":\"Forbidden\"}".to_owned())]).await;
    let outcome = fake.log().report_batch(&documents(&["a", "b"])).await;
    assert_eq!(fake.received().len(), 1);
    for result in outcome {
        assert_eq!(result.unwrap_err().refusal().unwrap().status, 403);
    }
}
