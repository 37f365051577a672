//! What the handlers are built of, and requests as API Gateway hands them over.

use std::collections::HashMap;

use audit_log::config::Settings;
use audit_log::dynamodb::Usage;
use audit_log::event::Filters;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::{Request, Response};
use lambda_http::{Body, RequestExt};

/// The settings of a function on the template's tables, with this many shards.
pub fn settings(shards: u8) -> Settings {
    Settings {
        events_table: "EventsTable".to_owned(),
        keys_table: "KeysTable".to_owned(),
        counts_table: "CountsTable".to_owned(),
        tree_table: "TreeTable".to_owned(),
        shards: shards.to_string().parse().unwrap(),
        filters: Filters::ALL,
    }
}

/// `POST /events` with a JSON document, and perhaps under an `Idempotency-Key`.
pub fn post_request(key: Option<&str>, document: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/events").header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.body(document.into()).unwrap()
}

/// `GET /events` with a query.
pub fn list_request(query: &str) -> Request<Body> {
    let parameters: QueryMap = query.parse().unwrap();
    Request::new(Body::Empty).with_query_string_parameters(parameters)
}

/// `GET /events/histogram` with a query.
pub fn histogram_request(query: &str) -> Request<Body> {
    list_request(query).with_raw_http_path("/events/histogram")
}

/// `GET /events/{id}`.
pub fn get_request(id: impl ToString) -> Request<Body> {
    let parameters = HashMap::from([("id".to_owned(), id.to_string())]);
    Request::new(Body::Empty).with_path_parameters(parameters)
}

/// `GET /events/feed` with a query.
pub fn feed_request(query: &str) -> Request<Body> {
    list_request(query).with_raw_http_path("/events/feed")
}

/// `GET /events/{id}/proof`.
pub fn proof_request(id: impl ToString) -> Request<Body> {
    let path = format!("/events/{}/proof", id.to_string());
    get_request(id).with_raw_http_path(path)
}

/// `GET /log/checkpoint`.
pub fn checkpoint_request() -> Request<Body> {
    Request::new(Body::Empty).with_raw_http_path("/log/checkpoint")
}

/// `GET /log/{path+}`.
pub fn tile_request(path: &str) -> Request<Body> {
    let parameters = HashMap::from([("path".to_owned(), path.to_owned())]);
    Request::new(Body::Empty)
        .with_raw_http_path(format!("/log/{path}"))
        .with_path_parameters(parameters)
}

/// What a handler used of DynamoDB for its response.
pub fn usage(response: &Response<Body>) -> Usage {
    *response.extensions().get::<Usage>().unwrap()
}
