//! Why a text is not an instant: each kind of wrong time has its own sentence.

use std::fmt;

use super::Timestamp;
use super::timestamp::NANOS_PER_MILLI;

/// Why a value is not a usable instant. The message completes the sentence "`timestamp` …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text is none of the forms below.
    #[error("must be an RFC 3339 date and time with an offset, such as 2024-01-01T00:00:00Z")]
    Format,
    /// The value is not a text. The text names its JSON type.
    #[error("is {0}; send text, such as \"2024-01-01T00:00:00Z\"")]
    NotText(&'static str),
    /// The value is a number that is no plausible instant.
    #[error("is a number; send text, such as \"2024-01-01T00:00:00Z\"")]
    Number,
    /// The value is a number that counts time since 1970.
    #[error("is a number; send text, such as \"{}\", which is what {sent} is in {unit}", in_utc(*.at))]
    SinceEpoch {
        /// The number as it was sent.
        sent: String,
        /// What it counts, by its size.
        unit: EpochUnit,
        /// The instant.
        at: Timestamp,
    },
    /// There is white space other than one space in the place of the `T`.
    #[error("has white space where none is allowed; remove it")]
    WhiteSpace,
    /// The date has no time.
    #[error("is a date without a time; add the time and its offset, such as 2024-01-01T00:00:00Z")]
    DateOnly,
    /// The date and the time are written without their hyphens and colons.
    #[error("has no hyphens or colons; write 2024-01-01T00:00:00Z")]
    Basic,
    /// A part has fewer or more digits than it must have.
    #[error(
        "must have four digits for the year and two for each other part, as in 2024-01-01T00:00:00Z"
    )]
    Digits,
    /// Something other than a `T` or a space is between the date and the time.
    #[error("must have a T between date and time, as in 2024-01-01T00:00:00Z")]
    Separator,
    /// There are no seconds.
    #[error("has no seconds; add them even if they are zero, as in 2024-01-01T00:00:00Z")]
    NoSeconds,
    /// The decimal sign is a comma.
    #[error(
        "has a comma before the fraction of a second; write a point, as in 2024-01-01T00:00:00.5Z"
    )]
    Comma,
    /// There is a decimal point and no fraction.
    #[error("has a decimal point without digits after it; add them or remove the point")]
    NoFraction,
    /// There is no offset from UTC.
    #[error(
        "has no offset from UTC; append Z if it is in UTC, and otherwise an offset such as +01:00"
    )]
    NoOffset,
    /// The offset is not of the form `+01:00`.
    #[error(
        "has an offset that is not of the form +01:00; it needs two digits for the hours, a colon, and two digits for the minutes"
    )]
    OffsetForm,
    /// The offset is of the right form, and too large.
    #[error("has an offset that does not exist; its hours go to 23 and its minutes to 59")]
    NoSuchOffset,
    /// A time zone is named.
    #[error("names a time zone; give only the offset from UTC, as in 2024-01-01T00:00:00+01:00")]
    Zone,
    /// The calendar does not have the day.
    #[error("names a day that does not exist; check its month and its day")]
    NoSuchDay,
    /// The day does not have the time.
    #[error(
        "names a time that does not exist; hours go to 23, and minutes and seconds to 59. Midnight is 00:00:00"
    )]
    NoSuchTime,
    /// Second 60 of a minute that cannot have it.
    #[error(
        "has a leap second where there is none; only the last minute of a month in UTC can have second 60"
    )]
    NoSuchLeapSecond,
    /// The instant lies before [`Timestamp::EPOCH`].
    #[error("must not be before 1970-01-01T00:00:00Z")]
    BeforeEpoch,
}

/// What a number since 1970 counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl EpochUnit {
    const ALL: [EpochUnit; 4] = [
        EpochUnit::Seconds,
        EpochUnit::Milliseconds,
        EpochUnit::Microseconds,
        EpochUnit::Nanoseconds,
    ];

    const fn nanos(self) -> u128 {
        match self {
            EpochUnit::Seconds => 1_000_000_000,
            EpochUnit::Milliseconds => 1_000_000,
            EpochUnit::Microseconds => 1_000,
            EpochUnit::Nanoseconds => 1,
        }
    }
}

