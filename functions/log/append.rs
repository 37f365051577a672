//! Recording one event: one conditional put, whose condition is also the claim on an Idempotency-Key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

use super::error::refused;
use super::schema::ID;
use super::stored::{document_of, item};
use super::{Error, EventLog, Recorded};
use crate::event::{EventId, NewEvent, same_document};

/// What the table holds under the id after an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// This event, recorded just now.
    New,
    /// This event, recorded before: by an earlier request, or by the SDK's own first attempt.
    Already,
    /// Another event. Nothing was written.
    Other,
}

impl EventLog {
    /// Records `event` under `id`, unless something is recorded there already.
    ///
    /// # Errors
    ///
    /// [`Error::Unanswered`] when the event may or may not have been recorded; [`Error::Corrupt`] when something is there
    /// that cannot be read; any other when this call recorded nothing.
    pub async fn append(&self, id: EventId, event: &NewEvent, recorded: &Recorded) -> Result<Appended, Error> {
        const OPERATION: &str = "PutItem";
        let attempts = Attempts::default();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(id, event, recorded)))
            .condition_expression(format!("attribute_not_exists({ID})"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(attempts.clone());

        let Err(error) = Box::pin(put.send()).await else { return Ok(Appended::New) };
        if let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() {
            let Some(found) = failed.item() else {
                // The condition says that an item is there, and by the request it comes with the answer.
                return Err(Error::Unanswered {
                    operation: OPERATION,
                    detail: "a condition failed for no item".into(),
                });
            };
            let same = same_document(document_of(found)?, &event.document);
            return Ok(if same { Appended::Already } else { Appended::Other });
        }
        match Error::from_sdk(OPERATION, &error) {
            Error::Throttled { operation, detail } | Error::Refused { operation, detail }
                if attempts.any_unanswered() =>
            {
                Err(Error::Unanswered { operation, detail })
            }
            error => Err(error),
        }
    }
}

/// Remembers whether any attempt of an operation was not plainly refused. The error that the SDK gives in the end is the
/// last attempt's: throttled then says nothing about a first attempt whose answer was lost on the way.
#[derive(Clone, Debug, Default)]
struct Attempts {
    unanswered: Arc<AtomicBool>,
}

impl Attempts {
    fn any_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_dynamodb::error::BoxError> {
        if !refused(context.response()) {
            self.unanswered.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
