//! Times as other programs write them: each wrong kind has its own sentence, in a document and in a
//! parameter.

use audit_log_testing::{App, event};

use super::problem;

/// What is said of a document with this `timestamp`, as JSON.
async fn problem_of(app: &App, timestamp: &str) -> String {
    let document = event("1", "@").replacen("\"@\"", timestamp, 1);
    problem(app, document, "timestamp").await
}

/// What is said of this text, which is the same in a document and as `from` and `to`.
async fn problem_of_text(app: &App, text: &str) -> String {
    let found = problem_of(app, &format!("\"{text}\"")).await;
    for name in ["from", "to"] {
        let url = reqwest::Url::parse_with_params("http://localhost/events", [(name, text)]);
        let url = url.unwrap();
        let response = app.get(&format!("/events?{}", url.query().unwrap())).await;
        assert_eq!(response.error(), (400, "invalid_parameter".to_owned()));
        let body = response.json();
        assert_eq!(body["fields"][0]["field"], name);
        assert_eq!(body["fields"][0]["problem"], found, "{text}");
    }
    found
}

/// As in ohmage/server#626 and getlago/lago#709 (RFC 3339 §5.6 allows it).
#[tokio::test]
async fn a_space_in_the_place_of_the_t_is_accepted() {
    let app = App::open().await;
    let at = app.second(0).replace('T', " ");
    let document = event("1", &format!("{at}Z"));
    let id = app.record(document.clone()).await;
    // It is kept as it was sent, and is the same instant.
    let read = app.get(&format!("/events/{id}")).await.text;
    assert!(read.ends_with(document.strip_prefix('{').unwrap()));
    assert_eq!(app.list("").await.ids(), [id.as_str()]);

    // And in parameters: a plus sign in a query string means a space, too.
    let to = app.second(1);
    for space in ["%20", "+"] {
        let from = at.replace(' ', space);
        let list = app.get(&format!("/events?from={from}Z&to={to}Z")).await;
        assert_eq!(list.ids(), [id.as_str()], "{list:?}");
        let first = list.link("first").unwrap();
        assert_eq!(app.get(&first).await.ids(), [id.as_str()], "{first}");
    }
}

/// A plus sign that is not encoded arrives as a space.
#[tokio::test]
async fn a_lost_plus_sign_is_told_from_a_space() {
    let app = App::open().await;
    for query in [
        "from=2026-11-01T00:00:00+02:00",
        "from=2026-11-01%2000:00:00%2002:00",
        "from=2026-11-01T00:00:00.5+0200",
    ] {
        let response = app.get(&format!("/events?{query}")).await;
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(response.status, 400);
        assert!(
            sentence.contains("write the plus sign as %2B"),
            "{query}: {sentence}"
        );
    }
    for query in ["from=2026-11-01%2000:00", "from=2026-11-01T00:00:00%20CET"] {
        let response = app.get(&format!("/events?{query}")).await;
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(response.status, 400);
        assert!(!sentence.contains("plus"), "{query}: {sentence}");
    }
}

/// As in SAP-cloud-infrastructure/hermez#21, util-linux/util-linux#159 and
/// googleapis/google-http-java-client#260.
#[tokio::test]
async fn an_offset_without_a_colon_is_named() {
    let app = App::open().await;
    for text in [
        "2017-07-20T13:43:38.368933+0000",
        "2024-01-01 00:00:00.123+00",
        "2024-01-01T00:00:00-5",
    ] {
        let problem = problem_of_text(&app, text).await;
        assert!(
            problem.contains("not of the form +01:00"),
            "{text}: {problem}"
        );
        assert!(problem.contains("a colon"), "{text}: {problem}");
    }
}

/// As in weaviate/java-client#605, cloudevents/sdk-java#249, plokhotnyuk/jsoniter-scala#1106 and
/// brick/date-time#110: `OffsetDateTime.toString()` leaves out seconds that are zero.
#[tokio::test]
async fn missing_seconds_are_named() {
    let app = App::open().await;
    for text in [
        "2024-01-01T00:00Z",
        "2024-01-01 00:00",
        "2024-01-01T00:00+01:00",
    ] {
        let problem = problem_of_text(&app, text).await;
        assert!(problem.starts_with("has no seconds"), "{text}: {problem}");
    }
}