impl fmt::Display for EpochUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EpochUnit::Seconds => "seconds",
            EpochUnit::Milliseconds => "milliseconds",
            EpochUnit::Microseconds => "microseconds",
            EpochUnit::Nanoseconds => "nanoseconds",
        })
    }
}

/// The earliest and the latest instant that a number plausibly means: in March 1973, and the end of
/// the year 2099. So no number is plausible in two units.
const PLAUSIBLE_NANOS: std::ops::Range<u128> = 100_000_000_000_000_000..4_102_444_800_000_000_000;
/// The longest number that an error repeats.
const MAX_SHOWN_BYTES: usize = 32;
/// The digits of a fraction that count.
const FRACTION_DIGITS: usize = 9;
/// Units of the last digit that counts.
const FRACTION_UNITS: u128 = 1_000_000_000;

impl TimestampError {
    /// The error for a number, as it is spelled in JSON.
    pub fn of_number(spelling: &str) -> TimestampError {
        match since_epoch(spelling) {
            Some((unit, at)) if spelling.len() <= MAX_SHOWN_BYTES => TimestampError::SinceEpoch {
                sent: spelling.to_owned(),
                unit,
                at,
            },
            _ => TimestampError::Number,
        }
    }

    /// The error for a text that is not RFC 3339 (section 5.6).
    pub(super) fn of_text(text: &str) -> TimestampError {
        if text.trim() != text && !text.trim().is_empty() {
            return TimestampError::WhiteSpace;
        }
        let Some((date, rest)) = split_date(text) else {
            return of_other_text(text);
        };
        // A date can have an offset, as in XML Schema.
        if rest.is_empty() || rest.starts_with(['Z', 'z', '+', '-']) {
            return TimestampError::DateOnly;
        }
        let Some(time) = rest.strip_prefix(['T', 't', ' ']) else {
            return TimestampError::Separator;
        };
        match split_time(time) {
            Ok((time, offset)) => of_parts(date, time, offset),
            Err(error) => error,
        }
    }
}

/// The error for a text that does not begin with a date in the form of RFC 3339.
fn of_other_text(text: &str) -> TimestampError {
    let digits = leading_digits(text);
    match (digits, text.get(digits..).unwrap_or_default()) {
        // Eight digits are a date in the basic form of ISO 8601, and not likely seconds.
        (8, "") => return TimestampError::DateOnly,
        (8, rest) if rest.starts_with(['T', 't', ' ']) => return TimestampError::Basic,
        (4, rest) if is_short_date(rest) => return TimestampError::Digits,
        _ => {}
    }
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok();
    if is_number {
        return TimestampError::of_number(text);
    }
    TimestampError::Format
}

/// Whether this is a month and a day after the year, with hyphens, and with too few digits.
fn is_short_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let is_part = |part: Option<&str>| part.is_some_and(|part| leading_digits(part) > 0);
    parts.next() == Some("") && is_part(parts.next()) && is_part(parts.next())
}

/// A date's year, month and day.
type Date = [u32; 3];
/// A time's hour, minute and second.
type Time = [u32; 3];

/// Splits a text after a date such as `2024-01-01`.
fn split_date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = split_number(text, 4)?;
    let (month, rest) = split_number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = split_number(rest.strip_prefix('-')?, 2)?;
    if leading_digits(rest) > 0 {
        return None;
    }
    Some(([year, month, day], rest))
}

