//! Walking partitions newest first, merged by id: all shards, or the one partition of a user.

use std::collections::VecDeque;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, Select};
use futures_util::future::try_join_all;

use super::schema::{ID, SHARD, USER_ID, USER_INDEX};
use super::stored::{Item, id_of, shard_key, user_id_of};
use super::{Error, EventStore, Scope, StoredEvent};
use crate::event::{EventId, IdRange};

/// What a walk brings of each event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Keys,
    Events,
}

/// One event, or its keys, met on a walk.
pub(super) struct Row(Item);

impl Row {
    pub fn id(&self) -> Result<EventId, Error> {
        id_of(&self.0)
    }

    pub fn event(&self) -> Result<StoredEvent, Error> {
        StoredEvent::from_item(&self.0)
    }
}

/// A merged, lazy walk over partitions, newest first. Partitions that have run dry are asked again together.
pub(super) struct Walk {
    store: EventStore,
    range: IdRange,
    limit: i32,
    what: What,
    lanes: Vec<Lane>,
}

/// One partition's part of a walk.
struct Lane {
    partition: Partition,
    query: QueryFluentBuilder,
    rows: VecDeque<(EventId, Item)>,
    /// Nothing is left behind `rows`.
    finished: bool,
    /// The ids of all rows that were read, newest first.
    read: Vec<EventId>,
    /// The read units that they took.
    units: f64,
}

/// What has been read of one partition, from the newest event of a range on.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The partition.
    pub partition: Partition,
    /// The ids that were read, newest first, and none between them left out.
    pub ids: Vec<EventId>,
    /// There are no older ones in the range.
    pub finished: bool,
    /// The read units that it took.
    pub units: f64,
}

impl Seen {
    /// The part of `range` below what was read.
    pub fn rest(&self, range: IdRange) -> IdRange {
        self.ids.last().map_or(range, |oldest| range.below(*oldest))
    }
}

impl Walk {
    /// A walk that is expected to take `rows` rows; it goes on as long as it is asked to.
    pub fn new(store: &EventStore, partitions: Vec<Partition>, range: IdRange, rows: usize, what: What) -> Walk {
        let limit = lane_limit(rows, partitions.len());
        let mut walk = Walk { store: store.clone(), range, limit, what, lanes: Vec::new() };
        walk.extend(partitions);
        walk
    }

    /// Takes more partitions into the walk, before it has passed on any row.
    pub fn extend(&mut self, partitions: Vec<Partition>) {
        for partition in partitions {
            let Some(query) = query(&self.store, &partition, self.range) else { continue };
            let query = query.limit(self.limit).scan_index_forward(false);
            let query = match self.what {
                What::Keys => query.projection_expression("#id"),
                What::Events => query,
            };
            self.lanes.push(Lane {
                partition,
                query,
                rows: VecDeque::new(),
                finished: false,
                read: Vec::new(),
                units: 0.0,
            });
        }
    }

    /// Asks every partition that has run dry, all at once.
    ///
    /// A partition may hold the next row until it has answered: nothing is passed on before every partition has a row or
    /// is at its end. A page of a Query can be empty and still not be the last.
    pub async fn fill(&mut self) -> Result<(), Error> {
        while self.lanes.iter().any(Lane::is_dry) {
            try_join_all(self.lanes.iter_mut().filter(|lane| lane.is_dry()).map(Lane::fill)).await?;
        }
        Ok(())
    }

    /// The next older row, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        self.fill().await?;
        let newest = self.lanes.iter_mut().max_by_key(|lane| lane.rows.front().map(|(id, _)| *id));
        Ok(newest.and_then(|lane| lane.rows.pop_front()).map(|(_, item)| Row(item)))
    }

    /// What it has read so far.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |lane: &Lane| Seen {
            partition: lane.partition.clone(),
            ids: lane.read.clone(),
            finished: lane.finished,
            units: lane.units,
        };
        self.lanes.iter().map(seen).collect()
    }
}

impl Lane {
    fn is_dry(&self) -> bool {
        self.rows.is_empty() && !self.finished
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let response = send(self.query.clone()).await?;
        self.units += units(&response);
        self.finished = response.last_evaluated_key.is_none();
        self.query = self.query.clone().set_exclusive_start_key(response.last_evaluated_key);
        for item in response.items.unwrap_or_default() {
            let id = id_of(&item)?;
            self.read.push(id);
            self.rows.push_back((id, item));
        }
        Ok(())
    }
}

/// How many events of these partitions have an id in `range`: a COUNT over every page of each.
pub(super) async fn count(store: &EventStore, partitions: &[Partition], range: IdRange) -> Result<u64, Error> {
    let queries = partitions.iter().filter_map(|partition| query(store, partition, range));
    let counts = queries.map(|query| count_lane(query.select(Select::Count)));
    Ok(try_join_all(counts).await?.into_iter().sum())
}

async fn count_lane(mut query: QueryFluentBuilder) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let response = send(query.clone()).await?;
        total += u64::try_from(response.count).unwrap_or(0);
        if response.last_evaluated_key.is_none() {
            return Ok(total);
        }
        query = query.set_exclusive_start_key(response.last_evaluated_key);
    }
}

