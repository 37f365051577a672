//! Timestamps and ids: read as they are shown, ordered as the time is.

use audit_log::event::{EventId, IdRange, Timestamp};

/// Every text is read as a second reader reads it, every id is shown as it is read, and ids sort as instants do.
pub fn instant(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_timestamp(text);
        check_id(text);
    }
    if let Some((head, rest)) = bytes.split_at_checked(8).and_then(|(head, rest)| Some((head, rest.get(..8)?))) {
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        check_order(number(head), number(rest));
    }
}

fn check_timestamp(text: &str) {
    let (found, expected) = (Timestamp::parse(text).ok(), nanos(text));
    assert_eq!(found, expected.map(Timestamp::from_nanos), "{text}");
    if let Some(at) = found.filter(|at| at.millis() < YEAR_10000_MILLIS) {
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(Timestamp::from_millis(at.millis())), "{text}");
    }
}

const YEAR_10000_MILLIS: u64 = 253_402_300_800_000;

fn check_id(text: &str) {
    let Some(id) = EventId::parse(text) else { return };
    assert_eq!(id.to_string(), text.to_ascii_lowercase());
    assert_eq!((EventId::parse(&id.to_string()), EventId::from_bits(id.to_bits())), (Some(id), Some(id)));
}

/// Two instants within 292 years of 1970, and tails that could not be further apart.
fn check_order(earlier: u64, later: u64) {
    let [earlier, later] = if earlier < later { [earlier, later] } else { [later, earlier] };
    let at = |nanos: u64| Timestamp::from_nanos(u128::from(nanos));
    let lowest = |nanos| EventId::new(at(nanos), 0, 1);
    let highest = |nanos| EventId::new(at(nanos), u64::MAX, 16);
    assert_eq!(lowest(earlier), EventId::lowest_at(at(earlier)));
    assert!(lowest(earlier) < highest(earlier));
    assert_eq!(highest(earlier) < lowest(later), earlier < later);
    for id in [lowest(earlier), highest(later)] {
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
    }
    let range = IdRange::ALL.from(at(earlier)).to(at(later));
    let within = |id: EventId| range.bounds().is_some_and(|(first, last)| (first..=last).contains(&id.to_string()));
    assert_eq!(within(highest(earlier)), earlier < later, "from is included");
    assert!(!within(lowest(later)), "to is not");
}

/// RFC 3339 §5.6 by hand: the nanoseconds since 1970, of which nine digits count.
fn nanos(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        let value = |sum: i128, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i128::from(digit - b'0'));
        digits.iter().try_fold(0, value)
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).filter(|byte| any.contains(byte)).map(|_| ());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    for (at, any) in [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")] {
        is(at, any.as_bytes())?;
    }
    let mut end = 19;
    let mut fraction = 0;
    if is(end, b".").is_some() {
        let digits = bytes[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let counted = digits.min(9);
        fraction = number(end + 1..end + 1 + counted)? * 10_i128.pow(u32::try_from(9 - counted).unwrap());
        end += 1 + digits;
        (digits > 0).then_some(())?;
    }
    let offset = match bytes.get(end)? {
        b'Z' | b'z' => {
            end += 1;
            0
        }
        sign @ (b'+' | b'-') => {
            let (hours, minutes) = (number(end + 1..end + 3)?, number(end + 4..end + 6)?);
            is(end + 3, b":")?;
            (hours < 24 && minutes < 60).then_some(())?;
            end += 6;
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = [31, if leap_year { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last_day = *month_days.get(usize::try_from(month - 1).ok()?)?;
    let exists = (1..=last_day).contains(&day) && hour < 24 && minute < 60 && second <= 60 && end == bytes.len();
    exists.then_some(())?;
    // Days from 0000-03-01, so that a leap day is a year's last: https://howardhinnant.github.io/date_algorithms.html
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = march_year * 365 + march_year.div_euclid(4) - march_year.div_euclid(100)
        + march_year.div_euclid(400)
        + (153 * march_month + 2) / 5
        + day
        - 1
        - 719_468;
    let minutes = (days * 24 + hour) * 60 + minute - offset;
    let nanos = if second == 60 {
        // The leap second is at the end of a month in UTC, and counts as the last nanosecond before it.
        ends_a_month(minutes).then_some((minutes * 60 + 60) * 1_000_000_000 - 1)?
    } else {
        (minutes * 60 + second) * 1_000_000_000 + fraction
    };
    u128::try_from(nanos).ok()
}

/// Whether a minute since 1970 is a month's last.
fn ends_a_month(minute: i128) -> bool {
    let days = (minute + 1).div_euclid(24 * 60) + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    (minute + 1) % (24 * 60) == 0 && day_of_year == (153 * month + 2) / 5
}
