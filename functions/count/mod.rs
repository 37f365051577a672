//! Totals, and the way from a page number to an id, at a cost that does not grow with the log.
//!
//! Events that happened less than [`EDGE`] ago are counted live on the events table, strongly consistent. Those
//! before come from the index: a [`trie`] of event ids in the `counts` table, which [`Indexer`] keeps. An event
//! enters it through the table's stream, or, if it is older than [`LATE`] when it is recorded, before its 201.
//!
//! The index is an accelerator. The events of a lane that is not ready are counted themselves, and all of them where
//! something is wrong with it: slower, and never wrong.

mod audit;
mod index;
mod reader;
mod table;
pub mod trie;

use std::time::Duration;

pub use audit::Difference;
pub use index::{Added, IndexError, Indexer, SETTLE};
pub use reader::{Count, Located};
pub use table::{CountsTable, Lanes};
use trie::Lane;

use crate::log::Partition;

/// An event that is older than this when it is recorded is added to the index before it is acknowledged.
pub const LATE: Duration = Duration::from_secs(5);
/// Events younger than this are counted live. Between [`LATE`] and this the stream has 10 s to deliver an event.
pub const EDGE: Duration = Duration::from_secs(15);
/// A user with more events than this gets a trie. Counting so many keys costs at most about 19 read units.
pub const USER_EVENTS_LIVE_MAX: u64 = 1000;

/// The lane that counts a partition: a user has only one.
fn lane_of(partition: &Partition) -> Lane {
    match partition {
        Partition::Shard(shard) => *shard,
        Partition::User(_) => 0,
    }
}
