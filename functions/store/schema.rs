//! The names of the attributes of the `events` table, its GSIs and the `keys` table, as
//! `template.yaml` declares them. The attributes of [`Field`]s have the names of the fields.

use crate::event::Field;

/// Partition key: the id's last hex digit.
pub const SHARD: &str = "shard";
/// Sort key of the table and of each GSI.
pub const ID: &str = "id";
/// The document's text, verbatim.
pub const EVENT: &str = "event";
/// When the service recorded the event, RFC 3339.
pub const RECORDED_AT: &str = "recorded_at";
/// The caller that reported it. Absent if the caller was not authenticated.
pub const RECORDED_BY: &str = "recorded_by";
/// The address that it was reported from. Absent if the gateway gave none.
pub const RECORDED_FROM: &str = "recorded_from";
/// The random text in the event's commitment. Absent from events of before the transparency log.
pub const SALT: &str = "salt";

/// The GSI whose partition key is this field. It has the keys, `id` and `shard`, and the other
/// fields, so that a list that is filtered by several fields reads no documents that do not match.
pub const fn gsi(field: Field) -> &'static str {
    match field {
        Field::UserId => "user_id-index",
        Field::EventType => "event_type-index",
        Field::SrcService => "src_service-index",
    }
}

/// Partition key of the `keys` table: see [`KeyHash`](super::KeyHash). The other attribute of its
/// items is the event's [`ID`].
pub const KEY: &str = "key";
