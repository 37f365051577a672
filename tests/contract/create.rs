//! POST /events: what is recorded.

use audit_log_testing::{App, readme_event};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

#[tokio::test]
async fn an_event_is_recorded_and_listed_as_it_was_sent() {
    let app = App::open().await;
    let document = readme_event(&format!("{}Z", app.second(0)));
    let created = app.post(document.clone()).await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert_eq!(
        created.json(),
        json!({"message": "Event recorded", "id": id, "leaf": created.leaf()})
    );
    assert!(
        created
            .header("location")
            .unwrap()
            .ends_with(&format!("/events/{id}"))
    );

    let listed = app.list("").await;
    let list = listed.json();
    let recorded = &list["events"][0]["recorded"];
    let members: Vec<_> = recorded.as_object().unwrap().keys().collect();
    assert_eq!(members, ["at", "by", "from", "salt"]);
    let mut expected: Value = serde_json::from_str(&document).unwrap();
    expected["id"] = json!(id);
    expected["recorded"] = recorded.clone();
    assert_eq!(
        list,
        json!({
            "events": [expected],
            "total": 1,
            "total_exact": true,
            "page": 1,
            "per_page": 10,
            "total_pages": 1,
            "next_cursor": null,
        })
    );
    assert!(
        listed
            .text
            .starts_with(&format!(r#"{{"events":[{{"id":"{id}","recorded":{{"at":"#)),
        "{}",
        listed.text
    );
    assert!(
        listed.text.contains(document.strip_prefix('{').unwrap()),
        "to the byte: {}",
        listed.text
    );
}

#[tokio::test]
async fn spellings_order_and_unknown_fields_come_back_byte_for_byte() {
    let app = App::open().await;
    let at = app.second(0);
    let members = format!(
        r#" "zone":"Z" , "app_data":{{"b":1.0,"a":1e3,"n":12345678901234567890,"s":"\u00e9\/\ud83d\ude00é"}},
        "user_id":7,"event_type":"t","timestamp":"{at}.000+00:00","src_service":"s","invariant_data":[-0, 0.10, {{}}]}}"#
    );
    let id = app.record(format!("{{{members}")).await;
    let event = app.get(&format!("/events/{id}")).await;
    assert!(
        event.text.ends_with(&format!(",{members}")),
        "{}",
        event.text
    );
    assert!(app.list("user_id=7").await.text.contains(&event.text));
}

#[tokio::test]
async fn any_declared_form_of_json_is_taken() {
    let app = App::open().await;
    for content_type in [
        "application/json",
        "application/json; charset=UTF-8",
        "application/json;charset=UTF-8",
        "APPLICATION/JSON",
        "application/cloudevents+json",
    ] {
        let request = app
            .request(Method::POST, "/events")
            .header(CONTENT_TYPE, content_type);
        let response = app.send(request.body(app.event("1", 0, "{}"))).await;
        assert_eq!(response.status, 201, "{content_type}: {response:?}");
    }
}

#[tokio::test]
async fn a_document_may_have_256_kib_and_62_levels() {
    let app = App::open().await;
    let rest = app.event("1", 0, "\"\"").len();
    app.record(app.event("1", 0, &format!("\"{}\"", "x".repeat(256 * 1024 - rest))))
        .await;
    // The document is the first of the levels.
    app.record(app.event("1", 0, &("[".repeat(61) + &"]".repeat(61))))
        .await;
    assert_eq!(app.total().await, 2);
}

#[tokio::test]
async fn without_a_key_every_post_is_a_new_event() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    assert_ne!(
        app.record(document.clone()).await,
        app.record(document).await
    );
    assert_eq!(app.total().await, 2);
}
