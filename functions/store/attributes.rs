//! Reading the attributes of an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::Error;

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Reads attributes that each item of its kind has. Without a usable one, something else has written
/// to the table: [`Error::Corrupt`].
#[derive(Clone, Copy)]
pub(crate) struct Attributes {
    table: &'static str,
}

impl Attributes {
    /// The attributes of the items of a table, by the name that it has in errors.
    pub(crate) const fn of(table: &'static str) -> Attributes {
        Attributes { table }
    }

    /// A string.
    pub(crate) fn text<'a>(
        self,
        item: &'a Item,
        attribute: &'static str,
    ) -> Result<&'a str, Error> {
        match item.get(attribute) {
            Some(AttributeValue::S(text)) => Ok(text),
            _ => Err(self.corrupt(attribute)),
        }
    }

    /// A whole number.
    pub(crate) fn number(self, item: &Item, attribute: &'static str) -> Result<u64, Error> {
        match item.get(attribute) {
            Some(AttributeValue::N(number)) => number.parse().map_err(|_| self.corrupt(attribute)),
            _ => Err(self.corrupt(attribute)),
        }
    }

    /// Bytes.
    pub(crate) fn bytes<'a>(
        self,
        item: &'a Item,
        attribute: &'static str,
    ) -> Result<&'a [u8], Error> {
        match item.get(attribute) {
            Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
            _ => Err(self.corrupt(attribute)),
        }
    }

    /// The error for an attribute that cannot be used.
    pub(crate) const fn corrupt(self, attribute: &'static str) -> Error {
        Error::Corrupt {
            table: self.table,
            attribute,
        }
    }
}
