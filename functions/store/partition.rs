//! Scopes and the partitions they consist of.
//!
//! This is the one place that says which partitions an event belongs to. The count index, its
//! backfill and the rebuild iterate over [`EventStore::partitions_of`], so a new field to filter by
//! starts here.

use aws_sdk_dynamodb::types::AttributeValue;

use super::EventStore;
use super::schema::{SHARD, gsi};
use super::stored::shard_key;
use crate::event::{EventId, FieldValue, IdRange, Order};

/// Whose events a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The events of everyone: all shards of the table, read strongly consistent.
    Everyone,
    /// The events with one value of a field: one partition of the field's GSI, read eventually
    /// consistent as each GSI is.
    With(FieldValue),
}

/// The events that a list is about: those of a scope with an id in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Whose events.
    pub scope: Scope,
    /// The range of their ids, which is a range of time.
    pub range: IdRange,
    /// In which order the list shows them.
    pub order: Order,
}

impl Selection {
    /// The events of the same scope in another range.
    #[must_use]
    pub fn in_range(&self, range: IdRange) -> Selection {
        Selection {
            scope: self.scope.clone(),
            range,
            order: self.order,
        }
    }

    /// The events that the list shows after `id`.
    #[must_use]
    pub fn after(&self, id: EventId) -> Selection {
        self.in_range(self.range.after(id, self.order))
    }
}

/// A part of the store that one Query reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// A shard of the table, by number.
    Shard(u8),
    /// The events with one value of a field, in the field's GSI.
    With(FieldValue),
}

/// How a Query names a partition.
pub(super) struct PartitionKey {
    /// The GSI, or none for the table itself.
    pub gsi: Option<&'static str>,
    /// The name of the partition key.
    pub attribute: &'static str,
    /// Its value.
    pub value: AttributeValue,
}

impl Partition {
    /// The scope that the partition is a part of.
    pub fn scope(&self) -> Scope {
        match self {
            Partition::Shard(_) => Scope::Everyone,
            Partition::With(value) => Scope::With(value.clone()),
        }
    }

    /// Whether the partition lies in a GSI, which has no documents and lags behind the table.
    pub fn is_in_gsi(&self) -> bool {
        match self {
            Partition::Shard(_) => false,
            Partition::With(_) => true,
        }
    }

    pub(super) fn key(&self) -> PartitionKey {
        match self {
            Partition::Shard(shard) => PartitionKey {
                gsi: None,
                attribute: SHARD,
                value: shard_key(*shard),
            },
            Partition::With(value) => PartitionKey {
                gsi: Some(gsi(value.field())),
                attribute: value.field().name(),
                value: AttributeValue::S(value.to_string()),
            },
        }
    }
}

/// The attributes of an event that decide which partitions it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKey {
    /// The id of the event.
    pub id: EventId,
    /// The values of the event by which lists can be filtered.
    pub values: Vec<FieldValue>,
}

impl EventStore {
    /// The partitions of a scope: the shards that are written to, or one partition of a GSI.
    pub fn partitions(&self, scope: &Scope) -> Vec<Partition> {
        match scope {
            Scope::Everyone => (0..self.shards.get()).map(Partition::Shard).collect(),
            Scope::With(value) => vec![Partition::With(value.clone())],
        }
    }

    /// The partitions that an event belongs to: its shard, and one in each GSI that has it.
    pub fn partitions_of(&self, event: &EventKey) -> Vec<Partition> {
        let mut partitions = vec![Partition::Shard(event.id.shard())];
        let indexed = event
            .values
            .iter()
            .filter(|value| self.filters().contains(value.field()));
        partitions.extend(indexed.cloned().map(Partition::With));
        partitions
    }
}
