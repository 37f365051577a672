//! Recording one event: a conditional put, or, under an Idempotency-Key, a transaction of the event and its key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::error::refused;
use super::key::id_of_key;
use super::schema::{ID, KEY};
use super::stored::{Item, document_of, item};
use super::{Error, EventStore, KeyHash, Recorded};
use crate::effects::jitter;
use crate::event::{EventId, NewEvent, first_difference, same_document};

/// What became of an event that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is recorded, by this request.
    New,
    /// Another event has this id. Nothing was written: draw another id.
    IdTaken,
}

/// What became of an event that was to be recorded under an Idempotency-Key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendedWithKey {
    /// It is recorded, by this request.
    New,
    /// The key recorded the same document before, as this event. Nothing was written.
    Already(EventId),
    /// The key recorded another document before. Nothing was written.
    Other {
        /// The event that the key recorded.
        first: EventId,
        /// The path of the first difference: see [`first_difference`].
        difference: String,
    },
    /// Another event has this id. Nothing was written: draw another id.
    IdTaken,
}

/// The operation's name in errors.
const TRANSACTION: &str = "TransactWriteItems";

/// The longest pauses before each try of a transaction, which may have met another one before. Together they stay below two
/// seconds, so that a request has time left to answer.
const CONFLICT_PAUSES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
    Duration::from_millis(640),
];

impl EventStore {
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
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(attempts.explain(Error::from_sdk(OPERATION, &error)));
        };
        let Some(found) = failed.item() else {
            // The condition says that an item is there, and the request asks for it.
            let detail = "a condition failed for no item".to_owned();
            return Err(Error::Unanswered { operation: OPERATION, detail });
        };
        // The same document under a random id is this request's own: the SDK repeats a put whose answer was lost.
        let own = same_document(document_of(found)?, &event.document);
        Ok(if own { Appended::New } else { Appended::IdTaken })
    }

    /// Records `event` under `id` and notes that `hash` recorded it, both or neither, unless `hash` recorded an event
    /// before.
    ///
    /// # Errors
    ///
    /// [`Error::Unanswered`] when the event may or may not have been recorded; any other when this call recorded
    /// nothing.
    pub async fn append_with_key(
        &self,
        hash: &KeyHash,
        id: EventId,
        event: &NewEvent,
        recorded: &Recorded,
    ) -> Result<AppendedWithKey, Error> {
        let attempts = Attempts::default();
        let mut met = String::new();
        for pause in CONFLICT_PAUSES {
            if !pause.is_zero() {
                tokio::time::sleep(jitter(pause)).await;
            }
            match self.transact(hash, id, event, recorded, &attempts).await? {
                Transacted::Done => return Ok(AppendedWithKey::New),
                // An earlier attempt of this request, whose answer was lost.
                Transacted::KeyTaken(first) if first == id => return Ok(AppendedWithKey::New),
                Transacted::KeyTaken(first) => match self.compare(first, event).await? {
                    Some(appended) => return Ok(appended),
                    None => met = format!("the key's event {first} is not in the table"),
                },
                Transacted::IdTaken => return Ok(AppendedWithKey::IdTaken),
                Transacted::Busy(reason) => met = reason,
            }
        }
        Err(attempts.explain(Error::Throttled { operation: TRANSACTION, detail: met }))
    }

    /// Compares `event` with the one that its key recorded first; `None` while that one cannot be seen.
    async fn compare(&self, first: EventId, event: &NewEvent) -> Result<Option<AppendedWithKey>, Error> {
        let found = match self.get_item(first).await {
            Ok(found) => found,
            // Whatever became of the reading, the key is another event's, so this request recorded nothing.
            Err(Error::Unanswered { operation, detail }) => return Err(Error::Throttled { operation, detail }),
            Err(error) => return Err(error),
        };
        let Some(found) = found else { return Ok(None) };
        Ok(Some(match first_difference(document_of(&found)?, &event.document) {
            None => AppendedWithKey::Already(first),
            Some(difference) => AppendedWithKey::Other { first, difference },
        }))
    }

    /// One transaction of the key, which comes first, and the event.
    async fn transact(
        &self,
        hash: &KeyHash,
        id: EventId,
        event: &NewEvent,
        recorded: &Recorded,
        attempts: &Attempts,
    ) -> Result<Transacted, Error> {
        let unbuildable = |error: BuildError| Error::Refused { operation: TRANSACTION, detail: error.to_string() };
        let key = put_once(&self.keys_table, KEY, hash.item(id)).map_err(unbuildable)?;
        let event = put_once(&self.table, ID, item(id, event, recorded)).map_err(unbuildable)?;
        let transaction = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(key).build())
            .transact_items(TransactWriteItem::builder().put(event).build())
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(attempts.clone());
        let Err(error) = Box::pin(transaction.send()).await else { return Ok(Transacted::Done) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                Transacted::read(canceled.cancellation_reasons()).map_err(|error| attempts.explain(error))
            }
            // An earlier attempt is still under way.
            Some(error @ TransactWriteItemsError::TransactionInProgressException(_)) => {
                Err(Error::Unanswered { operation: TRANSACTION, detail: error.to_string() })
            }
            _ => Err(attempts.explain(Error::from_sdk(TRANSACTION, &error))),
        }
    }
}

