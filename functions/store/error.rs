//! Failures between the store and DynamoDB, sorted by what the caller can do about them.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failure of the store. Its message is for the logs, never for a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// DynamoDB did not do an operation, or did not say that it did.
    #[error("{operation} {kind}: {detail}")]
    Operation {
        /// What is known of the operation.
        kind: Failure,
        /// The name of the operation, such as `PutItem`.
        operation: &'static str,
        /// The SDK's own account.
        detail: String,
    },
    /// An item lacks an attribute that all of its kind have. Something else has written to the
    /// table.
    #[error("an item of the {table} table has no usable \"{attribute}\"")]
    Corrupt {
        /// The table: `events`, `keys`, `counts` or `tree`.
        table: &'static str,
        /// The name of the attribute.
        attribute: &'static str,
    },
    /// An item has a form that this version does not know. Deploy the newer version that wrote it.
    #[error("an item of the {table} table has the unknown kind {kind}; a newer version wrote it")]
    UnknownKind {
        /// The table: `counts`.
        table: &'static str,
        /// The first byte of the packed node.
        kind: u8,
    },
}

/// What is known of an operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Every attempt was throttled, so nothing was done. Wait and try again.
    Throttled,
    /// No response came in time, or a server error. A write may have been done. Try again.
    OutcomeUnknown,
    /// DynamoDB rejected the request for a reason that a retry does not fix, such as a missing
    /// permission or table.
    Rejected,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failure::Throttled => "was throttled",
            Failure::OutcomeUnknown => "has an unknown outcome",
            Failure::Rejected => "was rejected",
        })
    }
}

/// The error codes with which DynamoDB throttles:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
const THROTTLING_CODES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "ThrottlingError",
];

impl Error {
    /// The failure of `operation`.
    pub(super) fn operation(
        kind: Failure,
        operation: &'static str,
        detail: impl Into<String>,
    ) -> Error {
        Error::Operation {
            kind,
            operation,
            detail: detail.into(),
        }
    }

    /// An item of the events table without a usable `attribute`.
    pub(super) fn corrupt(attribute: &'static str) -> Error {
        Error::Corrupt {
            table: "events",
            attribute,
        }
    }

    /// Sorts an error of the SDK, which has retried by then where that helps.
    pub(crate) fn from_sdk<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        Error::operation(Failure::of(error), operation, account(error))
    }
}

impl Failure {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        if let SdkError::ConstructionFailure(_) = error {
            return Failure::Rejected;
        }
        // DynamoDB sends a code with each rejection. A response without one was damaged on its way,
        // so it may have been any other.
        let service_error = error.as_service_error();
        let Some(code) = service_error.and_then(ProvideErrorMetadata::code) else {
            return Failure::OutcomeUnknown;
        };
        if THROTTLING_CODES.contains(&code) {
            return Failure::Throttled;
        }
        if is_rejection(error.raw_response()) {
            return Failure::Rejected;
        }
        Failure::OutcomeUnknown
    }
}

/// Whether a response says that the request was rejected, and so that nothing was done. A server
/// error (5xx) does not say so, and neither does a success whose body was lost on its way.
pub(super) fn is_rejection(response: Option<&HttpResponse>) -> bool {
    match response {
        Some(response) => response.status().is_client_error(),
        None => false,
    }
}

/// The messages of an error and its causes. Their debug forms would show the body of the response,
/// and with it events.
fn account<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let mut account = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        account.push_str(": ");
        account.push_str(&error.to_string());
        cause = error.source();
    }
    if let Some(response) = error.raw_response() {
        account.push_str(&format!(" (HTTP {})", response.status().as_u16()));
    }
    account
}
