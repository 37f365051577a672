//! Lists and the feed.

use audit_log_client::{Error, Filter, Format, Order};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::fake::{Answer, Fake};

fn id(number: u32) -> String {
    format!("018cc251-f400-7000-8000-{number:012}")
}

fn event(number: u32) -> Value {
    json!({ "id": id(number), "recorded": {}, "user_id": null })
}

fn page(events: &[u32], next: Option<u32>) -> Answer {
    let events: Vec<Value> = events.iter().copied().map(event).collect();
    let body = json!({ "events": events, "total": null, "next_cursor": next.map(id) });
    Answer::Says(200, body.to_string())
}

async fn ids(fake: &Fake, filter: &Filter) -> Result<Vec<String>, Error> {
    let events: Vec<_> = fake.log().list(filter).try_collect().await?;
    Ok(events.iter().map(|event| event.id().to_owned()).collect())
}

#[tokio::test]
async fn a_list_follows_its_cursor_over_short_and_empty_pages() {
    let unavailable = Answer::Says(503, String::new());
    let fake = Fake::start([
        page(&[1, 2], Some(2)),
        unavailable,
        page(&[], Some(5)),
        page(&[6], None),
    ])
    .await;
    let filter = Filter::new().user_id("a b").order(Order::Ascending);
    assert_eq!(ids(&fake, &filter).await.unwrap(), [id(1), id(2), id(6)]);
    let received = fake.received();
    let first = "/events?user_id=a%20b&order=asc&per_page=1000&total=false";
    assert_eq!(received[0].target, first);
    assert!(received[1].target.contains(&format!("cursor={}", id(2))));
    assert_eq!(received[2].target, received[1].target);
    assert!(received[3].target.contains(&format!("cursor={}", id(5))));
}

#[tokio::test]
async fn a_list_that_leads_back_ends_with_an_error() {
    let ascending = Filter::new().order(Order::Ascending).after(id(2));
    for answer in [page(&[3], Some(1)), page(&[2], None), page(&[4, 3], None)] {
        let fake = Fake::start([answer]).await;
        let error = ids(&fake, &ascending).await.unwrap_err();
        assert!(matches!(error, Error::NotALog { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_page_of_text_has_its_cursor_in_the_link() {
    let target = format!("</events?cursor={}>; rel=\"next\"", id(1));
    let fake = Fake::start([Answer::With(200, ("link", target), "text".to_owned())]).await;
    let page = fake
        .log()
        .text_page(&Filter::new(), Format::Csv, 10)
        .await
        .unwrap();
    assert_eq!(page.text, "text");
    assert_eq!(page.next, Some(id(1)));
    assert_eq!(fake.received()[0].header("accept"), "text/csv");
}

fn feed(after: u64, entries: &[u32], sealed: u64) -> Answer {
    let entry = |(index, number): (u64, &u32)| json!({ "index": index, "id": id(*number), "event": event(*number) });
    let events: Vec<Value> = (after..).zip(entries).map(entry).collect();
    let next = after + events.len() as u64;
    let body = json!({ "events": events, "next": next, "sealed": sealed });
    Answer::With(200, ("retry-after", "0".to_owned()), body.to_string())
}

#[tokio::test]
async fn a_feed_ends_where_it_is_sealed_and_follows_on() {
    let fake = Fake::start([feed(5, &[7, 3], 8), feed(7, &[9], 8)]).await;
    let entries: Vec<_> = fake.log().feed(5).try_collect().await.unwrap();
    let indexes: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
    assert_eq!(indexes, [5, 6, 7]);
    assert_eq!(fake.received().len(), 2);

    let fake = Fake::start([feed(0, &[], 0), feed(0, &[1], 1)]).await;
    let entry = fake.log().follow(0).try_next().await.unwrap().unwrap();
    assert_eq!(entry.id, id(1));
}

#[tokio::test]
async fn a_feed_with_a_gap_ends_with_an_error() {
    let gap = json!({ "events": [{ "index": 1, "id": id(1), "event": event(1) }], "next": 1, "sealed": 1 });
    let fake = Fake::start([Answer::Says(200, gap.to_string())]).await;
    let error = fake.log().feed(0).try_next().await.unwrap_err();
    assert!(matches!(error, Error::NotALog { .. }), "{error}");
}
