//! Recording one event with a conditional put.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

use super::attempts::Attempts;
use super::schema::ID;
use super::stored::{entry_of, item};
use super::{Error, EventStore, Failure, Recorded};
use crate::event::{EventId, NewEvent};
use crate::tree::Entry;

/// The outcome of recording an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// This request recorded the event, which has this entry in the log.
    Recorded(Entry),
    /// Another event has this id, and nothing was written. Draw another id.
    IdTaken,
}

const OPERATION: &str = "PutItem";

impl EventStore {
    /// Records `event` under `id`, unless something is recorded there already.
    ///
    /// # Errors
    ///
    /// [`Failure::OutcomeUnknown`] when the event may have been recorded, and [`Error::Corrupt`]
    /// when the item under that id cannot be read. After any other error this call recorded
    /// nothing.
    pub async fn append(
        &self,
        id: EventId,
        event: &NewEvent,
        recorded: &Recorded,
    ) -> Result<Appended, Error> {
        let entry = recorded.entry(id, event);
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
        let Err(error) = Box::pin(put.send()).await else {
            return Ok(Appended::Recorded(entry));
        };

        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(attempts.explain(Error::from_sdk(OPERATION, &error)));
        };
        let Some(found) = failed.item() else {
            // The condition says that an item exists, and the request asks for it.
            let detail = "a condition failed for no item";
            return Err(Error::operation(Failure::OutcomeUnknown, OPERATION, detail));
        };
        // The SDK repeats a put whose response was lost. An event with this salt is that first
        // attempt of this request. The same document with another salt is another event.
        if entry_of(found)? == entry {
            Ok(Appended::Recorded(entry))
        } else {
            Ok(Appended::IdTaken)
        }
    }
}
