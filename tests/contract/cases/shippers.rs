//! What shippers of logs, webhooks and other standards send.

use audit_log_testing::{App, Response};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use super::refused;

/// The six fields of a document, as an answer names them.
const FIELDS: [&str; 6] = [
    "user_id",
    "event_type",
    "timestamp",
    "src_service",
    "invariant_data",
    "app_data",
];

async fn post_as(app: &App, content_type: &str, body: String) -> Response {
    let request = app.request(Method::POST, "/events");
    let request = request.header(CONTENT_TYPE, content_type).body(body);
    app.send(request).await
}

/// The fields that a 400 names, in the order of their names.
fn named(fields: &serde_json::Value) -> Vec<&str> {
    let fields = fields.as_array().unwrap();
    let mut named: Vec<&str> = fields
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    named.sort_unstable();
    named
}

/// As in kubernetes/kubernetes#45919, and in the files that CloudTrail writes: an envelope is not an
/// event. What it contains can be sent as a batch.
#[tokio::test]
async fn an_envelope_is_refused_and_its_items_are_a_batch() {
    let app = App::open().await;
    let items = [app.event("1", 0, "1"), app.event("2", 1, "2")].join(",");
    let mut expected = FIELDS;
    expected.sort_unstable();
    for envelope in [
        format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{items}]}}"#),
        format!(r#"{{"Records":[{items}]}}"#),
    ] {
        let (_, fields) = refused(&app, envelope, "invalid_event").await;
        assert_eq!(named(&fields), expected);
    }
    assert_eq!(app.total().await, 0);
    let response = app.post(format!("[{items}]")).await;
    assert_eq!(response.json()["recorded"], 2);
}

/// As in fluent/fluent-bit#680, fluent/fluent-bit#2752, cap-js/audit-logging#160,
/// 1024pix/pix#9212, JanssenProject/jans#9488, cptn-io/el-cptn#101 and pangeacyber/pangea-java#169.
#[tokio::test]
async fn shippers_send_arrays_or_lines() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    for (content_type, body) in [
        ("application/json", format!("[{document},{document}]")),
        ("application/x-ndjson", format!("{document}\n{document}\n")),
    ] {
        let response = post_as(&app, content_type, body).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json()["recorded"], 2);
    }
    // Lines that are declared as JSON are not JSON.
    let lines = format!("{document}\n{document}");
    let (sentence, _) = refused(&app, lines, "invalid_json").await;
    assert!(sentence.contains("line 2 column 1"), "{sentence}");
    assert_eq!(app.total().await, 4);
}

/// A small CloudEvent with more members.
fn cloud_event(id: &str, more: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","type":"com.example.some","time":"2018-04-05T03:56:24Z","id":"{id}","source":"/ctx","data":{{"m":1}}{more}}}"#
    )
}

/// As in openedx/openedx-events#77, cdevents/spec#244 and cloudevents/conformance: each CloudEvent
/// has an `id`, and none has a `user_id`.
#[tokio::test]
async fn a_cloud_event_goes_into_app_data_and_its_id_into_the_key() {
    let app = App::open().await;
    let id = app.key("A234");
    let types = ["application/cloudevents+json", "application/json"];
    let six = app.event("1", 0, "null");
    let six = six.trim_matches(|bracket| matches!(bracket, '{' | '}'));
    for content_type in types {
        let plain = post_as(&app, content_type, cloud_event(&id, "")).await;
        assert_eq!(plain.error(), (400, "invalid_event".to_owned()));
        let mut expected = FIELDS.to_vec();
        expected.push("id");
        expected.sort_unstable();
        assert_eq!(named(&plain.json()["fields"]), expected);

        let merged = cloud_event(&id, &format!(",{six}"));
        let merged = post_as(&app, content_type, merged).await;
        assert_eq!(named(&merged.json()["fields"]), ["id"]);
    }
    let document = app.event("1", 0, &cloud_event(&id, ""));
    let element = format!(r#"[{{"key":"{id}","event":{document}}}]"#);
    let types = ["application/json", "application/cloudevents-batch+json"];
    let mut results = Vec::new();
    for content_type in types {
        let response = post_as(&app, content_type, element.clone()).await;
        assert_eq!(response.status, 200, "{response:?}");
        results.push(response.json()["results"][0].clone());
    }
    assert_eq!(results[0]["status"], 201);
    // The second is a retry.
    assert_eq!(results[1]["status"], 200);
    assert_eq!(results[1]["id"], results[0]["id"]);
    let recorded = results[0]["id"].as_str().unwrap();
    let event = app.get(&format!("/events/{recorded}")).await.text;
    assert!(event.ends_with(&document[1..]), "{event}");
}
