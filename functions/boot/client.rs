//! The DynamoDB client: pinned behaviour, timeouts that fit into a request, and the count of what is used.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;

use super::usage::Meter;

/// A connection within the region takes a few milliseconds, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1000);
/// One attempt. DynamoDB answers in milliseconds, a full page of 1 MB in some tens. An attempt that takes longer
/// is on a connection that died while the function was frozen: the next attempt opens another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2000);
/// All attempts together. Below the functions' own timeout in template.yaml, so that the answer is ours.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(6000);
/// The first attempt and three more, with exponential backoff and full jitter.
const ATTEMPTS_MAX: u32 = 4;

/// A client from the environment: AWS's own variables, among them `AWS_ENDPOINT_URL_DYNAMODB`, decide where it goes.
pub async fn client() -> Client {
    client_from(aws_config::defaults(BehaviorVersion::v2026_01_12())).await
}

/// A client from a loader that was given, say, an endpoint and credentials.
pub async fn client_from(loader: ConfigLoader) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX);
    let shared = loader.timeout_config(timeouts).retry_config(retries).load().await;
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(&shared).interceptor(Meter).build())
}
