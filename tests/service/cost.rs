//! What a request costs on DynamoDB: calls and capacity units, as the engine charges them.

use audit_log::boot::Usage;
use lambda_http::http::{Method, Request, Response};
use lambda_http::{Body, RequestExt};

use crate::Audit;
use crate::support::event_with;

fn usage(answer: &Response<Body>) -> Usage {
    *answer.extensions().get::<Usage>().unwrap()
}

fn post(document: &str, key: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri("/events").header("content-type", "application/json");
    let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
    request.body(document.into()).unwrap()
}

fn get(query: &str) -> Request<Body> {
    let parameters: lambda_http::aws_lambda_events::query_map::QueryMap = query.parse().unwrap();
    Request::new(Body::Empty).with_query_string_parameters(parameters)
}

/// About 1 KB as DynamoDB measures an item: names and values.
fn one_kb() -> String {
    event_with("1", "2024-01-01T00:00:00Z", &format!("\"{}\"", "x".repeat(700)))
}

#[tokio::test]
async fn a_post_of_1_kb_is_one_call_and_one_unit_on_the_table_and_one_on_the_index() {
    let audit = Audit::start().await;
    let create = audit.create_event("4");
    for key in [None, Some("k")] {
        let answer = create.handle(post(&one_kb(), key)).await;
        assert_eq!(answer.status(), 201);
        assert_eq!(usage(&answer), Usage { calls: 1, table_units: 1.0, index_units: 1.0 });
    }
    let replay = create.handle(post(&one_kb(), Some("k"))).await;
    assert_eq!((replay.status().as_u16(), usage(&replay).calls), (200, 1));
}

#[tokio::test]
async fn a_refused_document_costs_nothing() {
    let audit = Audit::start().await;
    let answer = audit.create_event("4").handle(post("{}", None)).await;
    assert_eq!((answer.status().as_u16(), usage(&answer)), (400, Usage::default()));
}

#[tokio::test]
async fn a_page_reads_its_share_of_each_shard_once() {
    let audit = Audit::start().await;
    let create = audit.create_event("4");
    // Keys, so that the shards' shares are the same in every run, and none is so lucky that it is asked twice.
    for number in 0..40 {
        create.handle(post(&one_kb(), Some(&number.to_string()))).await;
    }
    // One query and one count a shard.
    let answer = audit.list_events("4").handle(get("per_page=10")).await;
    assert_eq!((answer.status().as_u16(), usage(&answer).calls), (200, 8));
    // The index: a query, a count, and one batch for the page's events.
    let answer = audit.list_events("4").handle(get("per_page=10&user_id=1")).await;
    assert_eq!((answer.status().as_u16(), usage(&answer).calls), (200, 3));
}
