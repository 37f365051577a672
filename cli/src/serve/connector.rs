//! Calls the embedded engine from the SDK, in this process and without a socket.
//!
//! The functions keep their client and its interceptors. The HTTP connection is replaced, and
//! requests are not signed. The connector takes the request that the SDK would send, and returns the
//! response that the engine's port would give.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use aws_sdk_dynamodb::config::auth::{Params, ResolveAuthScheme};
use aws_sdk_dynamodb::config::{ConfigBag, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeId, AuthSchemeOption, AuthSchemeOptionsFuture,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::Disk;
use super::turns::begin_others;

/// The header that names the operation, such as `DynamoDB_20120810.PutItem`.
const TARGET: &str = "x-amz-target";
/// The header with the CRC-32 of the body of a response, which the client compares.
const CRC32: &str = "x-amz-crc32";
/// The media type of requests and responses.
const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// The HTTP client whose only connection is `connector`.
pub fn http_client(connector: Connector) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

/// Leaves out the signatures. The engine's port checks that there is one, and without the port
/// nothing does.
#[derive(Debug)]
pub struct Unsigned;

impl ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _: &'a Params,
        _: &'a ConfigBag,
        _: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        // The scheme that the SDK has for operations without authentication.
        let scheme = AuthSchemeId::new("noAuth");
        AuthSchemeOptionsFuture::ready(Ok(vec![AuthSchemeOption::from(scheme)]))
    }
}

/// A connection to the embedded engine. It is cheap to clone.
#[derive(Clone)]
pub struct Connector {
    /// The engine.
    pub database: Database,
    /// Is told about each write.
    pub disk: Disk,
    /// The lock on the folder of the database.
    pub _lock: Option<Arc<File>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    /// Runs the operation on the caller's thread, as the engine's own server does.
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            // Calls that are made together all begin before one of them ends. So the log lines count
            // their round trips as on AWS.
            begin_others().await;
            connector.respond(&request)
        })
    }
}

impl Connector {
    fn respond(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get(TARGET).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let (status, json) = match run(&self.database, operation, body) {
            Ok(json) => (200, json),
            Err(error) => (error.status_code(), error.to_json().into_bytes()),
        };
        if writes(operation) {
            self.disk.committed();
        }
        response(status, json)
    }
}

