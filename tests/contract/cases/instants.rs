//! Instants at the bounds of a range, and rare forms of time.

use audit_log_testing::{App, Response};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

use super::{document, problem, query};

/// A day that the test has drawn.
fn day(app: &App) -> Date {
    let text = format!("{}Z", app.second(0));
    OffsetDateTime::parse(&text, &Rfc3339).unwrap().date()
}

/// The list of one user, oldest first.
async fn list_of(app: &App, user: &str, from: &str, to: &str) -> Response {
    let parameters = [("user_id", user), ("from", from), ("to", to)];
    let query = query(&parameters);
    app.get(&format!("/events?{query}&order=asc&per_page=100"))
        .await
}

async fn record_at(app: &App, user: &str, timestamp: &str) -> String {
    let user = format!("\"{user}\"");
    app.record(document(&user, "t", timestamp, "s", "null"))
        .await
}

/// As in growilabs/growi#10834, open-learning-exchange/planet#9956, databrickslabs/overwatch#737 and
/// OctopusDeploy/Issues#4033, where the last day is cut off. And as in JanssenProject/jans#13894 and
/// gravitational/teleport#3914, where events beyond the bound are listed.
#[tokio::test]
async fn a_day_has_all_its_events_and_no_others() {
    let app = App::open().await;
    let user = app.key("day");
    let day = day(&app);
    let before = day.previous_day().unwrap();
    let after = day.next_day().unwrap();
    let of_the_day = [
        format!("{day}T00:00:00Z"),
        format!("{after}T01:29:00+05:30"),
        format!("{day}T23:59:59Z"),
        format!("{day}T18:59:59.5-05:00"),
        format!("{day}T23:59:59.999999999Z"),
    ];
    let of_others = [
        format!("{before}T23:59:59.999999999Z"),
        format!("{after}T00:00:00Z"),
        format!("{after}T05:30:00+05:30"),
    ];
    let mut ids = Vec::new();
    for timestamp in &of_the_day {
        ids.push(record_at(&app, &user, timestamp).await);
    }
    for timestamp in &of_others {
        record_at(&app, &user, timestamp).await;
    }
    let midnight = format!("{day}T00:00:00Z");
    let end = format!("{after}T00:00:00Z");
    let list = list_of(&app, &user, &midnight, &end).await;
    assert_eq!(list.ids(), ids);
    assert_eq!(list.json()["total"], 5);
    // `to` is not included.
    let second = format!("{day}T23:59:59Z");
    assert_eq!(
        list_of(&app, &user, &midnight, &second).await.ids(),
        ids[..2]
    );
}

/// The zero time of Go, the least one of .NET, and the greatest year.
#[tokio::test]
async fn a_time_that_means_none_is_refused_but_is_a_bound() {
    let app = App::open().await;
    let user = app.key("bounds");
    let none = "0001-01-01T00:00:00Z";
    let last = "9999-12-31T23:59:59Z";
    let wrong = |at: &str| document("\"1\"", "t", at, "s", "null");
    let too_early = problem(&app, wrong(none), "timestamp").await;
    assert!(too_early.contains("before 1970"), "{too_early}");
    let too_late = problem(&app, wrong(last), "timestamp").await;
    assert!(too_late.contains("24 hours ahead"), "{too_late}");

    let id = record_at(&app, &user, &format!("{}Z", app.second(0))).await;
    assert_eq!(list_of(&app, &user, none, last).await.ids(), [id]);
}

/// RFC 3339 §5.6 and §5.7 have all of them.
#[tokio::test]
async fn rare_but_legal_times_are_recorded_verbatim() {
    let app = App::open().await;
    let user = app.key("rare");
    let second = app.second(1);
    let year = day(&app).year();
    let mut timestamps = vec![
        format!("{year}-12-31T23:59:60Z"),
        format!("{year}-12-31T23:59:60.5Z"),
        format!("{year}-07-01T01:59:60+02:00"),
        format!("{}z", second.replace('T', "t")),
        format!("{second}-00:00"),
        format!("{}+14:00", app.second_at(1, 14 * 60)),
        format!("{}-12:00", app.second_at(1, -12 * 60)),
    ];
    for digits in 7..=13 {
        timestamps.push(format!("{second}.{}Z", &"1234567890123"[..digits]));
    }
    for timestamp in &timestamps {
        let id = record_at(&app, &user, timestamp).await;
        let event = app.get(&format!("/events/{id}")).await.json();
        assert_eq!(event["timestamp"], timestamp.as_str());
    }
    let next = app.second(2);
    let instant = list_of(&app, &user, &format!("{second}Z"), &format!("{next}Z")).await;
    assert_eq!(instant.ids().len(), timestamps.len() - 3);

    let no_leap = format!("{year}-12-30T23:59:60Z");
    let wrong = document("\"1\"", "t", &no_leap, "s", "null");
    let problem = problem(&app, wrong, "timestamp").await;
    assert!(problem.contains("leap second"), "{problem}");
}