/// Splits a text after a time such as `00:00:00.123`. What follows is the offset.
fn split_time(text: &str) -> Result<(Time, &str), TimestampError> {
    if text.starts_with(char::is_whitespace) {
        return Err(TimestampError::WhiteSpace);
    }
    match leading_digits(text) {
        0 if text.is_empty() => return Err(TimestampError::DateOnly),
        0 => return Err(TimestampError::Format),
        2 => {}
        4 | 6 => return Err(TimestampError::Basic),
        _ => return Err(TimestampError::Digits),
    }
    let (hour, rest) = split_number(text, 2).ok_or(TimestampError::Digits)?;
    let rest = rest.strip_prefix(':').ok_or(TimestampError::NoSeconds)?;
    let (minute, rest) = split_part(rest)?;
    let rest = rest.strip_prefix(':').ok_or(TimestampError::NoSeconds)?;
    let (second, rest) = split_part(rest)?;
    Ok(([hour, minute, second], skip_fraction(rest)?))
}

/// Splits a text after a part of two digits.
fn split_part(text: &str) -> Result<(u32, &str), TimestampError> {
    if leading_digits(text) != 2 {
        return Err(TimestampError::Digits);
    }
    split_number(text, 2).ok_or(TimestampError::Digits)
}

/// What follows the fraction of a second, if there is one.
fn skip_fraction(text: &str) -> Result<&str, TimestampError> {
    if let Some(rest) = text.strip_prefix(',') {
        let is_fraction = leading_digits(rest) > 0;
        return Err(if is_fraction {
            TimestampError::Comma
        } else {
            TimestampError::NoFraction
        });
    }
    let Some(rest) = text.strip_prefix('.') else {
        return Ok(text);
    };
    match leading_digits(rest) {
        0 => Err(TimestampError::NoFraction),
        digits => Ok(rest.get(digits..).unwrap_or_default()),
    }
}

/// The error for a date and a time in their right forms, and what follows them.
fn of_parts(date: Date, time: Time, offset: &str) -> TimestampError {
    if let Some(error) = offset_error(offset) {
        return error;
    }
    if !is_day(date) {
        return TimestampError::NoSuchDay;
    }
    match time {
        [0..=23, 0..=59, 60] => TimestampError::NoSuchLeapSecond,
        [0..=23, 0..=59, 0..=59] => TimestampError::Format,
        _ => TimestampError::NoSuchTime,
    }
}

fn offset_error(offset: &str) -> Option<TimestampError> {
    if offset.is_empty() {
        return Some(TimestampError::NoOffset);
    }
    if matches!(offset, "Z" | "z") {
        return None;
    }
    if is_half_of_day(offset) {
        return Some(TimestampError::Format);
    }
    if names_a_zone(offset) {
        return Some(TimestampError::Zone);
    }
    if offset.contains(char::is_whitespace) {
        return Some(TimestampError::WhiteSpace);
    }
    match signed_offset(offset) {
        Some((0..=23, 0..=59)) => None,
        Some(_) => Some(TimestampError::NoSuchOffset),
        // U+2212, the minus sign that ISO 8601 prefers.
        None if offset.starts_with(['+', '-', '\u{2212}']) => Some(TimestampError::OffsetForm),
        None => Some(TimestampError::Format),
    }
}

/// Whether a time continues in the twelve-hour clock.
fn is_half_of_day(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    text.starts_with("am") || text.starts_with("pm")
}

/// Whether a text names a zone, such as `CET`, `Z[UTC]` or `+01:00[Europe/Berlin]`.
fn names_a_zone(offset: &str) -> bool {
    let text = offset.trim_start();
    let after_zulu = text.strip_prefix(['Z', 'z']);
    let name = match after_zulu {
        Some(rest) if !rest.starts_with(char::is_alphabetic) => rest,
        // A name can begin with a Z.
        _ => text,
    };
    // A name stands alone, or follows an offset.
    let may_name = name.starts_with(|c: char| c.is_alphabetic() || "[(+-".contains(c));
    may_name && name.contains(|c: char| c.is_alphabetic() || c == '[')
}

/// The hours and the minutes of an offset such as `+01:00`.
fn signed_offset(offset: &str) -> Option<(u32, u32)> {
    let (hours, rest) = split_number(offset.strip_prefix(['+', '-'])?, 2)?;
    let (minutes, rest) = split_number(rest.strip_prefix(':')?, 2)?;
    rest.is_empty().then_some((hours, minutes))
}

