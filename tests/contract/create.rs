//! POST /events: what is recorded.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::Audit;
use crate::support::seed;

#[tokio::test]
async fn an_event_is_recorded_and_listed_as_it_was_sent() {
    let audit = Audit::start().await;
    let document = seed(&format!("{}Z", audit.second(0)));
    let created = audit.post(document.clone()).await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert_eq!(created.json(), json!({"message": "Event recorded", "id": id}));
    assert!(created.header("location").unwrap().ends_with(&format!("/events/{id}")));

    let listed = audit.list("").await;
    let list = listed.json();
    let recorded = &list["events"][0]["recorded"];
    let members: Vec<_> = recorded.as_object().unwrap().keys().collect();
    assert_eq!(members, ["at", "by", "from"]);
    let mut expected: Value = serde_json::from_str(&document).unwrap();
    (expected["id"], expected["recorded"]) = (json!(id), recorded.clone());
    let (page, pages) = (json!(1), json!(1));
    assert_eq!(
        list,
        json!({"events": [expected], "total": 1, "total_exact": true, "page": page, "per_page": 10, "total_pages": pages, "next_cursor": null})
    );
    assert!(listed.text.starts_with(&format!(r#"{{"events":[{{"id":"{id}","recorded":{{"at":"#)), "{}", listed.text);
    assert!(listed.text.contains(document.strip_prefix('{').unwrap()), "to the byte: {}", listed.text);
}

#[tokio::test]
async fn spellings_order_and_unknown_fields_come_back_byte_for_byte() {
    let audit = Audit::start().await;
    let at = audit.second(0);
    let members = format!(
        r#" "zone":"Z" , "app_data":{{"b":1.0,"a":1e3,"n":12345678901234567890,"s":"\u00e9\/\ud83d\ude00é"}},
        "user_id":7,"event_type":"t","timestamp":"{at}.000+00:00","src_service":"s","invariant_data":[-0, 0.10, {{}}]}}"#
    );
    let id = audit.record(format!("{{{members}")).await;
    let event = audit.get(&format!("/events/{id}")).await;
    assert!(event.text.ends_with(&format!(",{members}")), "{}", event.text);
    assert!(audit.list("user_id=7").await.text.contains(&event.text));
}

#[tokio::test]
async fn any_declared_form_of_json_is_taken() {
    let audit = Audit::start().await;
    for content_type in ["application/json", "application/json; charset=UTF-8", "application/cloudevents+json"] {
        let header = (CONTENT_TYPE, HeaderValue::from_static(content_type));
        let answer = audit.send(Method::POST, "/events", &[header], audit.event("1", 0, "{}")).await;
        assert_eq!(answer.status, 201, "{content_type}: {answer:?}");
    }
}

#[tokio::test]
async fn a_document_may_have_256_kib_and_64_levels() {
    let audit = Audit::start().await;
    let rest = audit.event("1", 0, "\"\"").len();
    audit.record(audit.event("1", 0, &format!("\"{}\"", "x".repeat(256 * 1024 - rest)))).await;
    // The document is the first of the levels.
    audit.record(audit.event("1", 0, &("[".repeat(63) + &"]".repeat(63)))).await;
    assert_eq!(audit.total().await, 2);
}

#[tokio::test]
async fn without_a_key_every_post_is_a_new_event() {
    let audit = Audit::start().await;
    let document = audit.event("1", 0, "{}");
    assert_ne!(audit.record(document.clone()).await, audit.record(document).await);
    assert_eq!(audit.total().await, 2);
}
