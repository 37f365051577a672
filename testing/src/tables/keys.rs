//! Keys of events, and partitions of GSIs.

use audit_log::event::{EventId, Field, FieldValue};
use audit_log::store::{EventKey, Partition};

/// The events with this value of a field.
pub fn with(field: Field, value: &str) -> Partition {
    Partition::With(FieldValue::new(field, value).unwrap())
}

/// The events of this user.
pub fn user(id: &str) -> Partition {
    with(Field::UserId, id)
}

/// An event of this user's, without the other fields.
pub fn of_user(id: EventId, user: &str) -> EventKey {
    EventKey {
        id,
        values: vec![FieldValue::new(Field::UserId, user).unwrap()],
    }
}

/// Whether an event is this user's.
pub fn is_of_user(event: &EventKey, user: &str) -> bool {
    let is_user = |value: &FieldValue| value.field() == Field::UserId && value.as_str() == user;
    event.values.iter().any(is_user)
}
