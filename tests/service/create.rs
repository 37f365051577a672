//! POST /events.

use serde_json::{Value, json};

use crate::Audit;
use crate::support::{event, event_with};

/// The document of the README, which every client of the old service knows.
pub const SEED: &str = r#"{
    "user_id": "1",
    "event_type": "account_deleted",
    "timestamp": "2024-01-01T00:00:00Z",
    "src_service": "user_service",
    "invariant_data": {
      "message": "User deleted account",
      "priority": 2,
      "trace": "trace_id_789"
    },
    "app_data": {
      "username": "jondoe",
      "email": "jondoe@example.com"
    }
  }"#;

#[tokio::test]
async fn an_event_is_recorded_and_listed_as_it_was_sent() {
    let audit = Audit::start().await;
    let created = audit.post(SEED).await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert_eq!(created.json(), json!({"message": "Event recorded", "id": id}));
    assert_eq!(created.header("location"), Some(format!("/events/{id}").as_str()));

    let listed = audit.get("/events").await;
    assert_eq!(listed.status, 200);
    let list = listed.json();
    let mut expected: Value = serde_json::from_str(SEED).unwrap();
    expected["id"] = json!(id);
    expected["recorded"] = json!({"at": list["events"][0]["recorded"]["at"], "by": null, "from": "127.0.0.1"});
    let (page, pages) = (json!(1), json!(1));
    assert_eq!(
        list,
        json!({"events": [expected], "total": 1, "page": page, "per_page": 10, "total_pages": pages, "next_cursor": null})
    );
    assert!(listed.text.starts_with(&format!(r#"{{"events":[{{"id":"{id}","recorded":{{"at":"#)), "{}", listed.text);
}

#[tokio::test]
async fn every_answer_is_json_that_is_not_to_be_stored_or_sniffed() {
    let audit = Audit::start().await;
    for answer in
        [audit.post(SEED).await, audit.post("{").await, audit.get("/events").await, audit.get("/events/1").await]
    {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn an_error_has_a_sentence_a_code_and_a_request_id() {
    let audit = Audit::start().await;
    for (answer, status, code) in [
        (audit.post("{").await, 400, "invalid_json"),
        (audit.post("{}").await, 400, "invalid_event"),
        (audit.get("/events?page=0").await, 400, "invalid_parameter"),
        (audit.get("/events/x").await, 404, "not_found"),
    ] {
        assert_eq!(answer.status, status);
        let error = answer.json();
        assert_eq!(error["code"], code);
        assert!(error["error"].as_str().unwrap().ends_with('.'), "{error}");
        assert!(!error["request_id"].as_str().unwrap().is_empty());
    }
}

/// The document of the contract with one member replaced, or left out.
fn with(field: &str, value: Option<&str>) -> String {
    let members = [
        ("user_id", "\"1\""),
        ("event_type", "\"t\""),
        ("timestamp", "\"2024-01-01T00:00:00Z\""),
        ("src_service", "\"s\""),
        ("invariant_data", "1"),
        ("app_data", "null"),
    ];
    let mut text: Vec<String> =
        members.iter().filter(|(name, _)| *name != field).map(|(name, value)| format!("\"{name}\":{value}")).collect();
    text.extend(value.map(|value| format!("\"{field}\":{value}")));
    format!("{{{}}}", text.join(","))
}

#[tokio::test]
async fn a_document_that_breaks_a_rule_is_refused_and_the_field_is_named() {
    let audit = Audit::start().await;
    let long = format!("\"{}\"", "x".repeat(257));
    for (field, value) in [
        ("user_id", None),
        ("user_id", Some("\"\"")),
        ("user_id", Some(long.as_str())),
        ("user_id", Some("1.5")),
        ("user_id", Some("1e3")),
        ("user_id", Some("null")),
        ("user_id", Some("[1]")),
        ("event_type", None),
        ("event_type", Some("\"\"")),
        ("event_type", Some(long.as_str())),
        ("event_type", Some("7")),
        ("src_service", None),
        ("src_service", Some("\"\"")),
        ("src_service", Some(long.as_str())),
        ("src_service", Some("{}")),
        ("timestamp", None),
        ("timestamp", Some("1704067200")),
        ("timestamp", Some("\"yesterday\"")),
        ("timestamp", Some("\"2024-02-30T00:00:00Z\"")),
        ("timestamp", Some("\"2024-01-01T00:00:00\"")),
        ("timestamp", Some("\"2099-01-01T00:00:00Z\"")),
        ("timestamp", Some("\"1969-12-31T23:59:59Z\"")),
        ("invariant_data", None),
        ("app_data", None),
        ("id", Some("\"mine\"")),
        ("recorded", Some("{}")),
        ("app_data.a", Some("1")),
    ] {
        let document =
            if field == "app_data.a" { with("app_data", Some(r#"{"a":1,"a":2}"#)) } else { with(field, value) };
        let answer = audit.post(document).await;
        assert_eq!(answer.status, 400, "{field} = {value:?}");
        let error = answer.json();
        assert_eq!(error["code"], "invalid_event");
        let fields = error["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 1, "{field} = {value:?}: {error}");
        assert_eq!(fields[0]["field"], field);
        assert!(fields[0]["problem"].is_string());
    }
    assert_eq!(audit.get("/events").await.json()["total"], 0);
}

#[tokio::test]
async fn all_problems_of_a_document_are_told_at_once() {
    let audit = Audit::start().await;
    let answer = audit.post(r#"{"id":1,"user_id":true,"timestamp":"x","app_data":{"a":1,"a":1}}"#).await;
    let error = answer.json();
    let mut fields: Vec<_> = error["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["app_data.a", "event_type", "id", "invariant_data", "src_service", "timestamp", "user_id"]);
}

#[tokio::test]
async fn what_is_not_one_json_object_in_utf_8_is_refused() {
    let audit = Audit::start().await;
    let deep = |levels: usize| event_with("1", "2024-01-01T00:00:00Z", &("[".repeat(levels) + &"]".repeat(levels)));
    let valid = event("1", "2024-01-01T00:00:00Z");
    let documents: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"   ".to_vec(),
        b"[]".to_vec(),
        b"\"event\"".to_vec(),
        format!("{valid}{valid}").into(),
        format!("{valid} x").into(),
        valid.replace("null", "nul").into(),
        valid.replace("null", "01").into(),
        valid.replace("null", "NaN").into(),
        valid.replace("{}", "{},").into(),
        valid.replace("{}", r#""\ud800""#).into(),
        valid.replace("{}", r#""\udc00\ud800""#).into(),
        valid.replace("{}", "\"\u{1}\"").into(),
        format!("\u{feff}{valid}").into(),
        deep(64).into(),
        deep(100_000).into(),
        [valid.as_bytes(), b"\xff"].concat(),
        valid.replace("tests", "te\u{fffd}sts").into_bytes().into_iter().filter(|byte| *byte != 0xbf).collect(),
    ];
    for document in documents {
        let shown = String::from_utf8_lossy(&document).chars().take(200).collect::<String>();
        let answer = audit.post(document).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_json")), "{shown}: {answer:?}");
    }
    assert_eq!(audit.post(deep(63)).await.status, 201, "the document is the first of 64 levels");
}

#[tokio::test]
async fn any_declared_form_of_json_is_taken_and_nothing_else() {
    let audit = Audit::start().await;
    let document = event("1", "2024-01-01T00:00:00Z");
    let post = |content_type: Option<&'static str>| {
        let request = audit.request(reqwest::Method::POST, "/events").body(document.clone());
        crate::Answer::of(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
    };
    for content_type in ["application/json", "application/json; charset=UTF-8", "application/cloudevents+json"] {
        assert_eq!(post(Some(content_type)).await.status, 201, "{content_type}");
    }
    for content_type in
        [None, Some("text/plain"), Some("application/json; charset=utf-16"), Some("application/x-www-form-urlencoded")]
    {
        let answer = post(content_type).await;
        assert_eq!(answer.status, 415, "{content_type:?}");
        assert_eq!(answer.json()["code"], "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_document_may_have_256_kib_and_not_a_byte_more() {
    let audit = Audit::start().await;
    let sized = |bytes: usize| {
        let rest = event_with("1", "2024-01-01T00:00:00Z", "\"\"").len();
        event_with("1", "2024-01-01T00:00:00Z", &format!("\"{}\"", "x".repeat(bytes - rest)))
    };
    assert_eq!(audit.post(sized(256 * 1024)).await.status, 201);
    let answer = audit.post(sized(256 * 1024 + 1)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("event_too_large")));
    assert_eq!(audit.post(sized(7 * 1024 * 1024)).await.status, 413, "beyond what Lambda takes");
}

#[tokio::test]
async fn without_a_key_every_post_is_a_new_event() {
    let audit = Audit::start().await;
    let ids = [audit.record(SEED.to_owned()).await, audit.record(SEED.to_owned()).await];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(audit.get("/events").await.json()["total"], 2);
}

#[tokio::test]
async fn an_event_may_lie_a_day_ahead() {
    let audit = Audit::start().await;
    let ahead = |hours: u64| {
        let at = audit_log::boot::Sources::system().now().plus(std::time::Duration::from_secs(hours * 3600));
        event("1", &at.to_string())
    };
    assert_eq!(audit.post(ahead(23)).await.status, 201);
    assert_eq!(audit.post(ahead(25)).await.status, 400);
}
