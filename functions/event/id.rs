//! Event ids: the key, the order, the cursor and the address of an event, all in 16 bytes.
//!
//! An id is a UUIDv7 (RFC 9562 §5.7) made from the *event's* timestamp:
//!
//! | bits | content |
//! |---|---|
//! | 48 | milliseconds since 1970 |
//! | 4 | version, 7 |
//! | 12 | the sub-millisecond fraction (RFC 9562 §6.2, method 3) |
//! | 2 | variant, binary 10 |
//! | 8 | 8 further bits of the fraction |
//! | 50 | random |
//! | 4 | the shard |
//!
//! The fraction takes 20 bits. Microseconds would need only 12, but a millisecond has 10⁶
//! nanoseconds, and 2²⁰ is just above that. So each nanosecond has its own range of ids: sorting
//! ids sorts events, and a `from` or `to` separates two neighbouring nanoseconds.

use std::fmt;

use super::Order;
use super::timestamp::{NANOS_PER_MILLI, Timestamp};

/// An event's id. Ids are ordered by time, then by the rest of their bits.
///
/// ```
/// use audit_log::event::{EventId, Timestamp};
///
/// let at = Timestamp::parse("2024-01-01T00:00:00.123Z").unwrap();
/// // The random bits choose one of four shards and make the id unique.
/// let id = EventId::new(at, 0x0123_4567_89ab_cdef, 4);
/// assert_eq!(id.to_string(), "018cc251-f47b-7000-8000-48d159e26af3");
/// assert_eq!(id.shard(), 3);
/// assert_eq!(EventId::parse("018cc251-f47b-7000-8000-48d159e26af3"), Some(id));
/// assert_eq!(EventId::parse("not an id"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

const VERSION: u128 = 7 << 76;
const VARIANT: u128 = 0b10 << 62;
const VERSION_MASK: u128 = 0xf << 76;
const VARIANT_MASK: u128 = 0b11 << 62;
/// All bits but those of the version and the variant.
const HIGHEST_REST: u128 = !(VERSION_MASK | VARIANT_MASK);
const MILLIS_BITS: u32 = 48;
const FRACTION_BITS: u32 = 20;
const SHARD_BITS: u32 = 4;
const RANDOM_BITS: u32 = 50;
/// How many of 64 random bits choose the shard. The other 50 go into the id.
const SHARD_CHOICE_BITS: u32 = u64::BITS - RANDOM_BITS;
/// The positions of the hyphens in a UUID's text (RFC 9562 §4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const TEXT_LEN: usize = 36;

impl EventId {
    /// The id of an event at `at`, in one of `shards` shards (1 to 16), made from 64 random bits.
    pub fn new(at: Timestamp, random: u64, shards: u8) -> EventId {
        let choice = random & ((1 << SHARD_CHOICE_BITS) - 1);
        let shard = choice % u64::from(shards.max(1));
        let unique = u128::from(random >> SHARD_CHOICE_BITS);
        let lowest = EventId::lowest_at(at).0;
        EventId(lowest | (unique << SHARD_BITS) | u128::from(shard))
    }

    /// The lowest id that an event at `at` can have: every earlier event's id is below it.
    pub fn lowest_at(at: Timestamp) -> EventId {
        let millis = u128::from(at.millis()) & ((1 << MILLIS_BITS) - 1);
        let fraction = (at.nanos_of_milli() << FRACTION_BITS) / NANOS_PER_MILLI;
        // The variant lies between the upper 12 and the lower 8 bits of the fraction.
        let upper = fraction >> 8;
        let lower = fraction & 0xff;
        let time = (millis << 80) | (upper << 64) | (lower << (RANDOM_BITS + SHARD_BITS));
        EventId(time | VERSION | VARIANT)
    }

