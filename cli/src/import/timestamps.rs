//! The timestamps of the old service, as the log accepts them.
//!
//! The old service kept any text as a timestamp. Python's `datetime.utcnow().isoformat()` writes no
//! offset from UTC, and the log refuses a time without one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::report::json::{quoted, string};

/// The least number that is taken for milliseconds: 1973 in milliseconds, and 5138 in seconds.
const FIRST_MILLIS: f64 = 1e11;

/// The JSON of a timestamp with its offset from UTC. A time without one is a time of this zone.
///
/// A number is the seconds or the milliseconds since 1970. A text that cannot be read is unchanged,
/// so that the log says what is wrong with it.
pub fn with_offset(value: &str, zone: &TimeZone) -> String {
    if let Some(text) = string(value) {
        let text = text_with_offset(text.trim(), zone);
        return text.map_or_else(|| value.to_owned(), |text| quoted(&text));
    }
    match serde_json::from_str(value).ok().and_then(of_number) {
        Some(at) => quoted(&at.to_string()),
        None => value.to_owned(),
    }
}

/// `None` for a text that has an offset already, or that is no time.
fn text_with_offset(text: &str, zone: &TimeZone) -> Option<String> {
    if let Some(text) = with_colon(text) {
        return Some(text);
    }
    let has_offset = text.parse::<Timestamp>().is_ok();
    // A date alone parses as midnight, which would be a time that no service has recorded.
    let has_time = text.contains(':');
    if has_offset || !has_time {
        return None;
    }
    let local: DateTime = text.parse().ok()?;
    let at = zone.to_zoned(local).ok()?;
    let offset = match at.offset() {
        Offset::UTC => "Z".to_owned(),
        offset => offset.to_string(),
    };
    // The text keeps its digits: only the offset is added. Seconds are part of RFC 3339.
    let has_seconds = text.matches(':').count() == 2;
    let seconds = if has_seconds { "" } else { ":00" };
    Some(format!("{text}{seconds}{}", colon_of(&offset)))
}

/// Python's `%z` writes an offset without the colon that RFC 3339 has.
fn with_colon(text: &str) -> Option<String> {
    let (time, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let (sign, digits) = offset.split_at_checked(1)?;
    let is_offset = matches!(sign, "+" | "-") && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_offset || !time.contains(':') {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    Some(format!("{time}{sign}{hours}:{minutes}"))
}

/// jiff writes full hours as `+02`.
fn colon_of(offset: &str) -> String {
    if offset.len() == "+02".len() {
        return format!("{offset}:00");
    }
    offset.to_owned()
}

fn of_number(number: f64) -> Option<Timestamp> {
    if number < 0.0 {
        return None;
    }
    let millis = if number < FIRST_MILLIS {
        number * 1000.0
    } else {
        number
    };
    // A conversion of floating point saturates, and no timestamp has so many milliseconds.
    Timestamp::from_millisecond(millis.round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(value: &str) -> String {
        with_offset(value, &TimeZone::UTC)
    }

    #[test]
    fn a_time_without_an_offset_gets_the_one_of_the_zone() {
        assert_eq!(
            utc(r#""2024-01-01T00:00:00.123456""#),
            r#""2024-01-01T00:00:00.123456Z""#
        );
        assert_eq!(utc(r#""2024-01-01 00:00""#), r#""2024-01-01 00:00:00Z""#);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (local, expected) in [
            (r#""2024-01-01T00:00:00""#, r#""2024-01-01T00:00:00+01:00""#),
            (r#""2024-07-01T00:00:00""#, r#""2024-07-01T00:00:00+02:00""#),
        ] {
            assert_eq!(with_offset(local, &berlin), expected);
        }
    }

    #[test]
    fn offsets_and_numbers_become_rfc_3339() {
        for (old, expected) in [
            (
                r#""2024-01-01T00:00:00+0100""#,
                r#""2024-01-01T00:00:00+01:00""#,
            ),
            ("1704067200", r#""2024-01-01T00:00:00Z""#),
            ("1704067200.25", r#""2024-01-01T00:00:00.25Z""#),
            ("1704067200250", r#""2024-01-01T00:00:00.25Z""#),
        ] {
            assert_eq!(utc(old), expected);
        }
    }

    #[test]
    fn what_has_an_offset_or_is_no_time_is_unchanged() {
        for value in [
            r#""2024-01-01T00:00:00Z""#,
            r#""2024-01-01T00:00:00+01:00""#,
            r#""2024-01-01""#,
            r#""yesterday""#,
            r#""""#,
            "null",
            "-1",
            "{}",
        ] {
            assert_eq!(utc(value), value);
        }
    }
}
