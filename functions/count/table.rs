//! The `counts` table: the trie's nodes, one an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

use futures_util::stream::{StreamExt, iter};

use super::lane_of;
use super::trie::{Entry, Lane, Node, Prefix, State, Storage, Swap, Unpackable};
use crate::config::Settings;
use crate::store::{Error, MAX_BATCH_KEYS, Partition, Scope, batch_get};

/// The names of the table's attributes, as `template.yaml` declares the keys among them.
mod schema {
    /// Partition key: the scope and the node's prefix in hex.
    pub const NODE: &str = "node";
    /// Sort key: the lane, one hex digit; in the partition of users that are building, the user.
    pub const LANE: &str = "lane";
    /// How often the node was written.
    pub const VERSION: &str = "version";
    /// The node, packed.
    pub const PACKED: &str = "packed";
    /// On a root: `building` or `ready`.
    pub const STATE: &str = "state";
    /// On a root that is building: when it was started, in milliseconds since 1970.
    pub const SINCE: &str = "since";
    /// On a root that is building: all keys below this one have been added, 16 bytes.
    pub const NEXT: &str = "next";
}

/// How many batches of roots are read at a time: 1,600 roots, and a batch of the stream has 1,000 events.
const ROOT_BATCHES_AT_ONCE: usize = 16;

const BUILDING: &str = "building";
const READY: &str = "ready";

type Item = HashMap<String, AttributeValue>;

/// The table.
#[derive(Clone, Debug)]
pub struct CountsTable {
    client: Client,
    table: String,
}

/// The lanes of one scope.
#[derive(Clone, Debug)]
pub struct Lanes {
    counts: CountsTable,
    /// What the partition keys of this scope begin with.
    scope: String,
}

impl CountsTable {
    /// The table that the settings name.
    pub fn new(client: Client, settings: &Settings) -> CountsTable {
        CountsTable { client, table: settings.counts_table.clone() }
    }

    /// The roots of these partitions' lanes, in their order, all at once: `None` for a lane that was not started.
    ///
    /// Strongly consistent: to whom a root does not show, its lane misses an event for ever.
    pub(super) async fn roots(&self, partitions: &[Partition]) -> Vec<Result<Option<Entry>, Error>> {
        let batches = partitions.chunks(MAX_BATCH_KEYS).map(|partitions| self.batch_of_roots(partitions));
        let batches: Vec<_> = iter(batches.collect::<Vec<_>>()).buffered(ROOT_BATCHES_AT_ONCE).collect().await;
        batches.into_iter().flatten().collect()
    }

    async fn batch_of_roots(&self, partitions: &[Partition]) -> Vec<Result<Option<Entry>, Error>> {
        let keys: Vec<Item> = partitions.iter().map(|partition| self.root_key(partition)).collect();
        let batch = match batch_get(&self.client, &self.table, keys.clone()).await {
            Ok(batch) => batch,
            Err(error) => return keys.iter().map(|_| Err(error.clone())).collect(),
        };
        let has_key = |item: &Item, key: &Item| key.iter().all(|(name, value)| item.get(name) == Some(value));
        let root = |key: &Item| match batch.found.iter().find(|item| has_key(item, key)) {
            Some(item) => entry(Prefix::ROOT, item).map(Some),
            None if batch.unprocessed.iter().any(|left| has_key(left, key)) => Err(batch.throttled()),
            None => Ok(None),
        };
        keys.iter().map(root).collect()
    }

    fn root_key(&self, partition: &Partition) -> Item {
        let lanes = self.lanes(&partition.scope());
        Item::from([
            (schema::NODE.to_owned(), lanes.node_key(Prefix::ROOT)),
            (schema::LANE.to_owned(), lane_key(lane_of(partition))),
        ])
    }

    /// The lanes of `scope`: a shard each for everyone's, one for a user's.
    pub fn lanes(&self, scope: &Scope) -> Lanes {
        // What follows the last # is hex, so no user's id can reach into another scope.
        let scope = match scope {
            Scope::Everyone => "all#".to_owned(),
            Scope::User(user_id) => format!("user#{user_id}#"),
        };
        Lanes { counts: self.clone(), scope }
    }
}

/// The partition of the users whose lanes are building. No scope's partitions are called so.
const BUILDING_USERS: &str = "building-users";

impl CountsTable {
    /// Some users whose lanes are building, `limit` at most.
    pub(super) async fn building(&self, limit: i32) -> Result<Vec<String>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#node = :node")
            .expression_attribute_names("#node", schema::NODE)
            .expression_attribute_values(":node", AttributeValue::S(BUILDING_USERS.to_owned()))
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let response = Box::pin(query.send()).await.map_err(|error| Error::from_sdk("Query", &error))?;
        let users = response.items.unwrap_or_default();
        Ok(users.iter().filter_map(|item| string(item, schema::LANE)).map(str::to_owned).collect())
    }

    /// Notes that a user's lane is about to be started.
    pub(super) async fn note_building(&self, user_id: &str) -> Result<(), Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(building_user(user_id)))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        Box::pin(put.send()).await.map(|_| ()).map_err(|error| Error::from_sdk("PutItem", &error))
    }

    /// Forgets a user whose lane is ready.
    pub(super) async fn forget_building(&self, user_id: &str) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(building_user(user_id)));
        Box::pin(delete.send()).await.map(|_| ()).map_err(|error| Error::from_sdk("DeleteItem", &error))
    }
}

fn building_user(user_id: &str) -> Item {
    Item::from([
        (schema::NODE.to_owned(), AttributeValue::S(BUILDING_USERS.to_owned())),
        (schema::LANE.to_owned(), AttributeValue::S(user_id.to_owned())),
    ])
}

