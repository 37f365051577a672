//! Scopes and the partitions they consist of.
//!
//! This is the one place that says which partitions an event belongs to. The count index, its
//! backfill and the rebuild iterate over [`EventKey::partitions`], so a new dimension starts here.

use aws_sdk_dynamodb::types::AttributeValue;

use super::schema::{SHARD, USER_ID, USER_INDEX};
use super::stored::shard_key;
use crate::event::{EventId, IdRange, UserId};

/// Whose events a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The events of everyone: all shards of the table, read strongly consistent.
    Everyone,
    /// The events of one user: one partition of the GSI, read eventually consistent as each GSI is.
    User(UserId),
}

/// The events that a list is about: those of a scope with an id in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Whose events.
    pub scope: Scope,
    /// The range of their ids, which is a range of time.
    pub range: IdRange,
}

impl Selection {
    /// The events of the same scope in another range.
    #[must_use]
    pub fn in_range(&self, range: IdRange) -> Selection {
        Selection {
            scope: self.scope.clone(),
            range,
        }
    }
}

/// A part of the store that one Query reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// A shard of the table, by number.
    Shard(u8),
    /// The events of a user in the GSI.
    User(UserId),
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
            Partition::User(user_id) => Scope::User(user_id.clone()),
        }
    }

    /// Whether the partition lies in a GSI, which has keys only and lags behind the table.
    pub fn is_in_gsi(&self) -> bool {
        match self {
            Partition::Shard(_) => false,
            Partition::User(_) => true,
        }
    }

    pub(super) fn key(&self) -> PartitionKey {
        match self {
            Partition::Shard(shard) => PartitionKey {
                gsi: None,
                attribute: SHARD,
                value: shard_key(*shard),
            },
            Partition::User(user_id) => PartitionKey {
                gsi: Some(USER_INDEX),
                attribute: USER_ID,
                value: AttributeValue::S(user_id.to_string()),
            },
        }
    }
}

/// The attributes of an event that decide which partitions it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKey {
    /// The id of the event.
    pub id: EventId,
    /// The user of the event.
    pub user_id: UserId,
}

impl EventKey {
    /// The partitions that the event belongs to: its shard, and one for each GSI.
    pub fn partitions(&self) -> [Partition; 2] {
        [
            Partition::Shard(self.id.shard()),
            Partition::User(self.user_id.clone()),
        ]
    }
}
