//! The names of the attributes of the `events` table, its GSI and the `keys` table, as
//! `template.yaml` declares them.

/// Partition key: the id's last hex digit.
pub const SHARD: &str = "shard";
/// Sort key of the table and of the GSI.
pub const ID: &str = "id";
/// Partition key of the GSI: the canonical user id.
pub const USER_ID: &str = "user_id";
/// The document's text, verbatim.
pub const EVENT: &str = "event";
/// When the service recorded the event, RFC 3339.
pub const RECORDED_AT: &str = "recorded_at";
/// The caller that reported it. Absent if the caller was not authenticated.
pub const RECORDED_BY: &str = "recorded_by";
/// The address that it was reported from. Absent if the gateway gave none.
pub const RECORDED_FROM: &str = "recorded_from";

/// The GSI of a user's events. It has only the keys: `user_id`, `id` and `shard`.
pub const USER_INDEX: &str = "user_id-index";

/// Partition key of the `keys` table: see [`KeyHash`](super::KeyHash). The other attribute of its
/// items is the event's [`ID`].
pub const KEY: &str = "key";