impl Lanes {
    /// Takes a lane's root away: the lane is then one that was never started.
    pub(super) async fn delete_root(&self, lane: Lane) -> Result<(), Error> {
        let delete = self
            .counts
            .client
            .delete_item()
            .table_name(&self.counts.table)
            .key(schema::NODE, self.node_key(Prefix::ROOT))
            .key(schema::LANE, lane_key(lane));
        Box::pin(delete.send()).await.map(|_| ()).map_err(|error| Error::from_sdk("DeleteItem", &error))
    }

    fn node_key(&self, prefix: Prefix) -> AttributeValue {
        AttributeValue::S(format!("{}{prefix}", self.scope))
    }
}

fn lane_key(lane: Lane) -> AttributeValue {
    AttributeValue::S(format!("{lane:x}"))
}

impl Storage for Lanes {
    type Error = Error;

    async fn level(&self, prefix: Prefix) -> Result<Vec<(Lane, Entry)>, Error> {
        let mut query = self
            .counts
            .client
            .query()
            .table_name(&self.counts.table)
            .key_condition_expression("#node = :node")
            .expression_attribute_names("#node", schema::NODE)
            .expression_attribute_values(":node", self.node_key(prefix))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let mut level = Vec::new();
        loop {
            let response = Box::pin(query.clone().send()).await.map_err(|error| Error::from_sdk("Query", &error))?;
            for item in response.items.unwrap_or_default() {
                let lane = string(&item, schema::LANE).and_then(|lane| Lane::from_str_radix(lane, 16).ok());
                level.push((lane.ok_or(corrupt(schema::LANE))?, entry(prefix, &item)?));
            }
            if response.last_evaluated_key.is_none() {
                return Ok(level);
            }
            query = query.set_exclusive_start_key(response.last_evaluated_key);
        }
    }

    async fn node(&self, lane: Lane, prefix: Prefix) -> Result<Option<Entry>, Error> {
        let get = self
            .counts
            .client
            .get_item()
            .table_name(&self.counts.table)
            .key(schema::NODE, self.node_key(prefix))
            .key(schema::LANE, lane_key(lane))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let response = Box::pin(get.send()).await.map_err(|error| Error::from_sdk("GetItem", &error))?;
        response.item().map(|item| entry(prefix, item)).transpose()
    }

    async fn swap(&self, lane: Lane, prefix: Prefix, new: &Entry) -> Result<Swap, Error> {
        let put = self
            .counts
            .client
            .put_item()
            .table_name(&self.counts.table)
            .set_item(Some(self.item(lane, prefix, new)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let put = if new.version == 0 {
            put.condition_expression("attribute_not_exists(#node)").expression_attribute_names("#node", schema::NODE)
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", schema::VERSION)
                .expression_attribute_values(":version", number(new.version))
        };
        let Err(error) = Box::pin(put.send()).await else { return Ok(Swap::Done) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Swap::Lost(failed.item().map(|item| entry(prefix, item)).transpose()?))
            }
            _ => Err(Error::from_sdk("PutItem", &error)),
        }
    }
}

impl Lanes {
    fn item(&self, lane: Lane, prefix: Prefix, new: &Entry) -> Item {
        let mut item = Item::from([
            (schema::NODE.to_owned(), self.node_key(prefix)),
            (schema::LANE.to_owned(), lane_key(lane)),
            (schema::VERSION.to_owned(), number(new.version + 1)),
            (schema::PACKED.to_owned(), AttributeValue::B(Blob::new(new.node.pack(prefix)))),
        ]);
        match new.state {
            Some(State::Ready) => {
                item.insert(schema::STATE.to_owned(), AttributeValue::S(READY.to_owned()));
            }
            Some(State::Building { since_millis, next }) => {
                item.insert(schema::STATE.to_owned(), AttributeValue::S(BUILDING.to_owned()));
                item.insert(schema::SINCE.to_owned(), number(since_millis));
                item.insert(schema::NEXT.to_owned(), AttributeValue::B(Blob::new(next.to_be_bytes())));
            }
            None => {}
        }
        item
    }
}

fn entry(prefix: Prefix, item: &Item) -> Result<Entry, Error> {
    let version = parse(item, schema::VERSION)?;
    let packed = bytes(item, schema::PACKED)?;
    let node = Node::unpack(prefix, packed).map_err(|problem| match problem {
        Unpackable::UnknownKind(kind) => Error::UnknownKind { table: "counts", kind },
        Unpackable::Broken => corrupt(schema::PACKED),
    })?;
    let state = match string(item, schema::STATE) {
        None => None,
        Some(READY) => Some(State::Ready),
        Some(_) => {
            let next = bytes(item, schema::NEXT)?.try_into().map_err(|_| corrupt(schema::NEXT))?;
            Some(State::Building { since_millis: parse(item, schema::SINCE)?, next: u128::from_be_bytes(next) })
        }
    };
    Ok(Entry { version, node, state })
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn parse(item: &Item, attribute: &'static str) -> Result<u64, Error> {
    let number = item.get(attribute).and_then(|value| value.as_n().ok()?.parse().ok());
    number.ok_or(corrupt(attribute))
}

fn bytes<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a [u8], Error> {
    item.get(attribute).and_then(|value| value.as_b().ok()).map(AsRef::as_ref).ok_or(corrupt(attribute))
}

fn string<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

fn corrupt(attribute: &'static str) -> Error {
    Error::Corrupt { table: "counts", attribute }
}
