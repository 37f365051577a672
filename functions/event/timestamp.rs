//! The timestamp of an event: an instant with a precision of one nanosecond.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::TimestampError;

/// An instant between 1970 and the end of the year 9999, in whole nanoseconds.
///
/// Two spellings of one instant are equal:
///
/// ```
/// use audit_log::event::Timestamp;
///
/// let utc = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
/// let paris = Timestamp::parse("2024-01-01T01:00:00+01:00").unwrap();
/// assert_eq!(utc, paris);
/// assert_eq!(paris.to_string(), "2024-01-01T00:00:00.000Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u128);

pub(super) const NANOS_PER_MILLI: u128 = 1_000_000;
/// The position of the `T` in RFC 3339: after a full date. The `time` crate accepts any byte there.
const SEPARATOR: usize = "2024-01-01".len();

impl Timestamp {
    /// 1970-01-01T00:00:00Z, the earliest instant.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// 9999-12-31T23:59:59.999999999Z, the latest instant that RFC 3339 can write.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999_999);

    /// The instant this many nanoseconds after the epoch, or [`Timestamp::MAX`].
    pub const fn from_nanos(nanos: u128) -> Timestamp {
        if nanos > Timestamp::MAX.0 {
            return Timestamp::MAX;
        }
        Timestamp(nanos)
    }

    /// The instant this many milliseconds after the epoch, or [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis as u128 * NANOS_PER_MILLI)
    }

    /// Reads an RFC 3339 date-time (section 5.6), with a `T` or a space between date and time.
    ///
    /// Any offset is accepted, and any number of fractional digits, of which the first nine count.
    /// The leap second `23:59:60` becomes the last nanosecond of its minute.
    ///
    /// # Errors
    ///
    /// [`TimestampError`], which says what is wrong.
    pub fn parse(text: &str) -> Result<Timestamp, TimestampError> {
        match u128::try_from(Timestamp::unix_nanos(text)?) {
            Ok(nanos) => Ok(Timestamp::from_nanos(nanos)),
            Err(_) => Err(TimestampError::BeforeEpoch),
        }
    }

    /// The nanoseconds between the epoch and an RFC 3339 date-time, which are negative before it.
    ///
    /// # Errors
    ///
    /// As [`Timestamp::parse`], but no text is too early.
    pub(crate) fn unix_nanos(text: &str) -> Result<i128, TimestampError> {
        let separator = text.as_bytes().get(SEPARATOR);
        let instant = match separator {
            Some(b'T' | b't' | b' ') => OffsetDateTime::parse(text, &Rfc3339).ok(),
            _ => None,
        };
        match instant {
            Some(instant) => Ok(instant.unix_timestamp_nanos()),
            None => Err(TimestampError::of_text(text)),
        }
    }

    /// Whole nanoseconds since the epoch.
    pub const fn nanos(self) -> u128 {
        self.0
    }

    /// Whole milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        (self.0 / NANOS_PER_MILLI) as u64
    }

    /// The nanoseconds past the whole millisecond: 0 to 999,999.
    pub const fn nanos_of_milli(self) -> u128 {
        self.0 % NANOS_PER_MILLI
    }

    /// The instant `after` later, or [`Timestamp::MAX`].
    #[must_use]
    pub const fn saturating_add(self, after: Duration) -> Timestamp {
        Timestamp::from_nanos(self.0.saturating_add(after.as_nanos()))
    }

    /// The instant `before` earlier, or the epoch.
    #[must_use]
    pub const fn saturating_sub(self, before: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(before.as_nanos()))
    }

    /// The time from `earlier` to this instant, or zero if this instant is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        match u64::try_from(nanos) {
            Ok(nanos) => Duration::from_nanos(nanos),
            Err(_) => Duration::MAX,
        }
    }
}

/// An instant in full: RFC 3339 in UTC with as many digits as it takes, such as
/// `2024-01-01T00:00:00Z` or `2024-01-01T00:00:00.000000001Z`. [`Timestamp::parse`] reads the same
/// instant from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact(pub Timestamp);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::try_from(self.0.0).map_err(|_| fmt::Error)?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        f.write_str(&at.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// RFC 3339 in UTC with milliseconds, such as `2024-01-01T00:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::try_from(self.0).map_err(|_| fmt::Error)?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        let (year, month, day) = at.to_calendar_date();
        let year = u16::try_from(year).map_err(|_| fmt::Error)?;
        let (hour, minute, second, milli) = at.to_hms_milli();

        // Number by number, which takes a small part of the instructions of `{:02}`.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], u8::from(month).into());
        write_digits(&mut text[8..10], day.into());
        write_digits(&mut text[11..13], hour.into());
        write_digits(&mut text[14..16], minute.into());
        write_digits(&mut text[17..19], second.into());
        write_digits(&mut text[20..23], milli);
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number, with as many digits as there is room for.
fn write_digits(room: &mut [u8], mut number: u16) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[usize::from(number % 10)];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<u128, TimestampError> {
        Timestamp::parse(text).map(|at| at.0)
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset_and_spelling() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:01z", second),
            ("1970-01-01 00:00:01Z", second),
            ("1970-01-01T01:00:01+01:00", second),
            ("1969-12-31T23:00:01-01:00", second),
            ("1970-01-01T00:00:01-00:00", second),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("1970-01-01T00:00:00.0000000019999Z", 1),
            ("1972-06-30T23:59:60Z", 78_796_799_999_999_999),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_instant_before_1970_is_rejected() {
        let before = "1969-12-31T23:59:59.999999999Z";
        assert_eq!(nanos(before), Err(TimestampError::BeforeEpoch));
        assert_eq!(Timestamp::unix_nanos(before), Ok(-1));
    }

    #[test]
    fn an_instant_is_shown_in_utc_with_milliseconds() {
        let at = Timestamp::parse("2024-02-29T23:30:00.0019+02:00").unwrap();
        assert_eq!(at.to_string(), "2024-02-29T21:30:00.001Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_exact_instant_has_the_digits_that_it_takes() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2024-02-29T21:30:00.5Z",
            "2024-02-29T21:30:00.123Z",
            "2024-02-29T21:30:00.000000001Z",
            "9999-12-31T23:59:59.999999999Z",
        ] {
            let at = Timestamp::parse(text).unwrap();
            assert_eq!(Exact(at).to_string(), text);
        }
    }
}
