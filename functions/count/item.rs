//! The stored form of a node.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::schema::{BUILDING, NEXT, PACKED, READY, SINCE, STATE, VERSION};
use super::trie::{Entry, Node, Prefix, State, Unpackable};
use crate::store::{Attributes, Error, Item};

pub(super) const COUNTS: Attributes = Attributes::of("counts");

/// Reads the entry at `prefix` from its item.
pub(super) fn entry_of(prefix: Prefix, item: &Item) -> Result<Entry, Error> {
    let node =
        Node::unpack(prefix, COUNTS.bytes(item, PACKED)?).map_err(|problem| match problem {
            Unpackable::UnknownKind(kind) => Error::UnknownKind {
                table: "counts",
                kind,
            },
            Unpackable::Broken => COUNTS.corrupt(PACKED),
        })?;
    Ok(Entry {
        version: COUNTS.number(item, VERSION)?,
        node,
        state: state_of(item)?,
    })
}

fn state_of(item: &Item) -> Result<Option<State>, Error> {
    match string(item, STATE) {
        None => Ok(None),
        Some(READY) => Ok(Some(State::Ready)),
        Some(_) => {
            let next = COUNTS.bytes(item, NEXT)?;
            let next = next.try_into().map_err(|_| COUNTS.corrupt(NEXT))?;
            Ok(Some(State::Building {
                since_millis: COUNTS.number(item, SINCE)?,
                next: u128::from_be_bytes(next),
            }))
        }
    }
}

/// The item of an entry at `prefix` under `key`, with the next version.
pub(super) fn item_of(key: Item, prefix: Prefix, entry: &Entry) -> Item {
    let mut item = key;
    let packed = AttributeValue::B(Blob::new(entry.node.pack(prefix)));
    item.insert(VERSION.to_owned(), number(entry.version + 1));
    item.insert(PACKED.to_owned(), packed);
    match entry.state {
        None => {}
        Some(State::Ready) => {
            item.insert(STATE.to_owned(), AttributeValue::S(READY.to_owned()));
        }
        Some(State::Building { since_millis, next }) => {
            let next = AttributeValue::B(Blob::new(next.to_be_bytes()));
            item.insert(STATE.to_owned(), AttributeValue::S(BUILDING.to_owned()));
            item.insert(SINCE.to_owned(), number(since_millis));
            item.insert(NEXT.to_owned(), next);
        }
    }
    item
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn string<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}
