//! Counting in a set of 128-bit keys that only ever grows: rank and select at a cost that does not grow with it.
//!
//! # The structure
//!
//! A scope has one trie for each of its **lanes**. A **leaf** holds the set of keys below its [`Prefix`]; one that
//! would exceed [`MAX_LEAF_KEYS`] becomes an **inner** node, which holds how many keys lie below each next step.
//! Every write is a compare-and-swap of one node on its version. [`Storage`] is all that is asked of a database.
//!
//! # Why it is exact
//!
//! Let K be the set of keys that were ever given to [`apply`].
//!
//! *Never more.* A leaf is only ever replaced by a union of itself and given keys, or by counts of children that
//! hold at least its keys. A count is only ever raised to what a child held at some time, and a child's keys are
//! never taken away. So by induction over the height a node counts no key that is not in K, and none twice: below
//! one prefix each key has one place.
//!
//! *Never less, in the end.* Once a delivery of a key has succeeded, the leaf that holds it was swapped in, and on
//! the way up each node was swapped, or found, to count at least what its child counted then. Both operations are
//! joins in a semilattice (union of sets, maximum of counts): idempotent, commutative and monotone. So whatever
//! else happens before, meanwhile or after (another order, another cut into batches, the same key again, several
//! appliers, one that died half-way) cannot take it back; and once each key was delivered successfully at least
//! once, each leaf holds all of its keys, each count is at least its child's, and with the first half: equal.
//!
//! *A swap that is lost loses nothing.* Whoever loses merges again with what won. When a leaf splits, its children
//! are written first; a key that reaches the leaf in between makes the split lose, and repeat with that key.
//!
//! No order, no checkpoint, no transaction and no deduplication is needed of whoever delivers.

mod apply;
mod lane;
mod node;
mod prefix;
mod read;
mod repair;
mod select;
mod storage;

pub use apply::{apply, apply_from};
pub use lane::{advance, finish, start};
pub use node::{Below, Node, Side, Unpackable};
pub use prefix::{Prefix, Step};
pub use read::{Roots, count, rank};
pub use repair::{Miscount, keys, recount, remove};
pub use select::Before;
pub use storage::{Entry, Lane, State, Storage, Swap};

/// How many keys a leaf holds at most. Packed, a full one takes 4 or 5 write units, and so does every write to it.
pub const MAX_LEAF_KEYS: usize = 256;
/// The bytes of a key.
pub const KEY_BYTES: usize = 16;
/// How often a compare-and-swap is repeated. Each loss means that somebody else's write succeeded.
const MAX_SWAPS: usize = 64;

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] E),
    /// The lane's root went away meanwhile: the index was deleted. Start the lane again.
    #[error("the lane was deleted")]
    Deleted,
    /// Others write to this node without end. Try again later.
    #[error("the node at \"{0}\" was changed by others {MAX_SWAPS} times in a row")]
    Contended(Prefix),
    /// A node is missing, or holds less than is counted above it. Rebuild the index.
    #[error("the node at \"{0}\" is missing or incomplete; rebuild the index")]
    Broken(Prefix),
}
