//! Counting in a set of 128-bit keys that only grows: rank and select at a cost that does not grow
//! with it.
//!
//! # The structure
//!
//! A scope has one [`Trie`] for each of its partitions, which this module knows by number only: see
//! [`LaneId`]. A **leaf** holds the set of keys below its [`Prefix`]. A leaf that would exceed
//! [`MAX_LEAF_KEYS`] becomes an **inner** node, which holds how many keys lie below each next
//! [`Digit`]. Every write is a compare-and-swap of one node on its version. [`Storage`] is all that
//! is asked of a database.
//!
//! # Why it is exact
//!
//! Let K be the set of keys that were ever given to [`Trie::apply`].
//!
//! *Never more.* A leaf is only ever replaced by a union of itself and given keys, or by counts of
//! children that hold at least its keys. A count is only ever raised to the number that a child
//! held at some time, and the keys of a child are never removed. So, by induction over the height,
//! a node counts no key that is not in K. It counts none twice either, because each key has one
//! place below a prefix.
//!
//! *Never less, in the end.* Once a delivery of a key has succeeded, the leaf that holds it was
//! swapped in. On the path up, each node was swapped, or found, to count at least what its child
//! counted then. Both operations are joins in a semilattice (union of sets, maximum of counts), so
//! they are idempotent, commutative and monotone. Nothing that happens before, during or after can
//! undo that: another order, other batches, the same key again, several appliers, or one that died
//! halfway. Once each key was delivered successfully at least once, each leaf holds all of its keys
//! and each count is at least its child's. With the first half, they are equal.
//!
//! *A lost swap loses nothing.* An applier that loses a swap merges again with what won. When a
//! leaf splits, its children are written first. A key that reaches the leaf in between makes the
//! split lose, and repeat with that key.
//!
//! So a delivery needs no order, no checkpoint, no transaction and no deduplication.

mod apply;
mod handle;
mod intervals;
mod node;
mod prefix;
mod read;
mod repair;
mod select;
mod state;
mod storage;

pub use handle::Trie;
pub use node::{Node, Side, Summary, Unpackable};
pub use prefix::{Digit, Prefix};
pub use read::Tries;
pub use repair::Miscount;
pub use select::RankPath;
pub use storage::{Entry, LaneId, State, Storage, Swap};

/// How many keys a leaf holds at most. Packed, a full one takes 4 or 5 write units, and so does
/// every write to it.
pub const MAX_LEAF_KEYS: usize = 256;
/// The bytes of a key.
pub const KEY_BYTES: usize = 16;
/// How often a compare-and-swap is repeated. Each loss means that another write succeeded.
const MAX_SWAPS: usize = 64;

/// A failure of a trie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] E),
    /// The root of the trie was deleted during the operation. Start the trie again.
    #[error("the trie was deleted")]
    Deleted,
    /// Other writers changed this node again and again. Try again later.
    #[error("the node at \"{0}\" was changed by others {MAX_SWAPS} times in a row")]
    Contended(Prefix),
    /// A node is missing, or holds less than is counted above it. Rebuild the count index.
    #[error("the node at \"{0}\" is missing or incomplete; rebuild the count index")]
    Broken(Prefix),
}
