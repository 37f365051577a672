//! Reading the keys of events, and counting them.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use futures_util::future::try_join_all;

use super::query::{ID_ONLY, query, read_units, send};
use super::stored::{id_of, key_of};
use super::walk::Walk;
use super::{Error, EventKey, EventStore, Partition};
use crate::event::{EventId, Field, IdRange, Order};

/// What has been read of one partition, from the newest event of a range on.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The partition.
    pub partition: Partition,
    /// The ids that were read, newest first and without a gap.
    pub ids: Vec<EventId>,
    /// Whether the range has no older ones.
    pub finished: bool,
    /// The read units consumed.
    pub units: f64,
}

impl Seen {
    /// The part of `range` below what was read.
    pub fn rest(&self, range: IdRange) -> IdRange {
        match self.ids.last() {
            Some(oldest) => range.below(*oldest),
            None => range,
        }
    }
}

/// Some keys of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysSlice {
    /// Oldest first.
    pub keys: Vec<EventKey>,
    /// Whether more may follow the last of these.
    pub more: bool,
}

impl EventStore {
    /// How many events of these partitions have an id in `range`. Counting costs as many read units
    /// as reading the events does.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn count_in(&self, partitions: &[Partition], range: IdRange) -> Result<u64, Error> {
        let queries = partitions
            .iter()
            .filter_map(|partition| query(self, partition, range));
        let counts = queries.map(|query| count_pages(query.select(Select::Count)));
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// Whether a partition has more events than `limit`. Reads no more keys than that takes.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn has_more_than(&self, partition: &Partition, limit: u64) -> Result<bool, Error> {
        let id = self
            .id_at(
                vec![partition.clone()],
                IdRange::ALL,
                Order::Descending,
                limit,
            )
            .await?;
        Ok(id.is_some())
    }

    /// The id at `rank` (0 is the first in `order`) among the events of these partitions in `range`,
    /// found by walking there. `None` past the end.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not give the complete result.
    pub async fn id_at(
        &self,
        partitions: Vec<Partition>,
        range: IdRange,
        order: Order,
        rank: u64,
    ) -> Result<Option<EventId>, Error> {
        let rows = usize::try_from(rank)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let mut walk = Walk::<EventId>::new(self, partitions, range, order, rows);
        let mut skipped = 0;
        while let Some(row) = walk.next().await? {
            if skipped == rank {
                return row.read().map(Some);
            }
            skipped += 1;
        }
        Ok(None)
    }

    /// The newest ids of one partition within `range`: one Query of at most `limit` keys, and at
    /// most the 1 MB that DynamoDB reads at once.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn newest_ids(
        &self,
        partition: &Partition,
        range: IdRange,
        limit: usize,
    ) -> Result<Seen, Error> {
        let mut seen = Seen {
            partition: partition.clone(),
            ids: Vec::new(),
            finished: true,
            units: 0.0,
        };
        let Some(query) = query(self, partition, range) else {
            return Ok(seen);
        };
        let query = query
            .limit(query_limit(limit))
            .scan_index_forward(false)
            .projection_expression(ID_ONLY);
        let output = send(query).await?;
        seen.units = read_units(&output);
        seen.finished = output.last_evaluated_key.is_none();
        for item in output.items.unwrap_or_default() {
            seen.ids.push(id_of(&item)?);
        }
        Ok(seen)
    }

    /// The keys of the events of one partition within `range`, oldest first: at most `limit`, and
    /// at most the 1 MB that DynamoDB reads at once.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn keys(
        &self,
        partition: &Partition,
        range: IdRange,
        limit: usize,
    ) -> Result<KeysSlice, Error> {
        let Some(query) = query(self, partition, range) else {
            return Ok(KeysSlice {
                keys: Vec::new(),
                more: false,
            });
        };
        let mut query = query
            .limit(query_limit(limit))
            .projection_expression("#id, #user_id, #event_type, #src_service")
            .expression_attribute_names("#user_id", Field::UserId.name())
            .expression_attribute_names("#event_type", Field::EventType.name())
            .expression_attribute_names("#src_service", Field::SrcService.name());
        loop {
            let output = send(query.clone()).await?;
            let mut keys = Vec::new();
            for item in output.items.unwrap_or_default() {
                keys.push(key_of(&item)?);
            }
            // A page can be empty and still not be the last.
            let more = output.last_evaluated_key.is_some();
            if !more || !keys.is_empty() {
                return Ok(KeysSlice { keys, more });
            }
            query = query.set_exclusive_start_key(output.last_evaluated_key);
        }
    }
}

/// Adds up the counts of all pages of a Query.
async fn count_pages(mut query: QueryFluentBuilder) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let output = send(query.clone()).await?;
        total += u64::try_from(output.count).unwrap_or(0);
        if output.last_evaluated_key.is_none() {
            return Ok(total);
        }
        query = query.set_exclusive_start_key(output.last_evaluated_key);
    }
}

fn query_limit(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
