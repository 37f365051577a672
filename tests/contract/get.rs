//! GET /events/{id}.

use audit_log_testing::App;

#[tokio::test]
async fn an_event_is_found_under_its_id_and_is_the_one_that_is_listed() {
    let app = App::open().await;
    let created = app.post(app.event("1", 0, "{}")).await;
    let response = app.get(&format!("/events/{}", created.id())).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json(), app.list("").await.json()["events"][0]);
    let upper = created.id().to_uppercase();
    assert_eq!(
        app.get(&format!("/events/{upper}")).await.text,
        response.text,
        "a UUID's case makes no difference"
    );
}

#[tokio::test]
async fn an_id_beside_that_of_an_event_is_not_found() {
    let app = App::open().await;
    let mut other = app.record(app.event("1", 0, "{}")).await;
    let digit = if &other[20..21] == "0" { "1" } else { "0" };
    other.replace_range(20..21, digit);
    assert_eq!(app.get(&format!("/events/{other}")).await.status, 404);
}
