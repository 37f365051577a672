//! GET /events/{id}.

use serde_json::Value;

use crate::Audit;
use crate::create::SEED;

#[tokio::test]
async fn an_event_is_found_under_its_id_and_location() {
    let audit = Audit::start().await;
    let created = audit.post(SEED).await;
    let answer = audit.get(created.header("location").unwrap()).await;
    assert_eq!(answer.status, 200);
    let listed: Value = audit.get("/events").await.json()["events"][0].clone();
    assert_eq!(answer.json(), listed);
    let upper = created.id().to_uppercase();
    assert_eq!(audit.get(&format!("/events/{upper}")).await.status, 200, "a UUID's case makes no difference");
}

#[tokio::test]
async fn an_id_without_an_event_is_not_found() {
    let audit = Audit::start().await;
    let id = audit.record(SEED.to_owned()).await;
    let mut other = id.clone();
    other.replace_range(20..21, if &id[20..21] == "0" { "1" } else { "0" });
    for id in [other.as_str(), "1", "018cc251-f400-4000-8000-000000000000", "%00", "..%2f..", "'%20OR%201=1"] {
        let answer = audit.get(&format!("/events/{id}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("not_found")), "{id}");
    }
}

#[tokio::test]
async fn there_is_nothing_to_change_or_delete_an_event_with() {
    let audit = Audit::start().await;
    let id = audit.record(SEED.to_owned()).await;
    for method in [reqwest::Method::PUT, reqwest::Method::PATCH, reqwest::Method::DELETE, reqwest::Method::POST] {
        let answer = crate::Answer::of(audit.request(method.clone(), &format!("/events/{id}"))).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}
