//! The list of partitions in the GSI whose tries are building.
//!
//! A batch of the stream continues the backfills of its own partitions. This list makes sure that a
//! partition without new events is completed, too. Shards are not listed, because every batch looks
//! at all of them.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::CountsTable;
use super::item::{Item, string};
use super::schema::{LANE, NODE};
use crate::store::{Error, Partition};

/// The partition key of the list. No scope's keys have this form.
const BUILDING_USERS: &str = "building-users";

impl CountsTable {
    /// Some partitions of the list, `limit` at most.
    pub(super) async fn building(&self, limit: i32) -> Result<Vec<Partition>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#node = :node")
            .expression_attribute_names("#node", NODE)
            .expression_attribute_values(":node", AttributeValue::S(BUILDING_USERS.to_owned()))
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let output = Box::pin(query.send())
            .await
            .map_err(|error| Error::from_sdk("Query", &error))?;
        let items = output.items.unwrap_or_default();
        Ok(items.iter().filter_map(listed_partition).collect())
    }

    /// Lists a partition whose trie is about to be started.
    pub(super) async fn list_as_building(&self, partition: &Partition) -> Result<(), Error> {
        let Some(item) = list_item(partition) else {
            return Ok(());
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match Box::pin(put.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::from_sdk("PutItem", &error)),
        }
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
    let Partition::User(user_id) = partition else {
        return None;
    };
    Some(Item::from([
        (
            NODE.to_owned(),
            AttributeValue::S(BUILDING_USERS.to_owned()),
        ),
        (LANE.to_owned(), AttributeValue::S(user_id.to_string())),
    ]))
}

fn listed_partition(item: &Item) -> Option<Partition> {
    let user_id = string(item, LANE)?.parse().ok()?;
    Some(Partition::User(user_id))
}
