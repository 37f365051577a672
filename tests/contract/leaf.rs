//! The leaf hash that a response to a POST has, and the salt that an event is read back with.

use std::collections::BTreeSet;

use audit_log_testing::{App, Response, leaf_of};
use serde_json::Value;

async fn raw(app: &App, id: &str) -> String {
    let event = app.get(&format!("/events/{id}")).await;
    assert_eq!(event.status, 200, "{event:?}");
    event.text
}

/// The leaf hash of the event under this id, computed from what the service shows.
async fn leaf_under(app: &App, id: &str) -> String {
    leaf_of(&raw(app, id).await)
}

fn results(batch: &Response) -> Vec<Value> {
    assert_eq!(batch.status, 200, "{batch:?}");
    batch.json()["results"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_201_has_the_leaf_of_the_event_that_is_read_back() {
    let app = App::open().await;
    let at = app.second(0);
    let spelled = format!(
        " {{\n\"\\u0061\":[-0, 1.0, 1e3, \"é\\ud83d\\ude00\"],\r\n \"user_id\" : 7,\"event_type\":\"t\",\
        \"timestamp\":\"{at}.000+00:00\",\"src_service\":\"s\",\"invariant_data\":{{}},\"app_data\":null\t}} \n"
    );
    let no_user = format!(
        r#"{{"user_id":null,"event_type":"t","timestamp":"{at}Z","src_service":"s","invariant_data":0,"app_data":0}}"#
    );
    for document in [app.event("1", 0, "{}"), spelled, no_user] {
        let created = app.post(document).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.leaf(), leaf_under(&app, &created.id()).await);
    }
}

#[tokio::test]
async fn equal_documents_have_salts_and_leaves_of_their_own() {
    let app = App::open().await;
    let mut salts = BTreeSet::new();
    let mut leaves = BTreeSet::new();
    for _ in 0..10 {
        let created = app.post(app.event("1", 0, "{}")).await;
        let event: Value = serde_json::from_str(&raw(&app, &created.id()).await).unwrap();
        let salt = event["recorded"]["salt"].as_str().unwrap().to_owned();
        let of_base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(salt.len() == 22 && salt.chars().all(of_base64url), "{salt}");
        salts.insert(salt);
        leaves.insert(created.leaf());
    }
    assert_eq!((salts.len(), leaves.len()), (10, 10));
}

#[tokio::test]
async fn a_retry_has_the_leaf_of_the_first_event() {
    let app = App::open().await;
    let first = app
        .post_under("k1", app.event("1", 0, r#"{"a":"é"}"#))
        .await;
    let recorded = raw(&app, &first.id()).await;
    for app_data in [r#"{"a":"é"}"#, r#"{ "a" : "\u00e9" }"#] {
        let again = app.post_under("k1", app.event("1", 0, app_data)).await;
        assert_eq!((again.status, again.leaf()), (200, first.leaf()));
    }
    assert_eq!(first.leaf(), leaf_of(&recorded));
    assert_eq!(raw(&app, &first.id()).await, recorded);
}

#[tokio::test]
async fn each_event_of_a_batch_has_its_leaf() {
    let app = App::open().await;
    let keyed = format!(
        r#"{{"key":"{}","event":{}}}"#,
        app.key("k1"),
        app.event("1", 1, "1.0")
    );
    let batch = format!("[{}, {keyed} ,{{}}]", app.event("1", 0, "[ ]"));
    let first = results(&app.post(batch).await);
    for result in &first[..2] {
        let id = result["id"].as_str().unwrap();
        assert_eq!(result["leaf"], leaf_under(&app, id).await);
    }
    assert!(first[2].get("leaf").is_none(), "{first:?}");

    let again = results(&app.post(format!("[{keyed}]")).await);
    assert_eq!(again[0]["status"], 200);
    assert_eq!(again[0]["leaf"], first[1]["leaf"]);
}