async fn send(query: QueryFluentBuilder) -> Result<QueryOutput, Error> {
    Box::pin(query.send()).await.map_err(|error| Error::from_sdk("Query", &error))
}

/// A part of the log that one Query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    /// A shard of the table.
    Shard(u8),
    /// A user's part of the index.
    User(String),
}

impl Partition {
    /// The scope that it is a part of.
    pub fn scope(&self) -> Scope {
        match self {
            Partition::Shard(_) => Scope::Everyone,
            Partition::User(user_id) => Scope::User(user_id.clone()),
        }
    }
}

/// An event, as far as the indexes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKey {
    /// Its id.
    pub id: EventId,
    /// The canonical id of its user.
    pub user_id: String,
}

/// Some events of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysSlice {
    /// Oldest first.
    pub keys: Vec<EventKey>,
    /// There may be more after the last of these.
    pub more: bool,
}

/// Reads the keys of a partition within `range`, oldest first. A slice may be empty and still have more after it:
/// only then it is read on here.
pub(super) async fn keys(
    store: &EventStore,
    partition: &Partition,
    range: IdRange,
    limit: usize,
) -> Result<KeysSlice, Error> {
    let Some(query) = query(store, partition, range) else { return Ok(KeysSlice { keys: Vec::new(), more: false }) };
    let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
    let mut query = query.projection_expression("#id, #user_id").expression_attribute_names("#user_id", USER_ID);
    loop {
        let response = send(query.clone()).await?;
        let keys = response.items.unwrap_or_default().iter().map(key_of).collect::<Result<Vec<_>, _>>()?;
        let more = response.last_evaluated_key.is_some();
        if !more || !keys.is_empty() {
            return Ok(KeysSlice { keys, more });
        }
        query = query.set_exclusive_start_key(response.last_evaluated_key);
    }
}

/// The newest ids of a partition within `range`, at most `limit`, and at most what DynamoDB reads at once.
pub(super) async fn newest_ids(
    store: &EventStore,
    partition: &Partition,
    range: IdRange,
    limit: usize,
) -> Result<Seen, Error> {
    let mut seen = Seen { partition: partition.clone(), ids: Vec::new(), finished: true, units: 0.0 };
    let Some(query) = query(store, partition, range) else { return Ok(seen) };
    let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX)).scan_index_forward(false);
    let response = send(query.projection_expression("#id")).await?;
    seen.units = units(&response);
    seen.finished = response.last_evaluated_key.is_none();
    seen.ids = response.items.unwrap_or_default().iter().map(id_of).collect::<Result<Vec<_>, _>>()?;
    Ok(seen)
}

/// The read units that a Query took.
fn units(response: &QueryOutput) -> f64 {
    response.consumed_capacity().and_then(ConsumedCapacity::capacity_units).unwrap_or_default()
}

fn key_of(item: &Item) -> Result<EventKey, Error> {
    Ok(EventKey { id: id_of(item)?, user_id: user_id_of(item)?.to_owned() })
}

/// The query of one partition within `range`; `None` when the range is empty.
fn query(store: &EventStore, partition: &Partition, range: IdRange) -> Option<QueryFluentBuilder> {
    let (first, last) = range.bounds()?;
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("#partition = :partition AND #id BETWEEN :first AND :last")
        .expression_attribute_names("#id", ID)
        .expression_attribute_values(":first", AttributeValue::S(first))
        .expression_attribute_values(":last", AttributeValue::S(last))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
    let (query, name, value) = match partition {
        Partition::Shard(shard) => (query.consistent_read(true), SHARD, shard_key(*shard)),
        Partition::User(user_id) => (query.index_name(USER_INDEX), USER_ID, AttributeValue::S(user_id.clone())),
    };
    Some(query.expression_attribute_names("#partition", name).expression_attribute_values(":partition", value))
}

/// How many rows to ask of each lane so that one round nearly always yields `rows` in all.
///
/// Ids are spread evenly, so the newest `rows` lie over n lanes as m = rows/n each, give or take √m: a margin of
/// two standard deviations and one. A single lane needs no margin, only one row more, to tell whether it ends.
fn lane_limit(rows: usize, lanes: usize) -> i32 {
    let limit = if lanes <= 1 {
        rows.saturating_add(1)
    } else {
        let mean = rows as f64 / lanes as f64;
        (mean + 2.0 * mean.sqrt() + 1.0).ceil() as usize
    };
    i32::try_from(limit).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_asked_for_its_share_and_a_margin() {
        for (rows, lanes, expected) in [
            (10, 4, 7),
            (1000, 4, 283),
            (1000, 16, 80),
            (1, 16, 2),
            (10, 1, 11),
            (usize::MAX, 1, i32::MAX),
            (usize::MAX, 4, i32::MAX),
        ] {
            assert_eq!(lane_limit(rows, lanes), expected, "{rows} rows in {lanes} lanes");
        }
    }
}
