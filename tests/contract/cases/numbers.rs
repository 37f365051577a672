//! Values that common readers cannot read. An event can never be removed, so one of them would
//! break each page that has it.

use audit_log_testing::{App, levels};

use super::{problem, refused};

/// As in dotCMS/core#37249, NEventStore/NEventStore.Persistence.MongoDB#50, ultrajson/ultrajson#458,
/// UKGovernmentBEIS/inspect_ai#4586 and Liquid4All/ifstruct#3.
#[tokio::test]
async fn a_number_that_breaks_readers_is_refused_by_its_path() {
    let app = App::open().await;
    for number in [
        "7".repeat(4_400),
        "9".repeat(129),
        format!("0.{}", "1".repeat(127)),
    ] {
        let data = format!(r#"{{"key":{{"moduli":[1,{number}]}}}}"#);
        let problem = problem(&app, app.event("1", 0, &data), "app_data.key.moduli[1]").await;
        let length = format!("is a number of {} characters", number.len());
        assert!(problem.starts_with(&length), "{problem}");
        assert!(problem.contains("at most 128"), "{problem}");
        assert!(problem.ends_with("Send it as a string"), "{problem}");
    }
    for number in ["1e400", "-1E+400", "1.8e308", "17e999999999999999999"] {
        let problem = problem(&app, app.event("1", 0, number), "app_data").await;
        assert!(
            problem.contains("beyond the range of a double"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn all_numbers_that_break_readers_are_named_at_once() {
    let app = App::open().await;
    let document = app.event("1", 0, r#"{"a":1e400,"b":[1e401],"c":1e308}"#);
    let (_, fields) = refused(&app, document, "invalid_event").await;
    let fields = fields.as_array().unwrap();
    let paths: Vec<_> = fields.iter().map(|field| &field["field"]).collect();
    assert_eq!(paths, ["app_data.a", "app_data.b[0]"]);
}

/// As in kurrent-io/KurrentDB#1541, datalust/seq-tickets#1699 and tableau/tableau-log-viewer#104.
#[tokio::test]
async fn every_other_number_comes_back_as_it_is_spelled() {
    let app = App::open().await;
    let longest = "8".repeat(128);
    let data = format!(
        "[{longest},0.123456789012345678901234567890,1e-400,1.7976931348623157e308,12345678901234567890,1.10,1E+2,-0]"
    );
    let id = app.record(app.event("1", 0, &data)).await;
    let event = app.get(&format!("/events/{id}")).await;
    assert!(event.text.contains(&data), "{}", event.text);
}

/// As in OneDrive/apidoctor#121, pbi-tools/pbi-tools#284 and microsoft/semantic-kernel#4991: the
/// readers of .NET stop at 64 levels.
#[tokio::test]
async fn a_page_is_never_nested_deeper_than_64_levels() {
    let app = App::open().await;
    // The document is the first level.
    let deep = |levels: usize| "[".repeat(levels - 1) + &"]".repeat(levels - 1);
    let id = app.record(app.event("1", 0, &deep(62))).await;
    assert_eq!(levels(&app.list("").await.text), 64);
    let one = format!("/events/{id}");
    assert_eq!(levels(&app.get(&one).await.text), 62);
    let ndjson = [("accept", "application/x-ndjson")];
    assert_eq!(levels(&app.get_with(&ndjson, &one).await.text), 62);

    let (sentence, _) = refused(&app, app.event("1", 0, &deep(63)), "invalid_json").await;
    assert!(sentence.contains("app_data[0][0]"), "{sentence}");
    assert!(sentence.contains("deeper than 62 levels"), "{sentence}");
}