/// Whether the Gregorian calendar has this day.
fn is_day([year, month, day]: Date) -> bool {
    let is_leap_year =
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last_day = match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last_day).contains(&day)
}

/// Splits a text after a number of this many digits.
fn split_number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    if leading_digits(number) != digits {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The unit and the instant of a number that counts time since 1970.
fn since_epoch(spelling: &str) -> Option<(EpochUnit, Timestamp)> {
    // Rust writes no exponent, so 1.7040672E9 becomes 1704067200.
    let plain = if spelling.contains(['e', 'E']) {
        spelling.parse::<f64>().ok()?.to_string()
    } else {
        spelling.to_owned()
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, "0"));
    let digits = whole.len();
    if leading_digits(whole) != digits || leading_digits(fraction) != fraction.len() {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: String = fraction.chars().take(FRACTION_DIGITS).collect();
    let fraction: u64 = format!("{fraction:0<FRACTION_DIGITS$}").parse().ok()?;
    let billionths = u128::from(whole) * FRACTION_UNITS + u128::from(fraction);
    EpochUnit::ALL.into_iter().find_map(|unit| {
        let nanos = billionths * unit.nanos() / FRACTION_UNITS;
        let is_plausible = PLAUSIBLE_NANOS.contains(&nanos);
        is_plausible.then(|| (unit, Timestamp::from_nanos(nanos)))
    })
}

/// RFC 3339 in UTC, with as many fractional digits as the instant needs.
fn in_utc(at: Timestamp) -> String {
    let shown = at.to_string();
    let (seconds, _) = shown.split_once('.').unwrap_or((&shown, ""));
    let nanos = u128::from(at.millis() % 1000) * NANOS_PER_MILLI + at.nanos_of_milli();
    let fraction = format!("{nanos:0FRACTION_DIGITS$}");
    match fraction.trim_end_matches('0') {
        "" => format!("{seconds}Z"),
        fraction => format!("{seconds}.{fraction}Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::TimestampError::{
        Basic, Comma, DateOnly, Digits, Format, NoFraction, NoOffset, NoSeconds, NoSuchDay,
        NoSuchLeapSecond, NoSuchOffset, NoSuchTime, Number, OffsetForm, Separator, WhiteSpace,
        Zone,
    };
    use super::*;

    #[test]
    fn each_kind_of_wrong_time_has_its_own_error() {
        for (text, expected) in [
            ("", Format),
            (" ", Format),
            ("now", Format),
            ("NaN", Format),
            ("01/02/2024 00:00:00", Format),
            ("Mon, 01 Jan 2024 00:00:00 GMT", Format),
            ("2024-01-01T12:00:00 PM", Format),
            ("2024-01-01Tnoon", Format),
            ("2024-01-01T00:00:00Z+01:00", Format),
            ("2024-01-01T00:00:00:123Z", Format),
            ("2024-01-01", DateOnly),
            ("2024-01-01Z", DateOnly),
            ("2024-01-01+01:00", DateOnly),
            ("2024-01-01T", DateOnly),
            ("20240101", DateOnly),
            ("20240101T000000Z", Basic),
            ("2024-01-01T0000Z", Basic),
            ("2024-01-01 000000Z", Basic),
            ("2024-1-1T00:00:00Z", Digits),
            ("2024-01-1", Digits),
            ("2024-01-011T00:00:00Z", Digits),
            ("2024-01-01T0:00:00Z", Digits),
            ("2024-01-01T00:00:0Z", Digits),
            ("2024-01-01_00:00:00Z", Separator),
            ("2024-01-01,00:00:00Z", Separator),
            ("2024-01-01é00:00:00Z", Separator),
            ("2024-01-01T00:00Z", NoSeconds),
            ("2024-01-01 00:00", NoSeconds),
            ("2024-01-01T00Z", NoSeconds),
            ("2024-01-01T00:00+01:00", NoSeconds),
            ("2024-01-01T00:00:00,123Z", Comma),
            ("2024-01-01T00:00:00,123", Comma),
            ("2024-01-01T00:00:00.Z", NoFraction),
            ("2024-01-01T00:00:00.", NoFraction),
            ("2024-01-01T00:00:00", NoOffset),
            ("2024-01-01 00:00:00.0000000", NoOffset),
            ("2017-07-20T13:43:38.368933+0000", OffsetForm),
            ("2024-01-01 00:00:00.123+00", OffsetForm),
            ("2024-01-01T00:00:00+1:00", OffsetForm),
            ("2024-01-01T00:00:00+01:00:00", OffsetForm),
            ("2024-01-01T00:00:00\u{2212}01:00", OffsetForm),
            ("2024-01-01T00:00:00+24:00", NoSuchOffset),
            ("2024-01-01T00:00:00-01:60", NoSuchOffset),
            ("2024-01-01T00:00:00+01:00[Europe/Berlin]", Zone),
            ("2024-01-01T00:00:00Z[UTC]", Zone),
            ("2024-01-01T00:00:00 CET", Zone),
            ("2024-01-01T00:00:00UTC", Zone),
            ("2024-01-01T00:00:00Zulu", Zone),
            ("2024-01-01 00:00:00 +0000 UTC", Zone),
            ("2024-01-01T00:00:00Z ", WhiteSpace),
            ("\t2024-01-01T00:00:00Z", WhiteSpace),
            ("2024-01-01T00:00:00 Z", WhiteSpace),
            ("2024-01-01  00:00:00Z", WhiteSpace),
            ("2024-01-01T00:00:00 +01:00", WhiteSpace),
            ("2024-02-30T00:00:00Z", NoSuchDay),
            ("2023-02-29 00:00:00Z", NoSuchDay),
            ("2024-13-01T00:00:00Z", NoSuchDay),
            ("2024-00-01T00:00:00Z", NoSuchDay),
            ("2024-01-01T24:00:00Z", NoSuchTime),
            ("2024-01-01T00:60:00Z", NoSuchTime),
            ("2024-01-01T00:00:61Z", NoSuchTime),
            ("2024-01-15T23:59:60Z", NoSuchLeapSecond),
            ("12", Number),
            ("-1", Number),
            ("1e400", Number),
        ] {
            assert_eq!(Timestamp::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_number_since_1970_is_shown_as_the_text_to_send() {
        for (number, expected) in [
            (
                "1700000000",
                "\"2023-11-14T22:13:20Z\", which is what 1700000000 is in seconds",
            ),
            (
                "1704067200.123",
                "\"2024-01-01T00:00:00.123Z\", which is what 1704067200.123 is in seconds",
            ),
            (
                "1.7040672E9",
                "\"2024-01-01T00:00:00Z\", which is what 1.7040672E9 is in seconds",
            ),
            (
                "1704067200120",
                "\"2024-01-01T00:00:00.12Z\", which is what 1704067200120 is in milliseconds",
            ),
            (
                "1704067200000.5",
                "\"2024-01-01T00:00:00.0005Z\", which is what 1704067200000.5 is in milliseconds",
            ),
            (
                "1704067200000001",
                "\"2024-01-01T00:00:00.000001Z\", which is what 1704067200000001 is in microseconds",
            ),
            (
                "1704067200000000001",
                "\"2024-01-01T00:00:00.000000001Z\", which is what 1704067200000000001 is in nanoseconds",
            ),
        ] {
            let expected = format!("is a number; send text, such as {expected}");
            assert_eq!(TimestampError::of_number(number).to_string(), expected);
            // The same digits as text.
            assert_eq!(Timestamp::parse(number).unwrap_err().to_string(), expected);
        }
        let long = format!("1700000000.{}", "3".repeat(100));
        for number in ["0", "2024", "-1700000000", "20240101000000", "1e400", &long] {
            assert_eq!(
                TimestampError::of_number(number),
                TimestampError::Number,
                "{number}"
            );
        }
    }
}
