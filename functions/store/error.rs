//! What can go wrong between the log and DynamoDB, told apart by what the caller can do about it.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed operation. The message is for the log, never for a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// DynamoDB refused for load, on every attempt: nothing was done. Wait and try again.
    #[error("{operation} was throttled: {detail}")]
    Throttled {
        /// The operation's name.
        operation: &'static str,
        /// The SDK's own account.
        detail: String,
    },
    /// No answer in time, or a server error: a write may or may not have been done. Try again.
    #[error("{operation} was not answered: {detail}")]
    Unanswered {
        /// The operation's name.
        operation: &'static str,
        /// The SDK's own account.
        detail: String,
    },
    /// DynamoDB refused for a reason that a retry does not mend: permissions, a missing table. See the log.
    #[error("{operation} was refused: {detail}")]
    Refused {
        /// The operation's name.
        operation: &'static str,
        /// The SDK's own account.
        detail: String,
    },
    /// An item lacks an attribute that all of its kind have. Something else has written to the table.
    #[error("an item of the {table} table has no usable \"{attribute}\"")]
    Corrupt {
        /// The table: `events`, `keys` or `counts`.
        table: &'static str,
        /// The attribute's name.
        attribute: &'static str,
    },
    /// An item has a form that this version does not know: a newer version has written it. Deploy that version again.
    #[error("an item of the {table} table has the unknown kind {kind}; a newer version wrote it")]
    UnknownKind {
        /// The table: `counts`.
        table: &'static str,
        /// The first byte of what is packed.
        kind: u8,
    },
}

/// The error codes with which DynamoDB refuses for load:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
const THROTTLED: [&str; 4] =
    ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "ThrottlingError"];

impl Error {
    /// An item of the events table without a usable `attribute`.
    pub(super) fn corrupt(attribute: &'static str) -> Error {
        Error::Corrupt { table: "events", attribute }
    }

    /// Sorts an SDK error. Retries, where they help, have been made by then.
    pub(crate) fn from_sdk<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let detail = account(error);
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        if code.is_some_and(|code| THROTTLED.contains(&code)) {
            return Error::Throttled { operation, detail };
        }
        match error {
            SdkError::ConstructionFailure(_) => Error::Refused { operation, detail },
            // Every refusal of DynamoDB's has a code. One without has lost it on the way, and may have been any other.
            _ if code.is_some() && refused(error.raw_response()) => Error::Refused { operation, detail },
            _ => Error::Unanswered { operation, detail },
        }
    }
}

/// Whether a response says that the request was refused, and so that nothing was done. A server error (5xx) does
/// not say so, and neither does a success whose body was lost on the way.
pub(super) fn refused(response: Option<&HttpResponse>) -> bool {
    response.is_some_and(|response| response.status().is_client_error())
}

/// What an error and its causes say. Not their debug forms: those show the answer's body, and with it events.
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