/// As in the samples of getlago/lago#709, and 1,805 of 3,053 of panther-labs/panther-analysis.
#[tokio::test]
async fn a_missing_offset_is_named() {
    let app = App::open().await;
    for text in ["2024-01-01 00:00:00", "2024-01-01T00:00:00.0000000"] {
        let problem = problem_of_text(&app, text).await;
        assert!(
            problem.starts_with("has no offset from UTC"),
            "{text}: {problem}"
        );
        assert!(problem.contains("append Z"), "{text}: {problem}");
    }
}

/// As in GitHub's and Slack's audit logs, and in OCSF.
#[tokio::test]
async fn a_number_is_told_the_text_to_send() {
    let app = App::open().await;
    for (number, expected) in [
        (
            "1700000000",
            "\"2023-11-14T22:13:20Z\", which is what 1700000000 is in seconds",
        ),
        (
            "1704067200000",
            "\"2024-01-01T00:00:00Z\", which is what 1704067200000 is in milliseconds",
        ),
        (
            "1704067200.123",
            "\"2024-01-01T00:00:00.123Z\", which is what 1704067200.123 is in seconds",
        ),
        (
            "1704067200123456",
            "\"2024-01-01T00:00:00.123456Z\", which is what 1704067200123456 is in microseconds",
        ),
        (
            "1704067200123456789",
            "\"2024-01-01T00:00:00.123456789Z\", which is what 1704067200123456789 is in nanoseconds",
        ),
        ("5", "\"2024-01-01T00:00:00Z\""),
    ] {
        let expected = format!("is a number; send text, such as {expected}");
        assert_eq!(problem_of(&app, number).await, expected);
        assert_eq!(problem_of_text(&app, number).await, expected);
    }
}

/// As in kernel/cli#199 and dbt-labs/docs.getdbt.com#9522 (a date without a time), and in
/// ohmage/server#626.
#[tokio::test]
async fn every_other_kind_of_wrong_time_has_its_own_sentence() {
    let app = App::open().await;
    for (text, expected) in [
        (
            "2024-01-01T00:00:00,123Z",
            "has a comma before the fraction",
        ),
        (
            "2024-01-01_00:00:00Z",
            "must have a T between date and time",
        ),
        (
            "2024-01-01T00:00:00+01:00[Europe/Berlin]",
            "names a time zone",
        ),
        ("2024-01-01T00:00:00Z[UTC]", "names a time zone"),
        ("2024-01-01 00:00:00 CET", "names a time zone"),
        ("2024-01-01", "is a date without a time"),
        ("20240101T000000Z", "has no hyphens or colons"),
        ("2024-1-1T00:00:00Z", "must have four digits for the year"),
        ("2024-02-30T00:00:00Z", "names a day that does not exist"),
        ("2024-01-01T24:00:00Z", "names a time that does not exist"),
        (
            "2024-01-15T23:59:60Z",
            "has a leap second where there is none",
        ),
        (
            "2024-01-01T00:00:00+25:00",
            "has an offset that does not exist",
        ),
        (
            "2024-01-01T00:00:00.Z",
            "has a decimal point without digits",
        ),
        (
            "2024-01-01T00:00:00 Z",
            "has white space where none is allowed",
        ),
        (
            " 2024-01-01T00:00:00Z",
            "has white space where none is allowed",
        ),
        ("yesterday", "must be an RFC 3339 date and time"),
    ] {
        let problem = problem_of_text(&app, text).await;
        assert!(problem.starts_with(expected), "{text}: {problem}");
    }
}

/// As MongoDB exports times, and as Python and JavaScript write what has none.
#[tokio::test]
async fn a_time_that_is_not_text_is_named_by_its_type() {
    let app = App::open().await;
    for (value, expected) in [
        (
            r#"{"$date":"2024-01-01T00:00:00Z"}"#,
            "is an object; send text",
        ),
        ("[2024,1,1,0,0]", "is an array; send text"),
        ("null", "is null; send text"),
        ("false", "is a boolean; send text"),
    ] {
        let problem = problem_of(&app, value).await;
        assert!(problem.starts_with(expected), "{value}: {problem}");
    }
}
