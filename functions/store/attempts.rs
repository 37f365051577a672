//! What is known of an operation after several attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

use super::error::is_rejection;
use super::{Error, Failure};

/// Remembers whether any attempt of an operation got something else than a rejection.
///
/// The SDK returns the error of the last attempt. If that one was throttled, the first attempt may
/// have been done all the same, and only its response was lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    any_unknown: Arc<AtomicBool>,
}

impl Attempts {
    /// The error that says what is known after all attempts. An error that means "nothing was done"
    /// stays so only if no attempt has an unknown outcome.
    pub fn explain(&self, error: Error) -> Error {
        if !self.any_unknown.load(Ordering::Relaxed) {
            return error;
        }
        match error {
            Error::Operation {
                operation, detail, ..
            } => Error::operation(Failure::OutcomeUnknown, operation, detail),
            error => error,
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !is_rejection(context.response()) {
            self.any_unknown.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
