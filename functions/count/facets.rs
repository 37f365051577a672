//! The values of event types and services that were seen, as suggestions for a person to choose
//! from. Nothing else uses them.
//!
//! Each value is an item of the counts table that has a key only. The stream's function puts an
//! item for each value that its container has not put before. So a value costs one write unit a
//! container, and a batch without a new value costs nothing.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{StreamExt, iter};

use super::CountsTable;
use super::item::string;
use super::schema::{LANE, NODE};
use crate::event::{Field, FieldValue};
use crate::store::{Error, EventKey, Item};

/// The fields whose values are kept, whether or not lists can be filtered by them.
pub const FACET_FIELDS: [Field; 2] = [Field::EventType, Field::SrcService];
/// How many values of a field are shown. With 256 bytes each they are one Query of less than 1 MB.
pub const MAX_FACET_VALUES: i32 = 1000;
/// How many values a process puts at most. Beyond that it puts none, so that a log in which each
/// event has a type of its own does not pay for it.
const MAX_NOTED: usize = 4000;
/// How many values a batch puts at most, so that it is not late. The next batch with the others
/// puts them.
const MAX_NOTED_AT_ONCE: usize = 64;
/// How many values are put at a time.
const PUTS_AT_ONCE: usize = 16;

/// Notes the values of events. Clones share what they have noted.
#[derive(Clone, Debug)]
pub struct FacetNotes {
    counts: CountsTable,
    /// The values that this process has put.
    noted: Arc<Mutex<HashSet<FieldValue>>>,
}

/// The values of these events that are kept.
pub fn facet_values(events: &[EventKey]) -> impl Iterator<Item = &FieldValue> {
    let values = events.iter().flat_map(|event| &event.values);
    values.filter(|value| FACET_FIELDS.contains(&value.field()))
}

impl FacetNotes {
    /// Notes values in this table.
    pub fn new(counts: CountsTable) -> FacetNotes {
        FacetNotes {
            counts,
            noted: Arc::default(),
        }
    }

    /// Some values of these events that are not noted yet: as many as one batch may put.
    pub fn missing(&self, events: &[EventKey]) -> Vec<FieldValue> {
        let noted = self.noted();
        let room = MAX_NOTED.saturating_sub(noted.len());
        let values: BTreeSet<&FieldValue> = facet_values(events).collect();
        let missing = values.into_iter().filter(|value| !noted.contains(*value));
        missing.take(room.min(MAX_NOTED_AT_ONCE)).cloned().collect()
    }

    /// Puts values, as many of them as is possible.
    ///
    /// # Errors
    ///
    /// The first [`Error`]. The values that could not be put are still missing.
    pub async fn note(&self, values: impl IntoIterator<Item = FieldValue>) -> Result<(), Error> {
        let puts: Vec<_> = values.into_iter().map(|value| self.put(value)).collect();
        let puts = iter(puts).buffer_unordered(PUTS_AT_ONCE);
        let outcomes: Vec<Result<(), Error>> = puts.collect().await;
        outcomes.into_iter().collect()
    }

    async fn put(&self, value: FieldValue) -> Result<(), Error> {
        self.counts.put_facet(&value).await?;
        self.noted().insert(value);
        Ok(())
    }

    fn noted(&self) -> MutexGuard<'_, HashSet<FieldValue>> {
        // A set of values is whole, whatever happened to a thread that held the lock.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountsTable {
    /// The values of a field that were noted, in the order of their bytes: the first
    /// [`MAX_FACET_VALUES`].
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn facets(&self, field: Field) -> Result<Vec<String>, Error> {
        let items = self.query(facets_key(field), MAX_FACET_VALUES).await?;
        let values = items.iter().filter_map(|item| string(item, LANE));
        Ok(values.map(str::to_owned).collect())
    }

    /// Puts one value. To put it again changes nothing.
    async fn put_facet(&self, value: &FieldValue) -> Result<(), Error> {
        let item = Item::from([
            (NODE.to_owned(), facets_key(value.field())),
            (LANE.to_owned(), AttributeValue::S(value.to_string())),
        ]);
        self.put(item).await
    }
}

/// The partition key of the values of a field. No scope's keys have this form.
fn facets_key(field: Field) -> AttributeValue {
    AttributeValue::S(format!("facet-{}", field.name()))
}
