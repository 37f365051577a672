//! A DynamoDB that takes every write, and has the same two events whatever was written.

use std::sync::{Arc, Mutex};

use audit_log::config::Settings;
use audit_log::deps::Deps;
use audit_log::dynamodb::client_from;
use audit_log::event::Filters;
use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// The newest first.
const IDS: [&str; 2] = [
    "018cc251-f47b-7000-8011-000000000010",
    "018cc251-f400-7000-803e-38b8163c9160",
];
const EVENTS_TABLE: &str = "events";

/// Where it is, and what was written to it.
#[derive(Clone, Debug, Default)]
pub struct FakeDynamoDb {
    written: Arc<Mutex<Vec<Value>>>,
}

impl FakeDynamoDb {
    /// The tables as the handlers see them.
    pub fn deps(&self) -> Deps {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Builder::new()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        let client = client_from(config);
        let settings = Settings {
            events_table: EVENTS_TABLE.to_owned(),
            keys_table: "keys".to_owned(),
            counts_table: "counts".to_owned(),
            tree_table: "tree".to_owned(),
            shards: "1".parse().unwrap(),
            filters: Filters::ALL,
        };
        Deps::new(client, &settings)
    }

    /// The events that were written since the last call.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.written.lock().unwrap())
    }

    fn response(&self, operation: &str, request: &Value) -> Value {
        let of_events = request["TableName"] == EVENTS_TABLE;
        match operation {
            "PutItem" if of_events => self.written.lock().unwrap().push(request["Item"].clone()),
            "TransactWriteItems" => {
                for item in request["TransactItems"].as_array().unwrap() {
                    let put = &item["Put"];
                    if put["TableName"] == EVENTS_TABLE {
                        self.written.lock().unwrap().push(put["Item"].clone());
                    }
                }
            }
            "GetItem" if of_events => return json!({"Item": event_under(&request["Key"])}),
            "BatchGetItem" if request["RequestItems"][EVENTS_TABLE].is_object() => {
                let keys = request["RequestItems"][EVENTS_TABLE]["Keys"]
                    .as_array()
                    .unwrap();
                let items: Vec<Value> = keys.iter().map(event_under).collect();
                return json!({"Responses": {EVENTS_TABLE: items}});
            }
            "Query" => {
                let items = if of_events {
                    query(request)
                } else {
                    Vec::new()
                };
                let count = items.len();
                return json!({"Count": count, "ScannedCount": count, "Items": items});
            }
            _ => {}
        }
        json!({})
    }
}

/// The events within the bounds of a Query.
fn query(request: &Value) -> Vec<Value> {
    let values = &request["ExpressionAttributeValues"];
    let Some(first) = values[":first"]["S"].as_str() else {
        return Vec::new();
    };
    let Some(last) = values[":last"]["S"].as_str() else {
        return Vec::new();
    };
    let found = IDS.into_iter().filter(|id| (first..=last).contains(id));
    found.map(event).collect()
}

/// The event under a key, whatever its ID is.
fn event_under(key: &Value) -> Value {
    event(key["id"]["S"].as_str().unwrap())
}

fn event(id: &str) -> Value {
    json!({
        "id": {"S": id},
        "shard": {"S": "0"},
        "user_id": {"S": "1"},
        "recorded_at": {"S": "2024-01-01T00:00:00.000Z"},
        "event": {"S": r#"{"user_id": 1, "event_type": "t"}"#},
    })
}

impl HttpConnector for FakeDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.split_once('.').unwrap().1;
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let response = self.response(operation, &body).to_string();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            200.try_into().unwrap(),
            response.into(),
        )))
    }
}
