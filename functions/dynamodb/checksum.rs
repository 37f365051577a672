//! The check that a response is complete.

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// The header in which DynamoDB sends the CRC-32 of the body of each response, as a decimal number.
const CRC32: &str = "x-amz-crc32";

/// Refuses a success that is empty, or whose checksum is another than the one that came with it.
///
/// The SDK takes an empty body for one that says nothing: a put would be done, and a list at its
/// end.
#[derive(Debug)]
pub(super) struct ChecksumInterceptor;

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
        let sent = response.headers().get(CRC32);
        if body.is_empty() || sent.is_some_and(|sent| sent != crc32fast::hash(body).to_string()) {
            return Err(format!("the response is not complete: {} bytes", body.len()).into());
        }
        Ok(())
    }
}
