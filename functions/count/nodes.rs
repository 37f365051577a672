//! The nodes of the tries of one scope, one an item of the counts table.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};

use super::item::{COUNTS, entry_of, item_of, number, string};
use super::schema::{LANE, NODE, VERSION};
use super::trie::{Entry, LaneId, Prefix, Storage, Swap, Trie};
use super::{CountsTable, lane_of};
use crate::store::{Error, Item, Partition, Scope};

/// The nodes of the tries of one scope.
#[derive(Clone, Debug)]
pub struct ScopeNodes {
    counts: CountsTable,
    /// The beginning of the partition keys of this scope.
    scope_key: String,
}

/// The nodes of one partition's trie.
#[derive(Clone, Debug)]
pub(super) struct PartitionNodes {
    nodes: ScopeNodes,
    lane: LaneId,
}

impl CountsTable {
    /// The nodes of the tries of `scope`. The scope of everyone has a trie for each shard. Any other
    /// scope has one trie.
    pub fn nodes(&self, scope: &Scope) -> ScopeNodes {
        // Only hex follows the last #, so no value can reach into another scope.
        let scope_key = match scope {
            Scope::Everyone => "all#".to_owned(),
            Scope::With(value) => format!("{}#{value}#", value.field().name()),
        };
        ScopeNodes {
            counts: self.clone(),
            scope_key,
        }
    }

    pub(super) fn partition_nodes(&self, partition: &Partition) -> PartitionNodes {
        PartitionNodes {
            nodes: self.nodes(&partition.scope()),
            lane: lane_of(partition),
        }
    }
}

impl PartitionNodes {
    /// The trie that the nodes form.
    pub fn trie(&self) -> Trie<'_, ScopeNodes> {
        Trie::new(&self.nodes, self.lane)
    }

    /// The key of the root.
    pub fn root_key(&self) -> Item {
        self.nodes.key(self.lane, Prefix::ROOT)
    }

    /// Deletes the root. The trie is then one that was never started.
    pub async fn delete_root(&self) -> Result<(), Error> {
        self.nodes.counts.delete(self.root_key()).await
    }
}

impl ScopeNodes {
    fn key(&self, lane: LaneId, prefix: Prefix) -> Item {
        let lane = AttributeValue::S(format!("{lane:x}"));
        Item::from([
            (NODE.to_owned(), self.level_key(prefix)),
            (LANE.to_owned(), lane),
        ])
    }

    async fn get(
        &self,
        lane: LaneId,
        prefix: Prefix,
        is_consistent: bool,
    ) -> Result<Option<Entry>, Error> {
        let get = self
            .counts
            .client
            .get_item()
            .table_name(&self.counts.table)
            .set_key(Some(self.key(lane, prefix)))
            .consistent_read(is_consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let output = Box::pin(get.send())
            .await
            .map_err(|error| Error::from_sdk("GetItem", &error))?;
        match output.item() {
            Some(item) => entry_of(prefix, item).map(Some),
            None => Ok(None),
        }
    }

    fn level_key(&self, prefix: Prefix) -> AttributeValue {
        AttributeValue::S(format!("{}{prefix}", self.scope_key))
    }
}

impl Storage for ScopeNodes {
    type Error = Error;

    async fn level(&self, prefix: Prefix) -> Result<Vec<(LaneId, Entry)>, Error> {
        let mut query = self
            .counts
            .client
            .query()
            .table_name(&self.counts.table)
            .key_condition_expression("#node = :node")
            .expression_attribute_names("#node", NODE)
            .expression_attribute_values(":node", self.level_key(prefix))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let mut level = Vec::new();
        loop {
            let output = Box::pin(query.clone().send())
                .await
                .map_err(|error| Error::from_sdk("Query", &error))?;
            for item in output.items.unwrap_or_default() {
                level.push((lane_in(&item)?, entry_of(prefix, &item)?));
            }
            if output.last_evaluated_key.is_none() {
                return Ok(level);
            }
            query = query.set_exclusive_start_key(output.last_evaluated_key);
        }
    }

    async fn node(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, Error> {
        self.get(lane, prefix, true).await
    }

    async fn node_or_earlier(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, Error> {
        self.get(lane, prefix, false).await
    }

    async fn swap(&self, lane: LaneId, prefix: Prefix, new: &Entry) -> Result<Swap, Error> {
        let item = item_of(self.key(lane, prefix), prefix, new);
        let put = self
            .counts
            .client
            .put_item()
            .table_name(&self.counts.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let put = if new.version == 0 {
            put.condition_expression("attribute_not_exists(#node)")
                .expression_attribute_names("#node", NODE)
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", number(new.version))
        };
        let Err(error) = Box::pin(put.send()).await else {
            return Ok(Swap::Done);
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(Error::from_sdk("PutItem", &error));
        };
        match failed.item() {
            Some(item) => Ok(Swap::Lost(Some(entry_of(prefix, item)?))),
            None => Ok(Swap::Lost(None)),
        }
    }
}

fn lane_in(item: &Item) -> Result<LaneId, Error> {
    let digits = string(item, LANE).ok_or(COUNTS.corrupt(LANE))?;
    LaneId::from_str_radix(digits, 16).map_err(|_| COUNTS.corrupt(LANE))
}
