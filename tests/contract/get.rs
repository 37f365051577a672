//! GET /events/{id}.

use crate::Audit;

#[tokio::test]
async fn an_event_is_found_under_its_id_and_is_the_one_that_is_listed() {
    let audit = Audit::start().await;
    let created = audit.post(audit.event("1", 0, "{}")).await;
    let answer = audit.get(&format!("/events/{}", created.id())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), audit.list("").await.json()["events"][0]);
    let upper = created.id().to_uppercase();
    assert_eq!(audit.get(&format!("/events/{upper}")).await.text, answer.text, "a UUID's case makes no difference");
}

#[tokio::test]
async fn an_id_beside_that_of_an_event_is_not_found() {
    let audit = Audit::start().await;
    let mut other = audit.record(audit.event("1", 0, "{}")).await;
    let digit = if &other[20..21] == "0" { "1" } else { "0" };
    other.replace_range(20..21, digit);
    assert_eq!(audit.get(&format!("/events/{other}")).await.status, 404);
}
