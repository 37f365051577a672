//! The interface to the storage of tries.

use std::future::Future;

use super::{Node, Prefix};

/// The number of a trie within its scope: the number of a shard, or 0 for the only trie of a user.
pub type LaneId = u8;

/// A node as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How often the node was written. It is 0 if the node is not stored yet.
    pub version: u64,
    /// The node itself.
    pub node: Node,
    /// On a root, how far the trie can be trusted.
    pub state: Option<State>,
}

/// How far a trie can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Events from before the trie was started are still being added. Read the table or the GSI.
    Building {
        /// When the trie was started, in milliseconds since 1970.
        since_millis: u64,
        /// All keys below this one have been added.
        next: u128,
    },
    /// Every delivered event is in the trie.
    Ready,
}

/// The outcome of a compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new node is stored.
    Done,
    /// Another writer was faster. This is the entry that is stored now.
    Lost(Option<Entry>),
}

/// The storage of the nodes of one scope.
///
/// A read must see every write that was acknowledged before it began, so reads from DynamoDB are
/// strongly consistent. An applier tolerates a node that is out of date: its swap is lost, and it
/// merges with the node that won. It does not tolerate a root that it cannot see.
pub trait Storage: Sync {
    /// The failure of an operation.
    type Error: Send;

    /// The nodes of all tries at `prefix`.
    fn level(
        &self,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Vec<(LaneId, Entry)>, Self::Error>> + Send;

    /// The node of one trie at `prefix`.
    fn node(
        &self,
        lane: LaneId,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;

    /// The node of one trie at `prefix`, or an earlier version of it, or none although there is one.
    /// This is enough for an applier, and DynamoDB charges half for it. A storage without such a
    /// read gives the node.
    fn node_or_earlier(
        &self,
        lane: LaneId,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send {
        self.node(lane, prefix)
    }

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
