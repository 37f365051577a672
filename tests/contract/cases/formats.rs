//! Events as NDJSON and CSV, as in FlowFuse/flowfuse#3992, gravitee-io/issues#4664,
//! strapi/strapi#27427, OpenAEV-Platform/openaev#6675, gameguild-gg/gameguild#171,
//! mintlify/docs#2778, docker/docs#25679 and noobaa/noobaa-core#3568.

use audit_log_testing::{App, Response};
use serde_json::{Value, json};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
const COLUMNS: [&str; 12] = [
    "id",
    "timestamp",
    "user_id",
    "event_type",
    "src_service",
    "recorded_at",
    "recorded_by",
    "recorded_from",
    "recorded_salt",
    "invariant_data",
    "app_data",
    "other",
];

async fn list_as(app: &App, accept: &str, parameters: &str) -> Response {
    let path = format!("/events?{}&{parameters}", app.stretch());
    app.get_with(&[("accept", accept)], &path).await
}

/// The rows of a CSV text without its header line, read by another program.
fn rows(text: &str) -> Vec<Vec<String>> {
    assert!(text.ends_with("\r\n"), "{text:?}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    let records = reader.records();
    records
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn json_is_for_all_who_also_accept_anything() {
    let app = App::open().await;
    app.record(app.event("1", 0, "{}")).await;
    let expected = app.list("").await;
    for accept in [
        "*/*",
        "application/*",
        "application/vnd.api+json",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/csv;q=0.5, application/json",
        "text/csv;q=0, */*",
        "text/csv, */*",
        "application/x-ndjson, */*;q=0.1",
        "text/csv, text/html;q=0.1",
    ] {
        let response = list_as(&app, accept, "").await;
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.text, expected.text, "{accept}");
    }
}

#[tokio::test]
async fn an_ndjson_line_is_an_event_even_if_it_was_indented() {
    let app = App::open().await;
    let document = app.event("1", 1, "\n[\r\n 1.0,\r\"a\\r\\nb\"]\n");
    app.record(document).await;
    app.record(app.event("2", 2, "{}")).await;
    let response = list_as(&app, NDJSON, "").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some(NDJSON));
    assert_eq!(lines(&response.text), app.list("").await.events());
    assert_eq!(response.text.matches('\n').count(), 2);
    assert!(!response.text.contains('\r'));
    assert!(response.text.contains(r#""app_data": [   1.0, "a\r\nb"] "#));
}

#[tokio::test]
async fn a_csv_row_has_the_values_of_its_event() {
    let app = App::open().await;
    let at = format!("{}Z", app.second(5));
    let document = format!(
        r#"{{ "user_id": 42, "event_type": "a,\"b\"\u00e9\n", "timestamp": "{at}", "src_service": "s",
            "invariant_data": {{ "n": 1.10, "t": "x, \"y\"" }}, "app_data": null, "z": [1e3], "\u0061": {{}} }}"#
    );
    let id = app.record(document).await;
    let response = list_as(&app, CSV, "").await;
    assert_eq!(
        response.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let recorded = app.list("").await.events()[0]["recorded"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // A salt can begin with a hyphen, as a formula can.
    let mut salt = text(&recorded["salt"]);
    if salt.starts_with('-') {
        salt.insert(0, '\'');
    }
    let expected = [
        id,
        at,
        "42".to_owned(),
        "a,\"b\"é\n".to_owned(),
        "s".to_owned(),
        text(&recorded["at"]),
        text(&recorded["by"]),
        text(&recorded["from"]),
        salt,
        r#"{ "n": 1.10, "t": "x, \"y\"" }"#.to_owned(),
        "null".to_owned(),
        r#"{"z":[1e3],"\u0061":{}}"#.to_owned(),
    ];
    assert_eq!(rows(&response.text), [expected]);
}

#[tokio::test]
async fn a_cell_is_never_a_formula_to_a_spreadsheet() {
    let app = App::open().await;
    let users = ["=1+1", "+1", "-1", "@SUM(A1)", "\\ta", "\\ra", "'a", "a=1"];
    for (second, user) in (0..).zip(users) {
        app.record(app.event(user, second, "-5")).await;
    }
    let response = list_as(&app, CSV, "per_page=10").await;
    let rows = rows(&response.text);
    let found: Vec<&str> = rows.iter().rev().map(|row| row[2].as_str()).collect();
    let expected = [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\ta",
        "'\ra",
        "''a",
        "a=1",
    ];
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| row[10] == "'-5"), "{rows:?}");
}

#[tokio::test]
async fn a_walk_by_links_yields_all_events_in_either_format() {
    let app = App::open().await;
    let mut ids = Vec::new();
    for second in 0..5 {
        ids.insert(0, app.record(app.event("1", second, "{}")).await);
    }
    for accept in [CSV, NDJSON] {
        let mut found = Vec::new();
        let mut next = Some(format!("/events?{}&per_page=2", app.stretch()));
        while let Some(path) = next {
            let page = app.get_with(&[("accept", accept)], &path).await;
            assert_eq!(page.status, 200);
            next = page.link("next");
            if accept == CSV {
                found.extend(rows(&page.text).into_iter().map(|row| row[0].clone()));
                continue;
            }
            let events = lines(&page.text).into_iter();
            found.extend(events.map(|event| event["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(found, ids, "{accept}");
    }
}

#[tokio::test]
async fn a_page_without_events_has_no_lines_but_the_header() {
    let app = App::open().await;
    assert_eq!(list_as(&app, NDJSON, "").await.text, "");
    let table = list_as(&app, CSV, "").await.text;
    assert_eq!(table, format!("{}\r\n", COLUMNS.join(",")));
}

#[tokio::test]
async fn one_event_comes_in_the_same_formats_as_a_list() {
    let app = App::open().await;
    let id = app.record(app.event("1", 0, "[\n1]")).await;
    let path = format!("/events/{id}");
    for accept in [CSV, NDJSON] {
        let one = app.get_with(&[("accept", accept)], &path).await;
        let list = list_as(&app, accept, "").await;
        assert_eq!(one.status, 200);
        assert_eq!(one.text, list.text);
        assert_eq!(one.header("content-type"), list.header("content-type"));
    }
}

#[tokio::test]
async fn who_accepts_no_format_is_told_which_ones_there_are() {
    let app = App::open().await;
    for path in ["/events", "/events/018cc251-f400-7000-8000-000000000000"] {
        for accept in ["image/png", "application/json;q=0", "text/plain"] {
            let response = app.get_with(&[("accept", accept)], path).await;
            assert_eq!(response.error(), (406, "not_acceptable".to_owned()));
            assert_eq!(response.header("content-type"), Some("application/json"));
            let message = response.json()["error"].to_string();
            for format in ["application/json", NDJSON, CSV] {
                assert!(message.contains(format), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_is_json_whatever_the_format_would_be() {
    let app = App::open().await;
    for (path, status) in [("/events?page=0", 400), ("/events/x", 404)] {
        for accept in [CSV, NDJSON] {
            let response = app.get_with(&[("accept", accept)], path).await;
            assert_eq!(response.status, status);
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_ne!(response.json()["error"], json!(null));
        }
    }
}