/// A put on the condition that nothing has this key yet.
fn put_once(table: &str, attribute: &str, item: Item) -> Result<Put, BuildError> {
    Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#key)")
        .expression_attribute_names("#key", attribute)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
}

/// What became of one transaction.
enum Transacted {
    /// Both items were written.
    Done,
    /// The key is there, and names this event.
    KeyTaken(EventId),
    /// The key is not there, and the event's id is.
    IdTaken,
    /// Nothing was written for load, or because another transaction held one of the items.
    Busy(String),
}

impl Transacted {
    /// Reads why a transaction was cancelled: one reason for each of its items, in their order.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
    fn read(reasons: &[CancellationReason]) -> Result<Transacted, Error> {
        const CONDITION: &str = "ConditionalCheckFailed";
        const BUSY: [&str; 4] =
            ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"];
        let unread = |detail: &str| Error::Unanswered { operation: TRANSACTION, detail: detail.to_owned() };
        let [key, event] = reasons else { return Err(unread("a cancellation came without its reasons")) };
        let codes = [key, event].map(|reason| reason.code().unwrap_or_default());
        if codes[0] == CONDITION {
            let found = key.item().ok_or_else(|| unread("a condition failed for no item"))?;
            return Ok(Transacted::KeyTaken(id_of_key(found)?));
        }
        if let Some(busy) = codes.into_iter().find(|code| BUSY.contains(code)) {
            return Ok(Transacted::Busy(busy.to_owned()));
        }
        if codes == ["None", CONDITION] {
            return Ok(Transacted::IdTaken);
        }
        if codes.iter().all(|code| code.is_empty() || *code == "None") {
            return Err(unread("a cancellation came without its reasons"));
        }
        let detail = format!("the transaction was cancelled: {}", codes.join(", "));
        Err(Error::Refused { operation: TRANSACTION, detail })
    }
}

/// Remembers whether any attempt of an operation was not plainly refused. The error that the SDK gives in the end is the
/// last attempt's: throttled then says nothing about a first attempt whose answer was lost on the way.
#[derive(Clone, Debug, Default)]
struct Attempts {
    unanswered: Arc<AtomicBool>,
}

impl Attempts {
    /// The error that says what is known after all attempts: an error that means that nothing was done, only where no
    /// attempt went unanswered.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Throttled { operation, detail } | Error::Refused { operation, detail }
                if self.unanswered.load(Ordering::Relaxed) =>
            {
                Error::Unanswered { operation, detail }
            }
            error => error,
        }
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