/// Runs an operation on the JSON of its request. Returns the JSON of its response.
fn run(database: &Database, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
    match operation {
        "PutItem" => json(body, |request| database.put_item(request)),
        "GetItem" => json(body, |request| database.get_item(request)),
        "UpdateItem" => json(body, |request| database.update_item(request)),
        "DeleteItem" => json(body, |request| database.delete_item(request)),
        "Query" => json(body, |request| database.query(request)),
        "Scan" => json(body, |request| database.scan(request)),
        "BatchGetItem" => json(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => json(body, |request| database.batch_write_item(request)),
        "TransactGetItems" => json(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => json(body, |request| database.transact_write_items(request)),
        "CreateTable" => json(body, |request| database.create_table(request)),
        "DescribeTable" => json(body, |request| database.describe_table(request)),
        "ListTables" => json(body, |request| database.list_tables(request)),
        "UpdateTable" => json(body, |request| database.update_table(request)),
        "ListStreams" => json(body, |request| database.list_streams(request)),
        "DescribeStream" => json(body, |request| database.describe_stream(request)),
        "GetShardIterator" => json(body, |request| database.get_shard_iterator(request)),
        "GetRecords" => json(body, |request| database.get_records(request)),
        other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
    }
}

/// Whether an operation can change the database.
fn writes(operation: &str) -> bool {
    matches!(
        operation,
        "PutItem"
            | "UpdateItem"
            | "DeleteItem"
            | "BatchWriteItem"
            | "TransactWriteItems"
            | "CreateTable"
            | "UpdateTable"
    )
}

fn json<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let response = run(request)?;
    serde_json::to_vec(&response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn response(status: u16, json: Vec<u8>) -> Result<HttpResponse, ConnectorError> {
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let checksum = crc32fast::hash(&json).to_string();
    let mut response = HttpResponse::new(status, SdkBody::from(json));
    let headers = response.headers_mut();
    headers.insert("content-type", MEDIA_TYPE);
    headers.insert(CRC32, checksum);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    /// A connector to an engine with the empty table `things`, and the number of syncs.
    fn connector() -> (Connector, Arc<AtomicUsize>) {
        let syncs = Arc::new(AtomicUsize::new(0));
        let counter = syncs.clone();
        let connector = Connector {
            database: Database::memory().unwrap(),
            disk: Disk::new(move || {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }),
            _lock: None,
        };
        let table = json!({
            "TableName": "things",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        });
        assert_eq!(send(&connector, "CreateTable", &table).0, 200);
        (connector, syncs)
    }

    /// Sends a request without a socket, and checks the checksum of the response.
    fn send(connector: &Connector, operation: &str, body: &Value) -> (u16, Value) {
        let mut request = HttpRequest::new(SdkBody::from(body.to_string()));
        let target = format!("DynamoDB_20120810.{operation}");
        request.headers_mut().insert(TARGET, target);
        let response = connector.respond(&request).unwrap();
        let body = response.body().bytes().unwrap();
        let checksum = response.headers().get(CRC32).unwrap();
        assert_eq!(checksum, crc32fast::hash(body).to_string());
        let status = response.status().as_u16();
        (status, serde_json::from_slice(body).unwrap())
    }

    /// Sends the same request to the port of the same engine.
    async fn send_to_port(url: &str, operation: &str, body: &Value) -> (u16, Value) {
        let signature = "AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(url)
            .header("content-type", MEDIA_TYPE)
            .header(TARGET, format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20240101T000000Z")
            .header("authorization", signature)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_response_is_the_same_as_over_the_port() {
        let (connector, _) = connector();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let database = connector.database.clone();
        let stop = std::future::pending();
        tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener, database, stop,
        ));

        let item = json!({"id": {"S": "a"}, "note": {"S": "ä\n"}});
        send(
            &connector,
            "PutItem",
            &json!({"TableName": "things", "Item": item}),
        );
        let put_again = json!({
            "TableName": "things",
            "Item": item,
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        let by_id = json!({
            "TableName": "things",
            "KeyConditionExpression": "id = :id",
            "ExpressionAttributeValues": {":id": {"S": "a"}},
            "ReturnConsumedCapacity": "INDEXES",
        });
        let key = json!({"id": {"S": "a"}});
        let requests = [
            ("Query", by_id),
            ("Scan", json!({"TableName": "things"})),
            ("GetItem", json!({"TableName": "things", "Key": key})),
            (
                "GetItem",
                json!({"TableName": "things", "Key": {"id": {"S": "b"}}}),
            ),
            (
                "BatchGetItem",
                json!({"RequestItems": {"things": {"Keys": [key]}}}),
            ),
            ("DescribeTable", json!({"TableName": "things"})),
            ("ListTables", json!({})),
            // Errors, in their different forms.
            ("PutItem", put_again.clone()),
            (
                "TransactWriteItems",
                json!({"TransactItems": [{"Put": put_again}]}),
            ),
            ("GetItem", json!({"TableName": "none", "Key": key})),
            (
                "GetItem",
                json!({"TableName": "things", "Key": {"id": {"S": ""}}}),
            ),
            (
                "GetItem",
                json!({"TableName": "things", "Key": {"id": {"N": "1"}}}),
            ),
        ];
        for (operation, body) in requests {
            let here = send(&connector, operation, &body);
            let there = send_to_port(&url, operation, &body).await;
            assert_eq!(here, there, "{operation} {body}");
        }
    }

    #[tokio::test]
    async fn a_write_needs_a_sync_and_a_read_does_not() {
        let (connector, syncs) = connector();
        connector.disk.sync().await.unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), 1, "the table");
        let item = json!({"TableName": "things", "Item": {"id": {"S": "a"}}});
        assert_eq!(send(&connector, "PutItem", &item).0, 200);
        connector.disk.sync().await.unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
        send(&connector, "Scan", &json!({"TableName": "things"}));
        connector.disk.sync().await.unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_operation_that_no_function_sends_is_refused() {
        let (connector, _) = connector();
        let (status, body) = send(&connector, "TagResource", &json!({}));
        assert_eq!(status, 501);
        let message = body["message"].as_str().unwrap();
        assert!(
            message.starts_with("'TagResource' is not supported"),
            "{message}"
        );
    }
}
