//! The names of the attributes and partitions of the tree table, as template.yaml declares the keys
//! among them.

/// Partition key.
pub const PART: &str = "part";
/// Sort key: see [`super::table`].
pub const AT: &str = "at";
/// The name of the log.
pub const ORIGIN: &str = "origin";
/// The entries of a run, one after another.
pub const PACKED: &str = "packed";
/// The index of the leaf.
pub const INDEX: &str = "index";
/// The hash of a full tile.
pub const HASH: &str = "hash";
/// The number of entries.
pub const SIZE: &str = "size";
/// A signed checkpoint.
pub const NOTE: &str = "note";
