//! What people write to store a request: one PutItem, with the SDK's defaults.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response, run, service_fn, tracing};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let client = &Client::new(&aws_config::load_from_env().await);
    let table = &std::env::var("EVENTS_TABLE")?;
    run(service_fn(|request: Request| async move {
        let text = std::str::from_utf8(request.body())?;
        let document: serde_json::Value = serde_json::from_str(text)?;
        let string = |value: &str| AttributeValue::S(value.to_owned());
        // A UUIDv7 as the functions have them, because they read the same table.
        let now = std::time::UNIX_EPOCH.elapsed()?;
        let millis = format!("{:012x}", now.as_millis());
        let id = format!("{}-{}-7000-8000-{:011x}0", &millis[..8], &millis[8..], now.subsec_nanos());
        client
            .put_item()
            .table_name(table)
            .item("shard", string("0"))
            .item("id", string(&id))
            .item("user_id", string(document["user_id"].as_str().unwrap_or_default()))
            .item("event", string(text))
            .item("recorded_at", string("2024-01-01T00:00:00.000Z"))
            .send()
            .await?;
        Ok::<_, Error>(Response::builder().status(201).body(Body::from(format!("{{\"id\":\"{id}\"}}")))?)
    }))
    .await
}
