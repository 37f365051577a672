//! A refusal says where the error is, and what to do.

use audit_log_testing::App;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use super::{problem, refused};

/// Case 55 of the trial: a long document with one lone surrogate. It comes about where a name is
/// cut within an emoji, or where a file name is not UTF-8.
#[tokio::test]
async fn a_lone_surrogate_is_named_by_its_path_and_position() {
    let app = App::open().await;
    for (data, place) in [
        (r#"{"name":"\ud83d"}"#, "app_data.name has"),
        (
            r#"{"files":[{"n":"a"},{"n":"r-\udcff.pdf"}]}"#,
            "app_data.files[1].n has",
        ),
        (r#"["\ud83d\ude00","\ud83d"]"#, "app_data[1] has"),
        (r#"{"k":{"\ude00":1}}"#, "a key of app_data.k has"),
        (r#"1,"\ud83d":1"#, "a key of the document has"),
    ] {
        let document = app
            .event("1", 0, data)
            .replacen(",\"app_data\"", ",\n\"app_data\"", 1);
        let line = document.split('\n').nth(1).unwrap();
        let escape = line.rfind("\\u").unwrap();
        let (sentence, _) = refused(&app, document.clone(), "invalid_json").await;
        assert!(sentence.contains(place), "{data}: {sentence}");
        let position = format!("at line 2 column {}", escape + 1);
        assert!(sentence.contains(&position), "{data}: {sentence}");
    }
}

/// Case 55 of the trial.
#[tokio::test]
async fn an_empty_body_is_called_empty() {
    let app = App::open().await;
    for document in ["", "  \r\n\t", "\u{feff}"] {
        let (sentence, _) = refused(&app, document, "invalid_json").await;
        assert_eq!(
            sentence,
            "The body is empty; send an event as one JSON object."
        );
    }
}

#[tokio::test]
async fn a_syntax_error_is_named_by_its_position() {
    let app = App::open().await;
    let valid = app.event("1", 0, "{}");
    let end = valid.len();
    for (document, place) in [
        (
            valid[..end - 1].to_owned(),
            format!("line 1 column {}", end - 1),
        ),
        (format!("{valid} x"), format!("line 1 column {}", end + 2)),
        (format!("{valid}\n{valid}"), "line 2 column 1".to_owned()),
        (
            valid.replacen('{', "{\n", 1).replace("null", "nul"),
            "line 2 column".to_owned(),
        ),
        (valid.replace("null", "01"), "line 1 column".to_owned()),
        (
            valid.replace("{}", "{},"),
            format!("line 1 column {}", end + 1),
        ),
        ("user_id=1".to_owned(), "line 1 column 1".to_owned()),
    ] {
        let (sentence, _) = refused(&app, document.clone(), "invalid_json").await;
        assert!(sentence.contains(&place), "{document}: {sentence}");
    }
    for (document, kind) in [
        ("null", "null"),
        ("\"event\"", "a string"),
        ("7", "a number"),
    ] {
        let (sentence, _) = refused(&app, document, "invalid_json").await;
        let expected = format!("it must be one JSON object, not {kind}");
        assert!(sentence.contains(&expected), "{sentence}");
    }
}

/// As in Badgerati/Pode#1604, axodotdev/axoasset#87, DaveGamble/cJSON#184 and CenterEdge/Yardarm#130.
#[tokio::test]
async fn a_byte_order_mark_is_skipped_and_not_recorded() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    let id = app.record(format!("\u{feff}{document}")).await;
    let event = app.get(&format!("/events/{id}")).await.text;
    assert!(event.ends_with(document.strip_prefix('{').unwrap()));
    assert!(!event.contains('\u{feff}'), "{event}");

    let again = app.post_under("mark", format!("\u{feff}{document}")).await;
    let without = app.post_under("mark", document).await;
    assert_eq!((again.status, without.status), (201, 200));
}

/// As in case 25 of the trial, where Windows tools write UTF-16.
#[tokio::test]
async fn utf_16_is_named() {
    let app = App::open().await;
    let document = app.event("1", 0, "\"é\"");
    for mark in ["", "\u{feff}"] {
        let units: Vec<u16> = format!("{mark}{document}").encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for body in [little, big] {
            is_named(&app, "UTF-16", body).await;
        }
    }
}

#[tokio::test]
async fn utf_32_is_named() {
    let app = App::open().await;
    let document = app.event("1", 0, "\"é\"");
    for mark in ["", "\u{feff}"] {
        let units: Vec<u32> = format!("{mark}{document}").chars().map(u32::from).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for body in [little, big] {
            is_named(&app, "UTF-32", body).await;
        }
    }
}

/// Sends a body as text and as bytes: API Gateway passes application/json on as text.
async fn is_named(app: &App, encoding: &str, body: Vec<u8>) {
    for content_type in ["application/json", "application/vnd.audit-log+json"] {
        let request = app
            .request(Method::POST, "/events")
            .header(CONTENT_TYPE, content_type);
        let response = app.send(request.body(body.clone())).await;
        assert_eq!(response.error(), (400, "invalid_json".to_owned()));
        let expected = format!("The body is {encoding}; send UTF-8.");
        assert_eq!(response.json()["error"], expected, "{content_type}");
    }
}

/// As in 531 of 3,053 sample records of panther-labs/panther-analysis, such as those of Slack and
/// Google Workspace.
#[tokio::test]
async fn a_record_with_its_own_id_learns_where_to_put_it() {
    let app = App::open().await;
    let with = |member: &str| {
        app.event("1", 0, "{}")
            .replacen('{', &format!("{{{member},"), 1)
    };
    let id = problem(&app, with(r#""id":"evt_1""#), "id").await;
    for part in [
        "is reserved",
        "rename it",
        "app_data",
        "Idempotency-Key",
        "retries safe",
    ] {
        assert!(id.contains(part), "{id}");
    }
    let recorded = problem(&app, with(r#""recorded":true"#), "recorded").await;
    assert!(
        recorded.contains("rename it or put it into app_data"),
        "{recorded}"
    );
    assert!(!recorded.contains("Idempotency-Key"), "{recorded}");

    // The advice works.
    let data = r#"{"id":"evt_1","recorded":true}"#;
    let sent = app.post_under("evt_1", app.event("1", 0, data)).await;
    let again = app.post_under("evt_1", app.event("1", 0, data)).await;
    assert_eq!((sent.status, again.status), (201, 200));
}

/// As in apache/rocketmq-dashboard#566, graylog-labs/graylog2-web-interface#557,
/// denoland/deploy_feedback#449, obot-platform/obot#3772, chrisleekr/binance-trading-bot#779 and
/// openchoreo/openchoreo#4717. An empty list would state that nothing happened.
#[tokio::test]
async fn a_range_that_ends_before_it_begins_is_refused() {
    let app = App::open().await;
    for (from, to) in [
        ("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00.000000001Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00-01:00", "2026-11-01T00:00:00Z"),
        ("1960-01-01T00:00:00Z", "1950-01-01T00:00:00Z"),
    ] {
        let response = app.get(&format!("/events?from={from}&to={to}")).await;
        assert_eq!(response.error(), (400, "invalid_parameter".to_owned()));
        let body = response.json();
        let sentence = body["error"].as_str().unwrap();
        let expected = format!("{from} is later than {to}");
        assert!(sentence.contains("\"from\" is after \"to\""), "{sentence}");
        assert!(sentence.contains(&expected), "{sentence}");
        assert_eq!(body["fields"][0]["field"], "from");
    }
    // A range without length is not reversed. It has no events, because `to` is not included.
    let second = app.second(0);
    app.record(app.event("1", 0, "{}")).await;
    let empty = app
        .get(&format!("/events?from={second}Z&to={second}%2B00:00"))
        .await;
    assert_eq!(
        (empty.status, empty.json()["total"].as_u64()),
        (200, Some(0))
    );
}

/// As in intuitem/ciso-assistant-community#4701, markmhendrickson/neotoma#2062 and
/// MISP/MISP#434, where an unknown filter is ignored and everything is listed. jQuery adds `_`.
#[tokio::test]
async fn an_unknown_parameter_is_refused_with_those_that_exist() {
    let app = App::open().await;
    for (parameter, name) in [
        ("Page=2", "Page"),
        ("user_id%5B%5D=1", "user_id[]"),
        ("limit=10", "limit"),
        ("_=1700000000", "_"),
        ("q=delete", "q"),
        ("sort=asc", "sort"),
        ("format=csv", "format"),
        ("User_id=1", "User_id"),
    ] {
        let response = app.get(&format!("/events?{parameter}")).await;
        assert_eq!(response.error(), (400, "invalid_parameter".to_owned()));
        let body = response.json();
        assert_eq!(body["fields"][0]["field"], name, "{body}");
        let sentence = body["error"].as_str().unwrap();
        for known in [
            "user_id",
            "event_type",
            "src_service",
            "from",
            "to",
            "page",
            "order",
        ] {
            assert!(sentence.contains(known), "{sentence}");
        }
    }
}

/// As in gotify/server#687, saml7n/parbaked#564, CoreBunch/Instatic#306, thomiceli/opengist#773,
/// benjaminbear/docker-ddns-server#49, LeanerCloud/CUDly#369 and milvus-io/milvus#3922, where monitors
/// ask for other routes. The gateway answers these, and not a function.
#[tokio::test]
async fn a_route_that_does_not_exist_is_a_404_of_the_gateway() {
    // The emulator that stands for AWS accepts a slash at the end of a path.
    let app = App::start().await;
    for (method, path) in [
        (Method::HEAD, "/events"),
        (Method::GET, "/health"),
        (Method::POST, "/events/"),
        (Method::PUT, "/events"),
        (
            Method::DELETE,
            "/events/018cc251-f400-7000-8000-000000000000",
        ),
    ] {
        let mut request = app.request(method.clone(), path);
        if matches!(method, Method::POST | Method::PUT) {
            request = request.header(CONTENT_TYPE, "application/json");
            request = request.body(app.event("1", 0, "{}"));
        }
        let response = app.send(request).await;
        assert_eq!(response.status, 404, "{method} {path}: {response:?}");
        if method != Method::HEAD {
            assert_eq!(response.text, r#"{"message":"Not Found"}"#);
        }
    }
    assert_eq!(app.total().await, 0);
}
