//! The check that a response is complete.

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

/// The header in which DynamoDB sends the CRC-32 of the body of each response, as a decimal number.
const CRC32: &str = "x-amz-crc32";

/// Rejects a success whose body is empty or does not match the checksum that came with it.
///
/// The SDK accepts an empty body as a valid response. It would report a put as successful, or a
/// list as finished, although DynamoDB never said so.
#[derive(Debug)]
pub(super) struct ChecksumInterceptor;

#[dyn_dispatch_hint]
impl Intercept for ChecksumInterceptor {
    fn name(&self) -> &'static str {
        "ChecksumInterceptor"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_err() {
            return Ok(());
        }
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        let is_intact = match response.headers().get(CRC32) {
            Some(checksum) => checksum == crc32fast::hash(body).to_string(),
            None => true,
        };
        if body.is_empty() || !is_intact {
            return Err(format!("the response is not complete: {} bytes", body.len()).into());
        }
        Ok(())
    }
}
