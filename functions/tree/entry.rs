//! What the log says about an event: its id, and a commitment to everything that was recorded.

use std::fmt;

use super::hash::{HASH_BYTES, Hash, base64url};
use crate::event::EventId;

/// The length of an entry in bytes.
pub const ENTRY_BYTES: usize = 1 + ID_BYTES + HASH_BYTES;
/// The random bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// The first byte of an entry. A reader that meets another one stops.
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
/// What the hash of a commitment begins with. The hashes of leaves and nodes begin with other bytes.
const COMMITMENT_PREFIX: &[u8] = b"audit-log/event/v1\n";
/// The length of a value that is absent. No value is that long.
const ABSENT: [u8; 4] = [0xff; 4];

/// Random text that is recorded with an event. Without it, an event cannot be guessed from
/// its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// The salt with these random bytes: 22 characters of base64url.
    pub fn new(random: [u8; SALT_BYTES]) -> Salt {
        Salt(base64url(&random))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A salt keeps an erased event secret, so it does not appear in logs.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// Everything that was recorded about an event, as its commitment covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The salt, or `None` for an event without one.
    pub salt: Option<&'a str>,
    /// When the service recorded the event.
    pub at: &'a str,
    /// The authenticated caller.
    pub by: Option<&'a str>,
    /// The source IP address.
    pub from: Option<&'a str>,
    /// The document, byte by byte as it was sent.
    pub document: &'a str,
}

impl Content<'_> {
    /// The SHA-256 of the five values, each behind its length.
    pub fn commitment(&self) -> Hash {
        let values = [
            self.salt,
            Some(self.at),
            self.by,
            self.from,
            Some(self.document),
        ];
        // A length of 4 bytes is enough: DynamoDB's items have 400 KB at most.
        let lengths = values.map(|value| match value {
            Some(value) => (value.len() as u32).to_be_bytes(),
            None => ABSENT,
        });
        let mut parts = vec![COMMITMENT_PREFIX];
        for (length, value) in lengths.iter().zip(values) {
            parts.push(length);
            parts.push(value.unwrap_or_default().as_bytes());
        }
        Hash::digest(parts)
    }
}

/// An entry of the log.
///
/// ```
/// use audit_log::event::EventId;
/// use audit_log::tree::{Content, Entry};
///
/// let content = Content {
///     salt: Some("AAECAwQFBgcICQoLDA0ODw"),
///     at: "2026-11-23T17:59:05.908Z",
///     by: None,
///     from: Some("127.0.0.1"),
///     document: r#"{"user_id":"1"}"#,
/// };
/// let id = EventId::parse("018cc251-f400-7000-803e-38b8163c9160").unwrap();
/// let entry = Entry::new(id, &content);
/// assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The id of the event.
    pub id: EventId,
    /// The commitment to what was recorded: see [`Content::commitment`].
    pub commitment: Hash,
}

impl Entry {
    /// The entry of an event.
    pub fn new(id: EventId, content: &Content<'_>) -> Entry {
        Entry {
            id,
            commitment: content.commitment(),
        }
    }

    /// The bytes: the version, the id and the commitment.
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [VERSION; ENTRY_BYTES];
        bytes[1..=ID_BYTES].copy_from_slice(&self.id.to_bits().to_be_bytes());
        bytes[1 + ID_BYTES..].copy_from_slice(self.commitment.as_bytes());
        bytes
    }

    /// Reads the bytes of an entry, or returns `None` for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Entry> {
        let bytes: &[u8; ENTRY_BYTES] = bytes.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (id, commitment) = rest.split_first_chunk::<ID_BYTES>()?;
        Some(Entry {
            id: EventId::from_bits(u128::from_be_bytes(*id))?,
            commitment: Hash::from_bytes(commitment)?,
        })
    }

    /// The hash of the entry's leaf.
    pub fn leaf(&self) -> Hash {
        Hash::leaf(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by a program that shares nothing with this one.
    #[test]
    fn an_entry_is_as_the_format_says() {
        let document = concat!(
            r#"{"user_id": "1","#,
            "\n",
            r#" "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z", "#,
            r#""src_service": "user_service", "invariant_data": {"priority": 2}, "app_data": null}"#,
        );
        let content = Content {
            salt: Some("AAECAwQFBgcICQoLDA0ODw"),
            at: "2026-11-23T17:59:05.908Z",
            by: None,
            from: Some("127.0.0.1"),
            document,
        };
        let id = EventId::parse("018cc251-f400-7000-803e-38b8163c9160").unwrap();
        let entry = Entry::new(id, &content);
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        assert_eq!(
            hex(entry.commitment.as_bytes()),
            "6b9d4ef5429505dc8c743171f0019a1bee9f54e4cd6efe33bc0191f9db0c7e33"
        );
        assert_eq!(
            hex(&entry.to_bytes()),
            "01018cc251f4007000803e38b8163c91606b9d4ef5429505dc8c743171f0019a1bee9f54e4cd6efe33bc01\
             91f9db0c7e33"
        );
        assert_eq!(
            entry.leaf().to_string(),
            "MQBXomgmrqVMBI4swWeGLquDhqKhO7lKwNbLe6kbh0Q="
        );
    }

    #[test]
    fn an_absent_value_is_not_an_empty_one() {
        let absent = Content {
            salt: None,
            at: "",
            by: None,
            from: None,
            document: "{}",
        };
        let empty = Content {
            by: Some(""),
            ..absent
        };
        assert_ne!(absent.commitment(), empty.commitment());
    }

    #[test]
    fn a_salt_is_22_characters_of_base64url() {
        let counted: [u8; SALT_BYTES] = std::array::from_fn(|at| at as u8);
        assert_eq!(Salt::new(counted).as_str(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(
            Salt::new([0xff; SALT_BYTES]).as_str(),
            "_____________________w"
        );
    }

    #[test]
    fn bytes_that_are_no_entry_are_refused() {
        let id = EventId::parse("018cc251-f400-7000-803e-38b8163c9160").unwrap();
        let commitment = Hash::of_empty_tree();
        let bytes = Entry { id, commitment }.to_bytes();
        assert!(Entry::from_bytes(&bytes).is_some());
        assert_eq!(Entry::from_bytes(&bytes[1..]), None);
        for (at, byte) in [(0, 2), (7, 0x40), (9, 0)] {
            let mut other = bytes;
            other[at] = byte;
            assert_eq!(Entry::from_bytes(&other), None, "byte {at}");
        }
    }
}
