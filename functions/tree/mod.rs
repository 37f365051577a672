//! The transparency log: a Merkle tree over all events, as RFC 6962 §2 defines it.
//!
//! Each recorded event becomes one [`Entry`] of the log. A [`Checkpoint`] names the size and the
//! root of the tree, and is signed. A reader who keeps a checkpoint can prove with it that
//! no event was changed, removed or left out.
//!
//! | module | subject |
//! |---|---|
//! | [`hash`] | the hashes of leaves and nodes |
//! | [`entry`] | what the log says about an event |
//! | [`merkle`] | which subtrees a root, an inclusion proof and a consistency proof need |
//! | [`tile`] | the files of 256 hashes and of 256 entries by which the log is read |
//! | [`note`] | signed text and the keys that sign it |
//! | [`checkpoint`] | the size and the root of the log, as signed text |
//! | [`proof`] | that an entry is in the log, as text |
//! | [`seal`] | adds entries to the log, and signs it |
//! | [`table`] | the table that holds the log |

pub mod checkpoint;
pub mod entry;
pub mod hash;
pub mod merkle;
pub mod note;
pub mod proof;
mod schema;
pub mod seal;
pub mod table;
pub mod tile;

pub use checkpoint::Checkpoint;
pub use entry::{Content, Entry, SALT_BYTES, Salt};
pub use hash::Hash;
pub use note::{Note, Origin, SignError, Signer, VerifierKey};
pub use proof::Proof;
pub use table::TreeTable;
pub use tile::{TILE_WIDTH, Tile, TileKind};
