//! Totals, and the way from a page number to an id, at a cost that grows neither with the log nor with what is written.
//!
//! # Three ranges
//!
//! A list tells three ranges of ids apart, by the reader's clock:
//!
//! | range | events that happened | counted |
//! |---|---|---|
//! | older | more than [`EDGE`] ago | by the index |
//! | live | between [`EDGE`] ago and [`AHEAD`] from now | on the events table, within a budget |
//! | ahead | later than that | by the index; as a rule the roots alone tell that there is nothing |
//!
//! The index is a [`trie`] of event ids in the `counts` table, which [`Indexer`] keeps. An event enters it through the
//! table's stream, or before its 201, if it is *late* (older than [`LATE`] once it is recorded) or *ahead* (further in the
//! future than [`EARLY`]): see [`is_late_or_ahead`].
//!
//! # Why a total is exact
//!
//! The ranges are disjoint and without a gap, so no event counts twice, and a total is never above the truth: the index
//! counts no key that was not given to it, and the table shows no event that is not there.
//!
//! An event that was acknowledged counts. Let it have been put at time p, by its writer's clock, and be listed less than
//! 10 s after that, by a clock that is at most 2 s apart. After 10 s the stream has delivered it to the index.
//!
//! - *It was late or ahead.* It entered the index before its 201. Where it lies in the live window all the same, it is read
//!   on the table, where it has been since p.
//! - *It was on time.* It happened between 5 s before its acknowledgement and 20 s after it. For the reader that is at most
//!   5 + 10 + 2 s ago, and at most 20 + 2 s from now: in the live window, which reaches from 20 s ago to 30 s from now.
//!
//! Both are mirror images of each other but for the direction of time. An event that is late becomes later while it waits
//! to be acknowledged, so it is judged after its put. One that is ahead becomes less so, and at the latest when the reader's
//! live window reaches it, it is read on the table.
//!
//! # The budget
//!
//! The live window is read by one Query a partition: of some 50 read units over all shards for a total, and of some 240 for
//! the place of a page by number. Where the size of the newest items is not known, one item is read
//! first. Where a Query does not reach the end of its live window, let B be the oldest id that it read, or the
//! newest such id of several partitions. Counted are then what is ahead by the index, the ids from B on as read, and *what
//! the index has below B*. The index trails there by some seconds, so the total can be too low, and says so.
//!
//! Total and rank use the same three parts. So page 1, which is read from the table, and page 2, whose place is a rank, meet
//! without a gap. Asking the index about everything instead would pass over hundreds of events between them in a burst.
//!
//! # When the index is not there
//!
//! The index is an accelerator. The events of a lane that is not ready are counted themselves, and all of them where
//! something is wrong with it: slower, and never wrong.

mod index;
mod live;
mod range;
mod reader;
mod reconcile;
mod size;
mod table;
pub mod trie;

pub use index::{Added, IndexError, Indexer, SETTLE};
pub use range::{AHEAD, EARLY, EDGE, LATE, is_late_or_ahead};
pub use reader::{Count, Located, ScopeIndex, Total};
pub use reconcile::Difference;
pub use table::{CountsTable, Lanes};
use trie::Lane;

use crate::store::Partition;

/// A user with more events than this gets a trie. Counting so many keys costs at most about 19 read units.
pub const MAX_UNINDEXED_EVENTS: u64 = 1000;

/// How many shards have a lane, as far as the roots of everyone's lanes tell: up to the highest one.
fn started_shards(roots: &[(Lane, trie::Entry)]) -> u8 {
    roots.iter().map(|(shard, _)| shard + 1).max().unwrap_or(0)
}

/// The lane that counts a partition: a user has only one.
fn lane_of(partition: &Partition) -> Lane {
    match partition {
        Partition::Shard(shard) => *shard,
        Partition::User(_) => 0,
    }
}