    /// The cursor with which a walk in this order begins: each event comes after it.
    ///
    /// ```
    /// use audit_log::event::{EventId, Order};
    ///
    /// let newest_first = EventId::before_all(Order::Descending);
    /// assert_eq!(newest_first.to_string(), "ffffffff-ffff-7fff-bfff-ffffffffffff");
    /// let oldest_first = EventId::before_all(Order::Ascending);
    /// assert_eq!(oldest_first.to_string(), "00000000-0000-7000-8000-000000000000");
    /// ```
    pub const fn before_all(order: Order) -> EventId {
        match order {
            Order::Descending => EventId(HIGHEST_REST | VERSION | VARIANT),
            Order::Ascending => EventId(VERSION | VARIANT),
        }
    }

    /// Reads a UUIDv7's text, in upper or lower case. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<EventId> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut bits: u128 = 0;
        // Byte by byte, which takes half of the instructions. No byte of another character is a digit.
        for (position, byte) in text.bytes().enumerate() {
            if HYPHENS.contains(&position) {
                if byte != b'-' {
                    return None;
                }
            } else {
                bits = (bits << 4) | u128::from(char::from(byte).to_digit(16)?);
            }
        }
        EventId::from_bits(bits)
    }

    /// The id with these 128 bits. Returns `None` if they are not a UUIDv7.
    pub fn from_bits(bits: u128) -> Option<EventId> {
        let is_version_7 = bits & VERSION_MASK == VERSION;
        let is_variant_10 = bits & VARIANT_MASK == VARIANT;
        if is_version_7 && is_variant_10 {
            Some(EventId(bits))
        } else {
            None
        }
    }

    /// The id as a number. These numbers sort as the ids do.
    pub const fn to_bits(self) -> u128 {
        self.0
    }

    /// The shard that holds the event: the last hex digit, 0 to 15.
    pub const fn shard(self) -> u8 {
        (self.0 & 0xf) as u8
    }
}

/// The canonical text: lower-case hex, hyphens at 8-4-4-4-12.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit, which takes a small part of the instructions of `{:x}`.
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 0xf)];
        let mut text = [b'-'; TEXT_LEN];
        let mut position = 0;
        for byte in self.0.to_be_bytes() {
            if HYPHENS.contains(&position) {
                position += 1;
            }
            text[position] = digit(byte >> 4);
            text[position + 1] = digit(byte);
            position += 2;
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A range of ids. It includes both ends, as DynamoDB's BETWEEN does.
///
/// ```
/// use audit_log::event::{EventId, IdRange, Timestamp};
///
/// let from = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
/// let to = Timestamp::parse("2024-01-02T00:00:00Z").unwrap();
/// let day = IdRange::ALL.starting_at(from).ending_before(to);
/// assert!(day.contains(EventId::lowest_at(from)));
/// assert!(!day.contains(EventId::lowest_at(to)));
///
/// // A page that continues after an event starts with the next older one.
/// let noon = EventId::lowest_at(Timestamp::parse("2024-01-01T12:00:00Z").unwrap());
/// assert!(!day.below(noon).contains(noon));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    first: u128,
    last: u128,
}

impl IdRange {
    /// Every id.
    pub const ALL: IdRange = IdRange {
        first: 0,
        last: u128::MAX,
    };
    /// No id.
    pub const NONE: IdRange = IdRange {
        first: u128::MAX,
        last: 0,
    };

    /// The ids of events at `from` or later.
    #[must_use]
    pub fn starting_at(self, from: Timestamp) -> IdRange {
        IdRange {
            first: self.first.max(EventId::lowest_at(from).0),
            ..self
        }
    }

    /// The ids of events before `to`.
    #[must_use]
    pub fn ending_before(self, to: Timestamp) -> IdRange {
        self.below(EventId::lowest_at(to))
    }

    /// The ids that a list in this order shows after `id`.
    #[must_use]
    pub fn after(self, id: EventId, order: Order) -> IdRange {
        match order {
            Order::Descending => self.below(id),
            Order::Ascending => self.from_key(id.0.saturating_add(1)),
        }
    }

