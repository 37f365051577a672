//! The fields by which a list can be filtered, and their values.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A field of an event by which a list can be filtered.
///
/// The events table can have a GSI for each of them: see [`Filters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Who acted. Absent for the events of the system itself.
    UserId,
    /// The kind of event.
    EventType,
    /// The service that reported the event.
    SrcService,
}

impl Field {
    /// All fields. If a list is filtered by several, the first one that has a GSI is used.
    pub const ALL: [Field; 3] = [Field::UserId, Field::EventType, Field::SrcService];

    /// The name in a document, in a query string, and in the events table.
    pub const fn name(self) -> &'static str {
        match self {
            Field::UserId => "user_id",
            Field::EventType => "event_type",
            Field::SrcService => "src_service",
        }
    }

    /// The longest value, in bytes. Names of users can be long: a service account of Kubernetes has
    /// up to 339 bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Field::UserId => 512,
            Field::EventType | Field::SrcService => 256,
        }
    }
}

/// A value of a [`Field`]: UTF-8 of 1 byte to [`Field::max_bytes`], compared byte by byte.
///
/// A document may give a user id as an integer. Its canonical form is its digits, so the number 1
/// and the string `"1"` are the same user.
///
/// ```
/// use audit_log::event::{Field, FieldValue};
///
/// let user = FieldValue::new(Field::UserId, "user-1").unwrap();
/// assert_eq!(user.as_str(), "user-1");
/// assert!(FieldValue::new(Field::UserId, "").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldValue {
    field: Field,
    value: String,
}

/// A text that is empty or too long. The message completes the sentence "`user_id` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {} bytes long", .0.max_bytes())]
pub struct FieldValueError(Field);

impl FieldValue {
    /// The value with this text.
    ///
    /// # Errors
    ///
    /// [`FieldValueError`], for a text that is empty or too long.
    pub fn new(field: Field, text: &str) -> Result<FieldValue, FieldValueError> {
        if text.is_empty() || text.len() > field.max_bytes() {
            return Err(FieldValueError(field));
        }
        Ok(FieldValue {
            field,
            value: text.to_owned(),
        })
    }

    /// The field that has the value.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

impl Serialize for FieldValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.value)
    }
}

/// The fields that the events table has a GSI for. It always has one for [`Field::UserId`].
///
/// ```
/// use audit_log::event::{Field, Filters};
///
/// let filters: Filters = "event_type".parse().unwrap();
/// assert!(filters.contains(Field::UserId));
/// assert!(filters.contains(Field::EventType));
/// assert!(!filters.contains(Field::SrcService));
/// assert_eq!("none".parse::<Filters>().unwrap().iter().count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters {
    event_type: bool,
    src_service: bool,
}

/// A text that does not name filters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not none, event_type, src_service, or event_type,src_service")]
pub struct FiltersError(String);

impl Filters {
    /// Only [`Field::UserId`].
    pub const NONE: Filters = Filters {
        event_type: false,
        src_service: false,
    };
    /// All fields.
    pub const ALL: Filters = Filters {
        event_type: true,
        src_service: true,
    };

    /// Whether there is a GSI for this field.
    pub fn contains(self, field: Field) -> bool {
        match field {
            Field::UserId => true,
            Field::EventType => self.event_type,
            Field::SrcService => self.src_service,
        }
    }

    /// The filters of a table that has GSIs with these partition keys.
    pub fn of_partition_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Filters {
        let mut filters = Filters::NONE;
        for key in keys {
            filters.event_type |= key == Field::EventType.name();
            filters.src_service |= key == Field::SrcService.name();
        }
        filters
    }

    /// The text that [`Filters::from_str`] reads.
    pub const fn as_str(self) -> &'static str {
        match (self.event_type, self.src_service) {
            (false, false) => "none",
            (true, false) => "event_type",
            (false, true) => "src_service",
            (true, true) => "event_type,src_service",
        }
    }

    /// The fields that have a GSI.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL
            .into_iter()
            .filter(move |field| self.contains(*field))
    }
}

impl FromStr for Filters {
    type Err = FiltersError;

    fn from_str(text: &str) -> Result<Filters, FiltersError> {
        let filters = Filters::of_partition_keys(text.split(','));
        if filters.as_str() != text {
            return Err(FiltersError(text.to_owned()));
        }
        Ok(filters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_long_as_its_field_allows() {
        for field in Field::ALL {
            let longest = "x".repeat(field.max_bytes());
            assert!(FieldValue::new(field, &longest).is_ok());
            let error = FieldValue::new(field, &format!("{longest}x")).unwrap_err();
            let expected = format!("must be 1 to {} bytes long", field.max_bytes());
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn filters_are_named_or_none() {
        for text in [
            "none",
            "event_type",
            "src_service",
            "event_type,src_service",
        ] {
            assert_eq!(text.parse::<Filters>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "user_id",
            "src_service,event_type",
            "event_type,",
            "all",
        ] {
            assert!(text.parse::<Filters>().is_err(), "{text}");
        }
    }
}
