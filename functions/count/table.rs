//! The `counts` table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures_util::stream::{StreamExt, iter};

use super::item::entry_of;
use super::schema::NODE;
use super::trie::{Entry, Prefix};
use crate::config::Settings;
use crate::store::{Error, Item, MAX_BATCH_KEYS, Partition, batch_get};

/// How many batches of roots are read at a time: 1,600 roots. A batch of the stream has 1,000
/// events.
const ROOT_BATCHES_AT_ONCE: usize = 16;

/// The table.
#[derive(Clone, Debug)]
pub struct CountsTable {
    pub(super) client: Client,
    pub(super) table: String,
}

impl CountsTable {
    /// The table that the settings name.
    pub fn new(client: Client, settings: &Settings) -> CountsTable {
        CountsTable {
            client,
            table: settings.counts_table.clone(),
        }
    }

    /// The first items with this partition key, `limit` at most.
    pub(super) async fn query(&self, node: AttributeValue, limit: i32) -> Result<Vec<Item>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#node = :node")
            .expression_attribute_names("#node", NODE)
            .expression_attribute_values(":node", node)
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match Box::pin(query.send()).await {
            Ok(output) => Ok(output.items.unwrap_or_default()),
            Err(error) => Err(Error::from_sdk("Query", &error)),
        }
    }

    /// Puts an item, whether or not it is there.
    pub(super) async fn put(&self, item: Item) -> Result<(), Error> {
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

    /// Deletes the item with this key.
    pub(super) async fn delete(&self, key: Item) -> Result<(), Error> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key));
        match Box::pin(delete.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::from_sdk("DeleteItem", &error)),
        }
    }

    /// The roots of these partitions' tries, in their order, all at once. `None` for a trie that
    /// was not started.
    ///
    /// The read is strongly consistent: an indexer that does not see a root does not add the event,
    /// and nothing adds it later.
    pub(super) async fn roots(
        &self,
        partitions: &[Partition],
    ) -> Vec<Result<Option<Entry>, Error>> {
        let reads: Vec<_> = partitions
            .chunks(MAX_BATCH_KEYS)
            .map(|partitions| self.batch_of_roots(partitions))
            .collect();
        let batches: Vec<_> = iter(reads).buffered(ROOT_BATCHES_AT_ONCE).collect().await;
        batches.into_iter().flatten().collect()
    }

    async fn batch_of_roots(&self, partitions: &[Partition]) -> Vec<Result<Option<Entry>, Error>> {
        let root_key = |partition| self.partition_nodes(partition).root_key();
        let keys: Vec<Item> = partitions.iter().map(root_key).collect();
        let batch = match batch_get(&self.client, &self.table, keys.clone()).await {
            Ok(batch) => batch,
            Err(error) => return vec![Err(error); keys.len()],
        };
        let mut roots = Vec::with_capacity(keys.len());
        for key in &keys {
            let root = match batch.found.iter().find(|item| has_key(item, key)) {
                Some(item) => entry_of(Prefix::ROOT, item).map(Some),
                None if batch.unprocessed.contains(key) => Err(batch.throttled()),
                None => Ok(None),
            };
            roots.push(root);
        }
        roots
    }
}

fn has_key(item: &Item, key: &Item) -> bool {
    key.iter()
        .all(|(name, value)| item.get(name) == Some(value))
}
