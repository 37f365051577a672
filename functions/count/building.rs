//! The list of partitions in a GSI whose tries are building.
//!
//! A batch of the stream continues the backfills of its own partitions. This list makes sure that a
//! partition without new events is completed, too. Shards are not listed, because every batch looks
//! at all of them.

use aws_sdk_dynamodb::types::AttributeValue;

use super::CountsTable;
use super::item::string;
use super::schema::{LANE, NODE};
use crate::event::{Field, FieldValue};
use crate::store::{Error, Item, Partition};

/// The partition key of the list for one field. No scope's keys have this form.
fn list_key(field: Field) -> AttributeValue {
    AttributeValue::S(format!("building-{}", field.name()))
}

impl CountsTable {
    /// Some partitions in the GSI of a field that are listed, `limit` at most.
    pub(super) async fn building(&self, field: Field, limit: i32) -> Result<Vec<Partition>, Error> {
        let items = self.query(list_key(field), limit).await?;
        let listed = items
            .iter()
            .filter_map(|item| listed_partition(field, item));
        Ok(listed.collect())
    }

    /// Lists a partition whose trie is about to be started.
    pub(super) async fn list_as_building(&self, partition: &Partition) -> Result<(), Error> {
        let Some(item) = list_item(partition) else {
            return Ok(());
        };
        self.put(item).await
    }

    /// Takes a partition off the list, because its trie is ready or abandoned.
    pub(super) async fn unlist_as_building(&self, partition: &Partition) -> Result<(), Error> {
        let Some(item) = list_item(partition) else {
            return Ok(());
        };
        self.delete(item).await
    }
}

/// The item that lists a partition. It has a key only.
fn list_item(partition: &Partition) -> Option<Item> {
    let Partition::With(value) = partition else {
        return None;
    };
    Some(Item::from([
        (NODE.to_owned(), list_key(value.field())),
        (LANE.to_owned(), AttributeValue::S(value.to_string())),
    ]))
}

fn listed_partition(field: Field, item: &Item) -> Option<Partition> {
    let value = FieldValue::new(field, string(item, LANE)?).ok()?;
    Some(Partition::With(value))
}
