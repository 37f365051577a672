//! Formats: any document as CSV and NDJSON, and pages that would exceed Lambda's 6 MB.

use audit_log_testing::{App, Response, event_with};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::verbatim::{json_text, runner, space, string_text};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

async fn get_as(app: &App, accept: &str, path: &str) -> Response {
    app.get_with(&[("accept", accept)], path).await
}

/// What the service put in front of a document. The rest can have numbers that serde_json cannot
/// convert.
#[derive(Deserialize)]
struct Head {
    id: String,
    recorded: Recorded,
}

#[derive(Deserialize)]
struct Recorded {
    at: String,
    salt: String,
}

/// The cells of each row of a CSV text, without the apostrophes that prevent formulas.
fn rows(text: &str) -> Vec<Vec<String>> {
    let plain = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records = reader.records();
    records
        .map(|record| record.unwrap().iter().map(plain).collect())
        .collect()
}

#[test]
fn any_document_has_its_values_in_every_format() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(App::start());
    let mut runner = runner();
    // A prefix in front of a string, so that it is not empty, and begins as a formula may.
    let prefix = prop::sample::select(vec![
        "x", "=", "+", "-", "@", "\\t", "\\r", "'", "\\\"", ",",
    ]);
    let string =
        (prefix, string_text()).prop_map(|(first, text)| format!("\"{first}{}", &text[1..]));
    let strategy = (json_text(), json_text(), json_text(), string, space());
    let outcome = runner.run(&strategy, |(invariant_data, app_data, extra, string, space)| {
        let other = format!(r#""extra":{extra},"\u0061":{string}"#);
        let document = format!(
            r#"{{{space}{other},{space}"user_id":{space}{string},"event_type":{string},"src_service":{string},"timestamp":"2024-01-01T00:00:00Z","invariant_data":{space}{invariant_data}{space},"app_data":{space}{app_data}{space}}}"#
        );
        let (json, csv, ndjson) = runtime.block_on(async {
            let path = format!("/events/{}", app.record(document).await);
            let json = app.get(&path).await;
            (json, get_as(&app, CSV, &path).await, get_as(&app, NDJSON, &path).await)
        });
        let head: Head = serde_json::from_str(&json.text).unwrap();
        let string: String = serde_json::from_str(&string).unwrap();
        let expected = vec![
            head.id,
            "2024-01-01T00:00:00Z".to_owned(),
            string.clone(),
            string.clone(),
            string,
            head.recorded.at,
            String::new(),
            "127.0.0.1".to_owned(),
            head.recorded.salt,
            invariant_data,
            app_data,
            format!("{{{other}}}"),
        ];
        prop_assert_eq!(rows(&csv.text), [expected]);

        let line = ndjson.text.strip_suffix('\n').unwrap();
        prop_assert_eq!(line, json.text.replace(['\r', '\n'], " "));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// In CSV a quote is two, and each of them is escaped within Lambda's response.
#[tokio::test]
async fn a_page_that_quotes_make_too_large_comes_shorter() {
    let app = App::start().await;
    let many_quotes = format!("[{}\"\"]", "\"\",".repeat(80_000));
    let line_breaks = format!("[{}1]", "\n".repeat(240_000));
    let mut ids = Vec::new();
    for second in 10..40 {
        let app_data = if second % 2 == 0 {
            &many_quotes
        } else {
            &line_breaks
        };
        let at = format!("2024-01-01T00:00:{second}Z");
        ids.insert(0, app.record(event_with("1", &at, app_data)).await);
    }
    for accept in ["application/json", NDJSON, CSV] {
        let mut found = Vec::new();
        let mut next = Some("/events?per_page=1000&total=false".to_owned());
        let mut pages = 0;
        while let Some(path) = next {
            let page = get_as(&app, accept, &path).await;
            assert_eq!(page.status, 200, "{accept}");
            next = page.link("next");
            pages += 1;
            found.extend(match accept {
                CSV => rows(&page.text)
                    .into_iter()
                    .map(|row| row[0].clone())
                    .collect(),
                NDJSON => page.text.lines().map(id_of).collect(),
                _ => page.ids(),
            });
        }
        assert_eq!(found, ids, "{accept}");
        assert!((2..=5).contains(&pages), "{pages} pages of {accept}");
        let by_number = get_as(&app, accept, "/events?per_page=30").await;
        assert_eq!(by_number.error(), (422, "page_too_large".to_owned()));
    }
}

fn id_of(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    event["id"].as_str().unwrap().to_owned()
}
