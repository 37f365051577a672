//! A walk over partitions, merged by id in the order of a list: all shards, or one partition of a
//! GSI.

use std::collections::VecDeque;
use std::marker::PhantomData;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures_util::future::try_join_all;

use super::attributes::Item;
use super::query::{ID_ONLY, query, read_units, send};
use super::stored::{WHOLE_EVENT, id_of};
use super::{Error, EventStore, Partition, Seen, StoredEvent};
use crate::event::{EventId, IdRange, Order};

/// What a walk reads of each event.
pub(super) trait Record: Sized {
    /// The projection of an item to the attributes that it is read from.
    const PROJECTION: &'static str;

    /// Reads it from an item that has these attributes.
    fn from_item(item: &Item) -> Result<Self, Error>;
}

impl Record for StoredEvent {
    const PROJECTION: &'static str = WHOLE_EVENT;

    fn from_item(item: &Item) -> Result<StoredEvent, Error> {
        StoredEvent::from_item(item)
    }
}

impl Record for EventId {
    const PROJECTION: &'static str = ID_ONLY;

    fn from_item(item: &Item) -> Result<EventId, Error> {
        id_of(item)
    }
}

/// An item met on a walk, not read yet.
pub(super) struct Row<R> {
    id: EventId,
    item: Item,
    record: PhantomData<R>,
}

impl<R: Record> Row<R> {
    pub fn read(&self) -> Result<R, Error> {
        R::from_item(&self.item)
    }
}

/// A merged, lazy walk over partitions.
///
/// Each partition has a buffer of rows. The walk passes on the first row of all buffers, by the
/// order, and fills all empty buffers at once before that.
pub(super) struct Walk<R> {
    store: EventStore,
    range: IdRange,
    order: Order,
    limit: i32,
    parts: Vec<Part<R>>,
}

/// The part of a walk that lies in one partition.
struct Part<R> {
    partition: Partition,
    query: QueryFluentBuilder,
    rows: VecDeque<Row<R>>,
    /// Whether nothing is left after `rows`.
    finished: bool,
    /// The ids of all rows that were read, in the order of the walk.
    read: Vec<EventId>,
    /// The read units consumed.
    units: f64,
}

impl<R: Record> Walk<R> {
    /// A walk that is expected to take `rows` rows. It can be asked for more.
    pub fn new(
        store: &EventStore,
        partitions: Vec<Partition>,
        range: IdRange,
        order: Order,
        rows: usize,
    ) -> Walk<R> {
        let mut walk = Walk {
            store: store.clone(),
            range,
            order,
            limit: partition_limit(rows, partitions.len()),
            parts: Vec::new(),
        };
        walk.extend(partitions);
        walk
    }

    /// Takes more partitions into the walk, before it has passed on any row.
    pub fn extend(&mut self, partitions: Vec<Partition>) {
        for partition in partitions {
            let Some(query) = query(&self.store, &partition, self.range) else {
                continue;
            };
            let query = query
                .limit(self.limit)
                .scan_index_forward(self.order == Order::Ascending)
                .projection_expression(R::PROJECTION);
            self.parts.push(Part {
                partition,
                query,
                rows: VecDeque::new(),
                finished: false,
                read: Vec::new(),
                units: 0.0,
            });
        }
    }

    /// Queries every partition whose buffer is empty, all at once.
    ///
    /// A partition may hold the next row until it has responded. So nothing is passed on before
    /// every partition has a row or is at its end. A page of a Query can be empty and still not be
    /// the last.
    pub async fn fill(&mut self) -> Result<(), Error> {
        while self.parts.iter().any(Part::is_dry) {
            let dry = self.parts.iter_mut().filter(|part| part.is_dry());
            try_join_all(dry.map(Part::fill)).await?;
        }
        Ok(())
    }

    /// The next row, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Row<R>>, Error> {
        self.fill().await?;
        let parts = self.parts.iter_mut().filter(|part| !part.rows.is_empty());
        let next = match self.order {
            Order::Descending => parts.max_by_key(|part| part.first()),
            Order::Ascending => parts.min_by_key(|part| part.first()),
        };
        Ok(next.and_then(|part| part.rows.pop_front()))
    }

    /// What the walk has read so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.parts.iter().map(Part::seen).collect()
    }
}

impl<R> Part<R> {
    fn is_dry(&self) -> bool {
        self.rows.is_empty() && !self.finished
    }

    fn first(&self) -> Option<EventId> {
        self.rows.front().map(|row| row.id)
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let output = send(self.query.clone()).await?;
        self.units += read_units(&output);
        self.finished = output.last_evaluated_key.is_none();
        self.query = self
            .query
            .clone()
            .set_exclusive_start_key(output.last_evaluated_key);
        for item in output.items.unwrap_or_default() {
            let id = id_of(&item)?;
            self.read.push(id);
            self.rows.push_back(Row {
                id,
                item,
                record: PhantomData,
            });
        }
        Ok(())
    }

    fn seen(&self) -> Seen {
        Seen {
            partition: self.partition.clone(),
            ids: self.read.clone(),
            finished: self.finished,
            units: self.units,
        }
    }
}

/// How many rows to ask of each partition so that one round trip nearly always yields `rows`.
///
/// Ids are spread evenly. Of the newest `rows` rows, each of n partitions has m = rows/n, with a
/// standard deviation of √(m·(1 − 1/n)). The limit has a margin of two and a half standard deviations,
/// and one row more: a walk needs the next row of each partition before it passes on the last of the
/// page.
fn partition_limit(rows: usize, partitions: usize) -> i32 {
    let partitions = partitions.max(1) as f64;
    let mean = rows as f64 / partitions;
    let deviation = (mean * (1.0 - 1.0 / partitions)).sqrt();
    let limit = (mean + 2.5 * deviation + 1.0).ceil();
    // A float that is too large becomes the largest number.
    limit as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_asked_for_its_share_and_a_margin() {
        for (rows, partitions, expected) in [
            (10, 2, 10),
            (10, 4, 7),
            (1000, 4, 286),
            (1000, 16, 83),
            (1, 16, 2),
            (10, 1, 11),
            (usize::MAX, 1, i32::MAX),
            (usize::MAX, 4, i32::MAX),
        ] {
            let limit = partition_limit(rows, partitions);
            assert_eq!(limit, expected, "{rows} rows in {partitions} partitions");
        }
    }
}
