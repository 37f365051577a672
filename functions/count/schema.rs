//! The names of the attributes of the counts table, as template.yaml declares the keys among them.

/// Partition key: the scope, and the prefix of the node in hex.
pub const NODE: &str = "node";
/// Sort key: the number of the trie within its scope, one hex digit. In a list of partitions that
/// are building, or of values that were seen, the value of the field.
pub const LANE: &str = "lane";
/// How often the node was written.
pub const VERSION: &str = "version";
/// The node, packed.
pub const PACKED: &str = "packed";
/// On a root: [`BUILDING`] or [`READY`].
pub const STATE: &str = "state";
/// On a root that is building: when it was started, in milliseconds since 1970.
pub const SINCE: &str = "since";
/// On a root that is building: all keys below this one have been added, 16 bytes.
pub const NEXT: &str = "next";

/// The state of a trie that is building.
pub const BUILDING: &str = "building";
/// The state of a trie that is ready.
pub const READY: &str = "ready";
