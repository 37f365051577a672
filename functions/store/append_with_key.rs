//! Recording one event under an Idempotency-Key: one transaction of the key and the event.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::attempts::Attempts;
use super::attributes::Item;
use super::idempotency::id_of_key;
use super::schema::{ID, KEY};
use super::stored::{document_of, entry_of, item};
use super::{Error, EventStore, Failure, KeyHash, Recorded};
use crate::effects::jitter;
use crate::event::{EventId, NewEvent, first_difference};
use crate::tree::Entry;

/// The outcome of recording an event under an Idempotency-Key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendedWithKey {
    /// This request recorded the event, which has this entry in the log.
    Recorded(Entry),
    /// The key recorded the same document before. Nothing was written. The entry is that of the
    /// event as it was recorded then: its spelling and its salt are not those of this request.
    Replayed(Entry),
    /// The key recorded another document before. Nothing was written.
    KeyReused {
        /// The event that the key recorded.
        first: EventId,
        /// The path of the first difference: see [`first_difference`].
        difference: String,
    },
    /// Another event has this id, and nothing was written. Draw another id.
    IdTaken,
}

const OPERATION: &str = "TransactWriteItems";

/// The longest pause before each try of a transaction that conflicts with another one. Together
/// they stay below two seconds, so that a request has time left for its response.
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
    /// Records `event` under `id`, and that `hash` recorded it. Writes both or neither, and neither
    /// if `hash` recorded an event before.
    ///
    /// # Errors
    ///
    /// [`Failure::OutcomeUnknown`] when the event may have been recorded. After any other error
    /// this call recorded nothing.
    pub async fn append_with_key(
        &self,
        hash: &KeyHash,
        id: EventId,
        event: &NewEvent,
        recorded: &Recorded,
    ) -> Result<AppendedWithKey, Error> {
        let attempts = Attempts::default();
        let mut obstacle = String::new();
        for pause in CONFLICT_PAUSES {
            if !pause.is_zero() {
                tokio::time::sleep(jitter(pause)).await;
            }
            match self.transact(hash, id, event, recorded, &attempts).await? {
                Transacted::Done => {
                    return Ok(AppendedWithKey::Recorded(recorded.entry(id, event)));
                }
                // An earlier attempt of this request, whose response was lost. Every attempt writes
                // the same item. No other request draws this id for this document: 50 bits of it
                // are random.
                Transacted::KeyTaken(first) if first == id => {
                    return Ok(AppendedWithKey::Recorded(recorded.entry(id, event)));
                }
                Transacted::KeyTaken(first) => match self.compare(first, event).await? {
                    Some(appended) => return Ok(appended),
                    None => obstacle = format!("the key's event {first} is not in the table"),
                },
                Transacted::IdTaken => return Ok(AppendedWithKey::IdTaken),
                Transacted::Busy(reason) => obstacle = reason,
            }
        }
        let error = Error::operation(Failure::Throttled, OPERATION, obstacle);
        Err(attempts.explain(error))
    }

    /// Compares `event` with the one that its key recorded first. `None` while that one cannot be
    /// seen.
    async fn compare(
        &self,
        first: EventId,
        event: &NewEvent,
    ) -> Result<Option<AppendedWithKey>, Error> {
        let found = match self.get_item(first).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // The key belongs to another event. So this request recorded nothing, even if the
            // outcome of this read is unknown.
            Err(Error::Operation {
                kind: Failure::OutcomeUnknown,
                operation,
                detail,
            }) => return Err(Error::operation(Failure::Throttled, operation, detail)),
            Err(error) => return Err(error),
        };
        let outcome = match first_difference(document_of(&found)?, event.document()) {
            None => AppendedWithKey::Replayed(entry_of(&found)?),
            Some(difference) => AppendedWithKey::KeyReused { first, difference },
        };
        Ok(Some(outcome))
    }

    /// Sends one transaction of the key, which comes first, and the event.
    async fn transact(
        &self,
        hash: &KeyHash,
        id: EventId,
        event: &NewEvent,
        recorded: &Recorded,
        attempts: &Attempts,
    ) -> Result<Transacted, Error> {
        let key = put_once(&self.keys_table, KEY, hash.item(id))?;
        let event = put_once(&self.table, ID, item(id, event, recorded))?;
        let transaction = self
            .client
            .transact_write_items()
            .transact_items(key)
            .transact_items(event)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(attempts.clone());
        let Err(error) = Box::pin(transaction.send()).await else {
            return Ok(Transacted::Done);
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons();
                Transacted::from_reasons(reasons).map_err(|error| attempts.explain(error))
            }
            // An earlier attempt is still being processed.
            Some(error @ TransactWriteItemsError::TransactionInProgressException(_)) => {
                Err(outcome_unknown(&error.to_string()))
            }
            _ => Err(attempts.explain(Error::from_sdk(OPERATION, &error))),
        }
    }
}

/// A put on the condition that no item has this key yet.
fn put_once(table: &str, attribute: &str, item: Item) -> Result<TransactWriteItem, Error> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#key)")
        .expression_attribute_names("#key", attribute)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(|error: BuildError| {
            Error::operation(Failure::Rejected, OPERATION, error.to_string())
        })?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn outcome_unknown(detail: &str) -> Error {
    Error::operation(Failure::OutcomeUnknown, OPERATION, detail)
}

/// The outcome of one transaction.
enum Transacted {
    /// Both items were written.
    Done,
    /// The key exists and names this event.
    KeyTaken(EventId),
    /// The key does not exist, and the id of the event does.
    IdTaken,
    /// Nothing was written, because of load or because another transaction held one of the items.
    Busy(String),
}

impl Transacted {
    /// Reads why a transaction was cancelled: one reason for each of its items, in their order.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
    fn from_reasons(reasons: &[CancellationReason]) -> Result<Transacted, Error> {
        const CONDITION: &str = "ConditionalCheckFailed";
        const BUSY: [&str; 4] = [
            "TransactionConflict",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
        ];
        let [key, event] = reasons else {
            return Err(outcome_unknown("a cancellation came without its reasons"));
        };
        let codes = [key, event].map(|reason| reason.code().unwrap_or_default());

        if codes[0] == CONDITION {
            let Some(found) = key.item() else {
                return Err(outcome_unknown("a condition failed for no item"));
            };
            return Ok(Transacted::KeyTaken(id_of_key(found)?));
        }
        if let Some(busy) = codes.into_iter().find(|code| BUSY.contains(code)) {
            return Ok(Transacted::Busy(busy.to_owned()));
        }
        if codes == ["None", CONDITION] {
            return Ok(Transacted::IdTaken);
        }
        if codes.iter().all(|code| code.is_empty() || *code == "None") {
            return Err(outcome_unknown("a cancellation came without its reasons"));
        }
        let detail = format!("the transaction was cancelled: {}", codes.join(", "));
        Err(Error::operation(Failure::Rejected, OPERATION, detail))
    }
}
