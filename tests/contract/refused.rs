//! What is refused, and how: nothing here writes an event.

use audit_log_testing::App;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

#[tokio::test]
async fn every_answer_is_json_that_is_not_to_be_stored_or_sniffed() {
    let app = App::open().await;
    for response in [
        app.post("{").await,
        app.get("/events?per_page=1").await,
        app.get("/events/1").await,
    ] {
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn an_error_has_a_sentence_a_code_and_a_request_id() {
    let app = App::open().await;
    for (response, status, code) in [
        (app.post("{").await, 400, "invalid_json"),
        (app.post("{}").await, 400, "invalid_event"),
        (app.get("/events?page=0").await, 400, "invalid_parameter"),
        (app.get("/events/x").await, 404, "not_found"),
    ] {
        assert_eq!(response.status, status);
        let error = response.json();
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
    let mut text: Vec<String> = members
        .iter()
        .filter(|(name, _)| *name != field)
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    text.extend(value.map(|value| format!("\"{field}\":{value}")));
    format!("{{{}}}", text.join(","))
}

#[tokio::test]
async fn a_document_that_breaks_a_rule_is_refused_by_field() {
    let app = App::open().await;
    let long = format!("\"{}\"", "x".repeat(257));
    let longer = format!("\"{}\"", "x".repeat(513));
    let far = format!(
        "\"{}\"",
        audit_log::effects::Effects::system()
            .now()
            .saturating_add(std::time::Duration::from_secs(25 * 3600))
    );
    for (field, value) in [
        ("user_id", None),
        ("user_id", Some("\"\"")),
        ("user_id", Some(longer.as_str())),
        ("user_id", Some("1.5")),
        ("user_id", Some("1e3")),
        ("user_id", Some("true")),
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
        ("timestamp", Some(far.as_str())),
        ("timestamp", Some("\"1969-12-31T23:59:59Z\"")),
        ("invariant_data", None),
        ("app_data", None),
        ("id", Some("\"mine\"")),
        ("recorded", Some("{}")),
        ("app_data.a", Some("1")),
    ] {
        let document = if field == "app_data.a" {
            with("app_data", Some(r#"{"a":1,"a":2}"#))
        } else {
            with(field, value)
        };
        let response = app.post(document).await;
        assert_eq!(response.status, 400, "{field} = {value:?}");
        let error = response.json();
        assert_eq!(error["code"], "invalid_event");
        let fields = error["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 1, "{field} = {value:?}: {error}");
        assert_eq!(fields[0]["field"], field);
        assert!(fields[0]["problem"].is_string());
    }
}

#[tokio::test]
async fn all_problems_of_a_document_are_told_at_once() {
    let app = App::open().await;
    let response = app
        .post(r#"{"id":1,"user_id":true,"timestamp":"x","app_data":{"a":1,"a":1}}"#)
        .await;
    let error = response.json();
    let mut fields: Vec<_> = error["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "app_data.a",
            "event_type",
            "id",
            "invariant_data",
            "src_service",
            "timestamp",
            "user_id"
        ]
    );
}

#[tokio::test]
async fn what_is_not_one_json_object_in_utf_8_is_refused() {
    let app = App::open().await;
    let valid = app.event("1", 0, "{}");
    let deep = |levels: usize| app.event("1", 0, &("[".repeat(levels) + &"]".repeat(levels)));
    let documents: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"   ".to_vec(),
        b"null".to_vec(),
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
        deep(62).into(),
        deep(100_000).into(),
    ];
    for document in documents {
        let shown = String::from_utf8_lossy(&document)
            .chars()
            .take(200)
            .collect::<String>();
        let response = app.post(document).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_json")),
            "{shown}: {response:?}"
        );
    }
}

/// Under `+json`, because API Gateway hands that on byte by byte. Of `application/json` it makes a
/// string first.
#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused_under_plus_json() {
    let app = App::open().await;
    let valid = app.event("1", 0, "{}");
    // Not three bytes of an emoji's four: a replacement of them could not be seen.
    for wrong in [b"\xff".as_slice(), b"\xef\xbd"] {
        let at = valid.find("tests").unwrap();
        let document = [&valid.as_bytes()[..at], wrong, &valid.as_bytes()[at..]].concat();
        let request = app
            .request(Method::POST, "/events")
            .header(CONTENT_TYPE, "application/vnd.audit+json");
        let response = app.send(request.body(document)).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_json")),
            "{response:?}"
        );
        assert!(
            response.json()["error"]
                .as_str()
                .unwrap()
                .contains(&format!("offset {at}")),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let app = App::open().await;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-16"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = app
            .request(Method::POST, "/events")
            .body(app.event("1", 0, "{}"));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let response = app.send(request).await;
        assert_eq!(response.status, 415, "{content_type:?}");
        assert_eq!(response.json()["code"], "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_document_over_256_kib_is_refused() {
    let app = App::open().await;
    let rest = app.event("1", 0, "\"\"").len();
    let response = app
        .post(app.event(
            "1",
            0,
            &format!("\"{}\"", "x".repeat(256 * 1024 + 1 - rest)),
        ))
        .await;
    assert_eq!(
        (response.status, response.json()["code"].as_str()),
        (413, Some("event_too_large"))
    );
}

#[tokio::test]
async fn a_key_must_be_1_to_255_visible_ascii_characters() {
    let app = App::open().await;
    let too_long = "x".repeat(256);
    for key in ["a b", too_long.as_str()] {
        let response = app.post_under(key, app.event("1", 0, "{}")).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_idempotency_key")),
            "{key}"
        );
    }
}

#[tokio::test]
async fn unknown_repeated_and_invalid_parameters_are_named() {
    let app = App::open().await;
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.0", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=%2B1", "page"),
        ("page=1&page=1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=1001", "per_page"),
        ("per_page=ten", "per_page"),
        ("user_id=", "user_id"),
        ("user_id=%FF", "user_id"),
        ("user_id=1&user_id=2", "user_id"),
        ("from=2024-01-01", "from"),
        ("from=2024-01-01T00:00:00+01:00", "from"),
        ("to=now", "to"),
        ("cursor=1", "cursor"),
        ("cursor=018cc251-f400-4000-8000-000000000000", "cursor"),
        ("cursor=", "cursor"),
        ("limit=5", "limit"),
        ("Page=1", "Page"),
    ] {
        let response = app.get(&format!("/events?{query}")).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_parameter")),
            "{query}"
        );
        let error = response.json();
        assert_eq!(error["fields"].as_array().unwrap().len(), 1, "{error}");
        assert_eq!(error["fields"][0]["field"], field);
        assert!(error["error"].as_str().unwrap().contains(field), "{error}");
    }
    let long = format!("/events?user_id={}", "x".repeat(513));
    assert_eq!(app.get(&long).await.status, 400);
    let several = app.get("/events?page=0&per_page=0&x=1").await.json();
    assert_eq!(several["fields"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_id_without_an_event_is_not_found_whatever_it_looks_like() {
    let app = App::open().await;
    let nobodys = format!(
        "0000000{}-f400-7000-8000-000000000000",
        rand::random_range(0..10)
    );
    let mut sentences = Vec::new();
    for id in [
        nobodys.as_str(),
        "1",
        "018cc251-f400-4000-8000-000000000000",
        "'%20OR%201=1",
    ] {
        let response = app.get(&format!("/events/{id}")).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (404, Some("not_found")),
            "{id}"
        );
        sentences.push(response.json()["error"].as_str().unwrap().to_owned());
    }
    sentences.dedup();
    assert_eq!(
        sentences.len(),
        1,
        "a malformed one is told like one that does not exist: {sentences:?}"
    );
}

#[tokio::test]
async fn there_is_nothing_to_change_or_delete_an_event_with() {
    let app = App::open().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
        let path = "/events/018cc251-f400-7000-8000-000000000000";
        let response = app.send(app.request(method.clone(), path)).await;
        assert_eq!(response.status, 404, "{method}");
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = app
            .request(method.clone(), "/events")
            .header(CONTENT_TYPE, "application/json");
        assert_eq!(app.send(request.body("{}")).await.status, 404, "{method}");
    }
}
