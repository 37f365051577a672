//! What people write to list events: one Query of ten items, with the SDK's defaults.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response, run, service_fn, tracing};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let client = &Client::new(&aws_config::load_from_env().await);
    let table = &std::env::var("EVENTS_TABLE")?;
    run(service_fn(|_: Request| async move {
        let found = client
            .query()
            .table_name(table)
            .key_condition_expression("#shard = :shard")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":shard", AttributeValue::S("0".to_owned()))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(10)
            .send()
            .await?;
        let mut events = Vec::new();
        for item in found.items() {
            let text = item["event"].as_s().map_err(|_| "an event is no string")?;
            events.push(serde_json::from_str::<serde_json::Value>(text)?);
        }
        let body = serde_json::json!({ "events": events }).to_string();
        Ok::<_, Error>(Response::new(Body::from(body)))
    }))
    .await
}
