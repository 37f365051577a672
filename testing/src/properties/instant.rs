//! Timestamps and ids: read as they are shown, ordered as the time is.

use audit_log::event::{EventId, IdRange, Timestamp, TimestampError};

/// Every text is read as a second reader reads it, every id is shown as it is read, and ids sort as
/// instants do.
pub fn instant(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_timestamp(text);
        check_id(text);
    }
    if let Some(instants) = bytes.get(..16) {
        let (first, second) = instants.split_at(8);
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        check_order(number(first), number(second));
    }
}

fn check_timestamp(text: &str) {
    let found = Timestamp::parse(text).ok();
    let expected = nanos(text).map(Timestamp::from_nanos);
    assert_eq!(found, expected, "{text}");
    let Some(at) = found else {
        check_refused(text);
        return;
    };
    if at.millis() < YEAR_10000_MILLIS {
        let shown = Timestamp::parse(&at.to_string());
        assert_eq!(shown, Ok(Timestamp::from_millis(at.millis())), "{text}");
    }
}

/// What is wrong is said in few words, and following the advice removes it.
fn check_refused(text: &str) {
    let error = Timestamp::parse(text).unwrap_err();
    let sentence = error.to_string();
    assert!((10..=200).contains(&sentence.len()), "{sentence}");
    let repaired = match error {
        TimestampError::NoOffset => format!("{text}Z"),
        TimestampError::Comma => text.replacen(',', ".", 1),
        TimestampError::DateOnly if text.len() == 10 => format!("{text}T00:00:00Z"),
        TimestampError::SinceEpoch { .. } => sentence.split('"').nth(1).unwrap().to_owned(),
        _ => return,
    };
    let Err(other) = Timestamp::parse(&repaired) else {
        return;
    };
    assert_ne!(other, error, "{text}: {sentence}");
    // After a comma, anything else can be wrong. The other forms are complete.
    let form = matches!(other, TimestampError::Format | TimestampError::Digits);
    assert!(
        error == TimestampError::Comma || !form,
        "{text}: {sentence}: {other}"
    );
}

const YEAR_10000_MILLIS: u64 = 253_402_300_800_000;

fn check_id(text: &str) {
    let Some(id) = EventId::parse(text) else {
        return;
    };
    assert_eq!(id.to_string(), text.to_ascii_lowercase());
    assert_eq!(EventId::parse(&id.to_string()), Some(id));
    assert_eq!(EventId::from_bits(id.to_bits()), Some(id));
}

/// Two instants within 292 years of 1970, and tails that could not be further apart.
fn check_order(earlier: u64, later: u64) {
    let [earlier, later] = [earlier.min(later), earlier.max(later)];
    let at = |nanos: u64| Timestamp::from_nanos(u128::from(nanos));
    let lowest = |nanos| EventId::new(at(nanos), 0, 1);
    let highest = |nanos| EventId::new(at(nanos), u64::MAX, 16);
    assert_eq!(lowest(earlier), EventId::lowest_at(at(earlier)));
    assert!(lowest(earlier) < highest(earlier));
    assert_eq!(highest(earlier) < lowest(later), earlier < later);
    for id in [lowest(earlier), highest(later)] {
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
    }
    let range = IdRange::ALL
        .starting_at(at(earlier))
        .ending_before(at(later));
    let within = |id: EventId| match range.sort_keys() {
        Some((first, last)) => (first..=last).contains(&id.to_string()),
        None => false,
    };
    assert_eq!(
        within(highest(earlier)),
        earlier < later,
        "from is included"
    );
    assert!(!within(lowest(later)), "to is not");
}

/// RFC 3339 §5.6 by hand: the nanoseconds since 1970, of which nine digits count.
fn nanos(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let mut number = 0;
        for digit in bytes.get(range)? {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i128::from(digit - b'0');
        }
        Some(number)
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let year = number(0..4)?;
    let month = number(5..7)?;
    let day = number(8..10)?;
    let hour = number(11..13)?;
    let minute = number(14..16)?;
    let second = number(17..19)?;
    for (at, any) in [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")] {
        if !is(at, any.as_bytes()) {
            return None;
        }
    }
    let mut end = 19;
    let mut fraction = 0;
    if is(end, b".") {
        end += 1;
        let digits = bytes[end..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        let counted = digits.min(9);
        let scale = 10_i128.pow(u32::try_from(9 - counted).unwrap());
        fraction = number(end..end + counted)? * scale;
        end += digits;
    }
    let offset = match bytes.get(end)? {
        b'Z' | b'z' => {
            end += 1;
            0
        }
        sign @ (b'+' | b'-') => {
            let hours = number(end + 1..end + 3)?;
            let minutes = number(end + 4..end + 6)?;
            if !is(end + 3, b":") || hours >= 24 || minutes >= 60 {
                return None;
            }
            end += 6;
            let ahead = hours * 60 + minutes;
            if *sign == b'-' { -ahead } else { ahead }
        }
        _ => return None,
    };
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap_year { 29 } else { 28 };
    let month_days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last_day = *month_days.get(usize::try_from(month - 1).ok()?)?;
    let is_day = (1..=last_day).contains(&day);
    let is_time = hour < 24 && minute < 60 && second <= 60;
    if !is_day || !is_time || end != bytes.len() {
        return None;
    }
    // Days from 0000-03-01, so that a leap day is a year's last:
    // https://howardhinnant.github.io/date_algorithms.html
    let (march_year, march_month) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let days = march_year * 365 + march_year.div_euclid(4) - march_year.div_euclid(100)
        + march_year.div_euclid(400)
        + (153 * march_month + 2) / 5
        + day
        - 1
        - 719_468;
    let minutes = (days * 24 + hour) * 60 + minute - offset;
    if second < 60 {
        return u128::try_from((minutes * 60 + second) * 1_000_000_000 + fraction).ok();
    }
    // A leap second is at the end of a month in UTC, and counts as the last nanosecond before it.
    if !ends_a_month(minutes) {
        return None;
    }
    u128::try_from((minutes * 60 + 60) * 1_000_000_000 - 1).ok()
}

/// Whether a minute since 1970 is a month's last.
fn ends_a_month(minute: i128) -> bool {
    let days = (minute + 1).div_euclid(24 * 60) + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    (minute + 1) % (24 * 60) == 0 && day_of_year == (153 * month + 2) / 5
}
