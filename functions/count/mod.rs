//! Totals, and the path from a page number to an id, at a cost that grows neither with the log nor
//! with the load.
//!
//! # Three ranges
//!
//! A list distinguishes three ranges of ids, by the reader's clock:
//!
//! | range | events that happened | counted |
//! |---|---|---|
//! | older | more than [`LIVE_WINDOW`] ago | by the count index |
//! | live | between [`LIVE_WINDOW`] ago and [`LIVE_WINDOW_AHEAD`] from now | on the events table, within a budget |
//! | ahead | later than that | by the count index, whose roots usually say that there is nothing |
//!
//! The count index is a [`trie`] of event ids for each partition, stored in the `counts` table.
//! [`Indexer`] maintains it. An event enters it through the stream of the events table. An event
//! that is *late* (older than [`LATE`] when it has been recorded) or *ahead* (further in the future
//! than [`EARLY`]) enters it before its 201: see [`is_late_or_ahead`].
//!
//! # Why a total is exact
//!
//! The ranges are disjoint and without a gap, so no event counts twice. A total is never too high:
//! the count index counts no key that it was not given, and the table shows no event that does not
//! exist.
//!
//! An acknowledged event counts. Assume that it was put at time p, by its writer's clock, and that
//! it is listed less than 10 s after that, by a clock that is at most 2 s apart. After 10 s the
//! stream has delivered it to the count index.
//!
//! - *It was late or ahead.* It entered the count index before its 201. If it lies in the live
//!   window all the same, it is read on the table, where it has been since p.
//! - *It was on time.* It happened between 5 s before its acknowledgement and 20 s after it. For
//!   the reader that is at most 5 + 10 + 2 s ago, and at most 20 + 2 s from now. The live window
//!   reaches from 20 s ago to 30 s from now, so the event lies in it.
//!
//! The two directions of time differ in one point. An event that is late becomes later while it
//! waits to be acknowledged, so it is judged after its put. An event that is ahead becomes less so,
//! and at the latest when the reader's live window reaches it, it is read on the table.
//!
//! # The budget
//!
//! One Query a partition reads the live window. It may take some 50 read units over all shards for
//! a total, and some 240 for the place of a page by number. If the size of the newest items is not
//! known, one item is read first.
//!
//! If a Query does not reach the end of its live window, let B be the oldest id that it read, or
//! the newest such id of several partitions. Three parts are counted then: what is ahead by the
//! count index, the ids from B on as read, and *what the count index has below B*. The count index
//! trails there by some seconds, so the total can be too low, and the response says so.
//!
//! Total and rank use the same three parts. So page 1, which is read from the table, and page 2,
//! whose place is a rank, meet without a gap. Counting everything by the count index instead would
//! skip hundreds of events between them in a burst.
//!
//! # When the count index is not ready
//!
//! The count index is an accelerator. The events of a partition whose trie is not ready are counted
//! from the table or the GSI, and so are all events if the count index cannot be right. That is
//! slower, and never wrong.
//!
//! # Besides
//!
//! A [`Histogram`] counts many ranges of time as one total is counted, in one descent of the tries.
//! The counts table also keeps the values of two fields as suggestions: see [`FacetNotes`].
//!
//! [`LATE`]: crate::limits::LATE
//! [`EARLY`]: crate::limits::EARLY
//! [`LIVE_WINDOW`]: crate::limits::LIVE_WINDOW
//! [`LIVE_WINDOW_AHEAD`]: crate::limits::LIVE_WINDOW_AHEAD

mod backfill;
mod building;
mod facets;
mod histogram;
mod index;
mod item;
mod live;
mod locate;
mod nodes;
mod range;
mod reader;
mod reconcile;
mod schema;
mod scope_index;
mod size;
mod table;
pub mod trie;

use trie::LaneId;

use crate::store::{Error, Partition};

pub use facets::{FACET_FIELDS, FacetNotes, MAX_FACET_VALUES, facet_values};
pub use histogram::Histogram;
pub use index::{Added, Indexer};
pub use live::LivePart;
pub use locate::Located;
pub use nodes::ScopeNodes;
pub use range::is_late_or_ahead;
pub use reader::{Count, Total};
pub use reconcile::Difference;
pub use scope_index::ScopeIndex;
pub use table::CountsTable;

/// A partition of the GSI with more events than this gets a trie. Counting so many keys costs at
/// most about 19 read units.
pub const MAX_UNINDEXED_EVENTS: u64 = 1000;

/// Why the count index could not be read or written.
pub type IndexError = trie::Error<Error>;

/// How many events are read and added at a time: about 1 MB of them, which is what a Query returns.
const SLICE: usize = 1000;

/// How many shards have a trie, as far as the roots of all shards say: up to the highest one.
fn started_shards(roots: &[(LaneId, trie::Entry)]) -> u8 {
    let highest = roots.iter().map(|(shard, _)| *shard).max();
    match highest {
        Some(shard) => shard + 1,
        None => 0,
    }
}

/// The number of a partition's trie within its scope. A partition of the GSI is alone in its scope.
fn lane_of(partition: &Partition) -> LaneId {
    match partition {
        Partition::Shard(shard) => *shard,
        Partition::With(_) => 0,
    }
}
