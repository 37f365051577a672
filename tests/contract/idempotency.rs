//! Idempotency-Key: a retry never records twice, and never loses.

use audit_log_testing::{App, event};
use futures_util::future::join_all;

#[tokio::test]
async fn a_replayed_key_answers_the_first_id() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    let first = app.post_under("k1", document.clone()).await;
    assert_eq!(
        (first.status, first.json()["message"].as_str()),
        (201, Some("Event recorded"))
    );
    let again = app.post_under("k1", document).await;
    assert_eq!(
        (again.status, again.json()["message"].as_str()),
        (200, Some("Event already recorded"))
    );
    assert_eq!(
        (again.id(), again.leaf(), again.header("location")),
        (first.id(), first.leaf(), first.header("location"))
    );
    assert_eq!(app.total().await, 1);
}

#[tokio::test]
async fn a_retry_that_is_spelled_differently_is_the_same_document() {
    let app = App::open().await;
    let first = app
        .post_under("k1", app.event("1", 0, r#"{"a":"é","b":[1,2]}"#))
        .await;
    let again = app
        .post_under("k1", app.event("1", 0, r#" {"b": [1, 2], "a": "\u00e9"}"#))
        .await;
    assert_eq!((again.status, again.id()), (200, first.id()));
}

#[tokio::test]
async fn a_key_with_another_document_is_refused_and_changes_nothing() {
    let app = App::open().await;
    let first = app.post_under("k1", app.event("1", 0, "1")).await;
    for other in ["2", "1.0", "\"1\""] {
        let response = app.post_under("k1", app.event("1", 0, other)).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (422, Some("idempotency_key_reused")),
            "{other}"
        );
    }
    let list = app.list("").await.json();
    assert_eq!(list["total"], 1);
    assert_eq!(
        (
            list["events"][0]["id"].as_str(),
            list["events"][0]["app_data"].as_i64()
        ),
        (Some(first.id().as_str()), Some(1))
    );
}

#[tokio::test]
async fn another_key_or_service_is_another_event() {
    let app = App::open().await;
    let service = app.event("1", 0, "{}").replace("\"tests\"", "\"other\"");
    let responses = [
        app.post_under("k1", app.event("1", 0, "{}")).await,
        app.post_under("k2", app.event("1", 0, "{}")).await,
        app.post_under("k1", service).await,
    ];
    assert!(responses.iter().all(|response| response.status == 201));
    assert_eq!(app.total().await, 3);
}

/// As in PostHog/posthog#78106 and juspay/superposition#1001. In workos/workos-node#1383,
/// workos/workos-python#492 and workos/workos-ruby#405, too, the key alone decides.
#[tokio::test]
async fn a_job_that_stamps_the_time_again_records_once() {
    let app = App::open().await;
    let first = app.post_under("k1", app.event("1", 0, "{}")).await;
    assert_eq!(first.status, 201);
    let stamped = event("1", &format!("{}.000000001Z", app.second(0)));
    let again = app.post_under("k1", stamped).await;
    let error = again.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(
        (again.status, again.json()["code"].as_str()),
        (422, Some("idempotency_key_reused"))
    );
    assert!(
        error.contains("differs from it in \"timestamp\"") && error.contains(&first.id()),
        "{error}"
    );
    assert_eq!(app.total().await, 1);
}

#[tokio::test]
async fn a_422_names_the_first_member_that_differs() {
    let app = App::open().await;
    let first = app
        .post_under("k1", app.event("1", 0, r#"{"items":[1,{"name":"a"}]}"#))
        .await;
    let again = app
        .post_under("k1", app.event("1", 0, r#"{"items":[1,{"name":"b"}]}"#))
        .await;
    let error = again.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("\"app_data.items[1].name\"") && error.contains(&first.id()),
        "{error}"
    );
}

#[tokio::test]
async fn of_30_retries_with_30_timestamps_at_once_one_records() {
    let app = App::open().await;
    let stamped = |number: usize| event("1", &format!("{}.{number:09}Z", app.second(0)));
    let responses = join_all((0..30).map(|number| app.post_under("k1", stamped(number)))).await;
    let recorded: Vec<_> = responses
        .iter()
        .filter(|response| response.status == 201)
        .collect();
    assert_eq!(recorded.len(), 1);
    let first = recorded[0].id();
    for response in responses.iter().filter(|response| response.status != 201) {
        assert_eq!(response.status, 422, "{response:?}");
        assert!(
            response.json()["error"].as_str().unwrap().contains(&first),
            "{response:?}"
        );
    }
    assert_eq!(app.total().await, 1);
}

#[tokio::test]
async fn a_key_with_a_comma_is_refused() {
    let app = App::open().await;
    let response = app.post_under("a,b", app.event("1", 0, "{}")).await;
    assert_eq!(
        (response.status, response.json()["code"].as_str()),
        (400, Some("invalid_idempotency_key"))
    );
    assert!(
        response.json()["error"].as_str().unwrap().contains("comma"),
        "{response:?}"
    );
}

/// As in NVIDIA/NVFlare#4916, where events collide.
#[tokio::test]
async fn of_eighty_at_once_one_records_and_all_know_it() {
    let app = App::open().await;
    let responses = join_all((0..80).map(|_| app.post_under("k1", app.event("1", 0, "{}")))).await;
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(
        (statuses[..79].to_vec(), statuses[79]),
        (vec![200; 79], 201)
    );
    assert!(responses.iter().all(
        |response| (response.id(), response.leaf()) == (responses[0].id(), responses[0].leaf())
    ));
    assert_eq!(app.total().await, 1);
}

#[tokio::test]
async fn twenty_at_once_without_a_key_are_twenty_events() {
    let app = App::open().await;
    let responses = join_all((0..20).map(|_| app.post(app.event("1", 0, "{}")))).await;
    assert!(responses.iter().all(|response| response.status == 201));
    assert_eq!(app.total().await, 20);
}

#[tokio::test]
async fn a_key_has_up_to_255_visible_ascii_characters() {
    let app = App::open().await;
    let longest = "~".repeat(255 - app.key("").len());
    assert_eq!(
        app.post_under(&longest, app.event("1", 0, "{}"))
            .await
            .status,
        201
    );
    assert_eq!(
        app.post_under(&format!("~{longest}"), app.event("1", 0, "{}"))
            .await
            .status,
        400
    );
}