    /// The ids below `id`.
    #[must_use]
    pub fn below(self, id: EventId) -> IdRange {
        self.before_key(id.0)
    }

    /// The ids from the number `first` on.
    #[must_use]
    pub fn from_key(self, first: u128) -> IdRange {
        IdRange {
            first: self.first.max(first),
            ..self
        }
    }

    /// The ids below the number `end`.
    #[must_use]
    pub fn before_key(self, end: u128) -> IdRange {
        match end.checked_sub(1) {
            Some(last) => IdRange {
                last: self.last.min(last),
                ..self
            },
            None => IdRange::NONE,
        }
    }

    /// The ids that lie in both ranges.
    #[must_use]
    pub fn intersection(self, other: IdRange) -> IdRange {
        IdRange {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        }
    }

    /// Whether the range contains `id`.
    pub fn contains(self, id: EventId) -> bool {
        (self.first..=self.last).contains(&id.0)
    }

    /// The first number of the range, and the number after the last. Returns `None` for a range
    /// that contains no id.
    pub fn half_open(self) -> Option<(u128, u128)> {
        if self.is_empty() {
            return None;
        }
        // The greatest number is not an id, so it makes no difference that it is left out.
        let end = self.last.saturating_add(1);
        Some((self.first, end))
    }

    /// The sort keys of both ends. Returns `None` for a range that contains no id.
    pub fn sort_keys(self) -> Option<(String, String)> {
        if self.is_empty() {
            return None;
        }
        let first = EventId(self.first).to_string();
        let last = EventId(self.last).to_string();
        Some((first, last))
    }

    const fn is_empty(self) -> bool {
        self.first > self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_id_is_a_uuid_version_7_with_milliseconds_and_shard() {
        let id = EventId::new(at("2024-01-01T00:00:00.123Z"), u64::MAX, 4);
        let text = id.to_string();
        assert!(text.starts_with("018cc251-f47b-7000-803f-"), "{text}");
        let choice = (1_u64 << SHARD_CHOICE_BITS) - 1;
        assert_eq!(u64::from(id.shard()), choice % 4);
        assert_eq!(EventId::parse(&text), Some(id));
        assert_eq!(EventId::parse(&text.to_uppercase()), Some(id));
    }

    #[test]
    fn ids_sort_by_nanosecond_whatever_their_random_bits() {
        for nanos in (0..3_000_000).step_by(37).chain(999_990..1_000_010) {
            let highest = EventId::new(Timestamp::from_nanos(nanos), u64::MAX, 16);
            let lowest = EventId::new(Timestamp::from_nanos(nanos + 1), 0, 16);
            assert!(highest < lowest, "{nanos}");
            assert!(highest.to_string() < lowest.to_string(), "{nanos}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_uuid_version_7_is_rejected() {
        for text in [
            "",
            "1",
            "018cc251-f47b-7000-803f-00000000000",
            "018cc251-f47b-7000-803f-0000000000000",
            "018cc251-f47b-4000-803f-000000000000",
            "018cc251-f47b-7000-003f-000000000000",
            "018cc251-f47b-7000-803f-00000000000g",
            "018cc251xf47b-7000-803f-000000000000",
            "018cc251-f47b-7000-803f-0000000000é",
        ] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_includes_from_and_excludes_to_and_the_cursor() {
        let from = at("2024-01-01T00:00:00Z");
        let to = at("2024-01-02T00:00:00Z");
        let range = IdRange::ALL.starting_at(from).ending_before(to);
        assert!(range.contains(EventId::new(from, 0, 1)));
        assert!(!range.contains(EventId::new(to, 0, 1)));
        let cursor = EventId::new(from, 77 << SHARD_CHOICE_BITS, 1);
        assert!(!range.below(cursor).contains(cursor));
        assert!(range.below(cursor).contains(EventId(cursor.0 - 1)));
        let backwards = IdRange::ALL.starting_at(to).ending_before(from);
        assert_eq!(backwards.sort_keys(), None);
    }
}
