//! The stored form of an event, and the JSON form in which it is returned.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::attributes::{Attributes, Item};
use super::schema::{EVENT, ID, RECORDED_AT, RECORDED_BY, RECORDED_FROM, SALT, SHARD};
use super::{Error, EventKey};
use crate::event::{EventId, Field, FieldValue, NewEvent};
use crate::tree::{Content, Entry, Salt};

const EVENTS: Attributes = Attributes::of("events");

/// The projection of an item to what a [`StoredEvent`] is read from. The other attributes are keys,
/// whose values are in the id and in the document, too.
pub(super) const WHOLE_EVENT: &str = "#id, event, recorded_at, recorded_by, recorded_from, salt";

/// The facts that the service itself records about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The service's clock, RFC 3339 in UTC.
    pub at: String,
    /// The authenticated caller: an IAM ARN or a JWT's subject.
    pub by: Option<String>,
    /// The source IP address.
    pub from: Option<String>,
    /// What makes the event's commitment impossible to guess.
    pub salt: Salt,
}

impl Recorded {
    /// The entry that the event has in the log when it is recorded under `id`.
    pub fn entry(&self, id: EventId, event: &NewEvent) -> Entry {
        let content = Content {
            salt: Some(self.salt.as_str()),
            at: &self.at,
            by: self.by.as_deref(),
            from: self.from.as_deref(),
            document: event.document(),
        };
        Entry::new(id, &content)
    }
}

/// The member `recorded` of an event.
#[derive(Serialize)]
struct RecordedMember<'a> {
    at: &'a str,
    by: Option<&'a str>,
    from: Option<&'a str>,
    salt: Option<&'a str>,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The id of the event.
    pub id: EventId,
    /// The event as JSON: the document as it was sent, with `id` and `recorded` in front.
    pub json: String,
}

impl StoredEvent {
    pub(super) fn from_item(item: &Item) -> Result<StoredEvent, Error> {
        let id = id_of(item)?;
        let Content {
            salt,
            at,
            by,
            from,
            document,
        } = content_of(item)?;
        let recorded = RecordedMember { at, by, from, salt };
        let recorded = serde_json::to_string(&recorded).map_err(|_| Error::corrupt(RECORDED_AT))?;
        // The document's own members follow, with its closing brace.
        let members = document.strip_prefix('{').ok_or(Error::corrupt(EVENT))?;
        Ok(StoredEvent {
            id,
            json: format!(r#"{{"id":"{id}","recorded":{recorded},{members}"#),
        })
    }
}

/// The item that records `event` under `id`.
pub(super) fn item(id: EventId, event: &NewEvent, recorded: &Recorded) -> Item {
    let string = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = key(id);
    for value in event.values() {
        item.insert(value.field().name().to_owned(), string(value.as_str()));
    }
    item.insert(EVENT.to_owned(), string(event.document()));
    item.insert(RECORDED_AT.to_owned(), string(&recorded.at));
    item.insert(SALT.to_owned(), string(recorded.salt.as_str()));
    for (name, value) in [(RECORDED_BY, &recorded.by), (RECORDED_FROM, &recorded.from)] {
        if let Some(value) = value {
            item.insert(name.to_owned(), string(value));
        }
    }
    item
}

/// The primary key of the event with this id. The id contains all of it.
pub(super) fn key(id: EventId) -> Item {
    HashMap::from([
        (SHARD.to_owned(), shard_key(id.shard())),
        (ID.to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// The partition key of a shard.
pub(super) fn shard_key(shard: u8) -> AttributeValue {
    AttributeValue::S(format!("{shard:x}"))
}

pub(super) fn id_of(item: &Item) -> Result<EventId, Error> {
    EventId::parse(text(item, ID)?).ok_or(Error::corrupt(ID))
}

/// The key of an event, from an item that has all [`Field`]s that the event has.
pub(super) fn key_of(item: &Item) -> Result<EventKey, Error> {
    let mut values = Vec::new();
    for field in Field::ALL {
        // An event without a user has no such attribute.
        if !item.contains_key(field.name()) {
            continue;
        }
        let text = text(item, field.name())?;
        let value = FieldValue::new(field, text).map_err(|_| Error::corrupt(field.name()))?;
        values.push(value);
    }
    Ok(EventKey {
        id: id_of(item)?,
        values,
    })
}

pub(super) fn document_of(item: &Item) -> Result<&str, Error> {
    text(item, EVENT)
}

/// The entry that the event in an item has in the log.
pub(super) fn entry_of(item: &Item) -> Result<Entry, Error> {
    Ok(Entry::new(id_of(item)?, &content_of(item)?))
}

/// Everything that was recorded about the event in an item.
fn content_of(item: &Item) -> Result<Content<'_>, Error> {
    Ok(Content {
        salt: text(item, SALT).ok(),
        at: text(item, RECORDED_AT)?,
        by: text(item, RECORDED_BY).ok(),
        from: text(item, RECORDED_FROM).ok(),
        document: document_of(item)?,
    })
}

/// A string, which each event has under this name.
fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, Error> {
    EVENTS.text(item, attribute)
}
