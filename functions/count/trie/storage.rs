//! What the trie asks of a storage.

use std::future::Future;

use super::{Node, Prefix};

/// One of the tries that share a scope and are read together: a shard's number, or 0 for a user's
/// only one.
pub type LaneId = u8;

/// A node as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts the writes: 0 is a node that is not stored yet.
    pub version: u64,
    /// What it says.
    pub node: Node,
    /// On a root, how far the lane can be trusted.
    pub state: Option<State>,
}

/// How far a lane can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The events that were there before the lane are still being added: read the log itself.
    Building {
        /// When the lane was started, in milliseconds since 1970.
        since_millis: u64,
        /// All keys below this one have been added.
        next: u128,
    },
    /// Every event is in it once it was delivered.
    Ready,
}

/// What became of a compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The node is what was asked for.
    Done,
    /// Somebody else was faster: this is there now.
    Lost(Option<Entry>),
}

/// Where the nodes of one scope are kept.
///
/// Reads see every write that was answered before they began (DynamoDB: strongly consistent reads).
/// An applier can bear a stale node all the same: its swap is lost, and what it lost to is merged.
/// It cannot bear not to see a root.
pub trait Storage: Sync {
    /// Why it failed.
    type Error: Send;

    /// The nodes of all lanes at `prefix`.
    fn level(
        &self,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Vec<(LaneId, Entry)>, Self::Error>> + Send;

    /// One lane's node at `prefix`.
    fn node(
        &self,
        lane: LaneId,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;

    /// Stores `entry` under the next version, if the stored one still has `entry`'s version.
    fn swap(
        &self,
        lane: LaneId,
        prefix: Prefix,
        entry: &Entry,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;
}

impl Entry {
    /// A node that is not stored yet.
    pub const ABSENT: Entry = Entry {
        version: 0,
        node: Node::EMPTY,
        state: None,
    };
}
