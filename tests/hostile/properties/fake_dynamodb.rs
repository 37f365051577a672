//! A DynamoDB that takes every write, and has the same two events whatever was written.

use std::sync::{Arc, Mutex};

use audit_log::config::Settings;
use audit_log::count::CountsTable;
use audit_log::dynamodb::client_from;
use audit_log::store::EventStore;
use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// The newest first.
const IDS: [&str; 2] = ["018cc251-f47b-7000-8011-000000000010", "018cc251-f400-7000-803e-38b8163c9160"];
const EVENTS_TABLE: &str = "events";

#[derive(Clone, Debug, Default)]
pub struct FakeDynamoDb {
    written: Arc<Mutex<Vec<Value>>>,
}

impl FakeDynamoDb {
    /// The tables as the handlers see them.
    pub fn tables(&self) -> (EventStore, CountsTable) {
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
            shards: "1".parse().unwrap(),
        };
        (EventStore::new(client.clone(), &settings), CountsTable::new(client, &settings))
    }

    /// The events that were written since this was asked the last time.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.written.lock().unwrap())
    }

    fn response(&self, operation: &str, request: &Value) -> Value {
        let of_events = request["TableName"] == EVENTS_TABLE;
        match operation {
            "PutItem" if of_events => self.written.lock().unwrap().push(request["Item"].clone()),
            "TransactWriteItems" => {
                let puts = request["TransactItems"].as_array().unwrap().iter().map(|item| &item["Put"]);
                let events = puts.filter(|put| put["TableName"] == EVENTS_TABLE).map(|put| put["Item"].clone());
                self.written.lock().unwrap().extend(events);
            }
            "GetItem" if of_events => return json!({"Item": event(request["Key"]["id"]["S"].as_str().unwrap())}),
            "BatchGetItem" if request["RequestItems"][EVENTS_TABLE].is_object() => {
                let keys = request["RequestItems"][EVENTS_TABLE]["Keys"].as_array().unwrap();
                let items: Vec<Value> = keys.iter().map(|key| event(key["id"]["S"].as_str().unwrap())).collect();
                return json!({"Responses": {EVENTS_TABLE: items}});
            }
            "Query" => {
                let bound = |name: &str| request["ExpressionAttributeValues"][name]["S"].as_str();
                let within =
                    |id: &&str| bound(":first").is_some_and(|first| first <= *id) && bound(":last") >= Some(id);
                let items: Vec<Value> = IDS.iter().filter(|_| of_events).copied().filter(within).map(event).collect();
                return json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items});
            }
            _ => {}
        }
        json!({})
    }
}

fn event(id: &str) -> Value {
    json!({
        "id": {"S": id}, "shard": {"S": "0"}, "user_id": {"S": "1"}, "recorded_at": {"S": "2024-01-01T00:00:00.000Z"},
        "event": {"S": r#"{"user_id": 1, "event_type": "t"}"#},
    })
}

impl HttpConnector for FakeDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.split_once('.').unwrap().1;
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let response = self.response(operation, &body).to_string();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), response.into())))
    }
}
