//! How many shards the log has, and since when.
//!
//! An idempotent retry must find the event it repeats, so its id, shard included, has to come out the same for
//! ever. Were the shard simply a hash modulo the current number of shards, raising that number would send a late
//! retry to another shard, where it would be recorded twice. So a raise has a date, and what decides is the
//! event's own timestamp, which a retry repeats:
//!
//! ```text
//! SHARDS=4                            four shards
//! SHARDS=4,8@2026-12-01T00:00:00Z     four for events before that instant, eight for those from it on
//! ```
//!
//! Give the raise a date more than [`FUTURE_MAX`](super::FUTURE_MAX) after its deployment: no event from
//! that date on can then have been recorded under the old number.

use std::str::FromStr;

use super::{Timestamp, TimestampError};

/// The most shards: an id ends with one hex digit for them.
pub const SHARDS_MAX: u8 = 16;

/// The number of shards by event time; it only ever grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// (from this event time on, so many), oldest first; the first is from the epoch on.
    steps: Vec<(Timestamp, u8)>,
}

/// Why a text is not a number of shards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardsError {
    /// Not a number in range.
    #[error("\"{0}\" is not a whole number from 1 to {SHARDS_MAX}")]
    Number(String),
    /// A raise without the instant from which it holds.
    #[error("\"{0}\" needs the instant from which it holds, as in 8@2026-12-01T00:00:00Z")]
    Undated(String),
    /// The instant is none.
    #[error("the instant of \"{0}\" {1}")]
    Instant(String, TimestampError),
    /// Fewer shards, or an earlier date, than the step before.
    #[error("\"{0}\" must raise the number before it, at a later instant: shards are never lowered")]
    Order(String),
}

impl Shards {
    /// How many shards share the events that happen at `at`: 1 to 16.
    pub fn at(&self, at: Timestamp) -> u8 {
        self.steps.iter().rev().find(|(from, _)| *from <= at).map_or(1, |(_, shards)| *shards)
    }

    /// Every shard that can hold an event.
    pub fn all(&self) -> std::ops::Range<u8> {
        0..self.steps.last().map_or(1, |(_, shards)| *shards)
    }
}

impl FromStr for Shards {
    type Err = ShardsError;

    fn from_str(text: &str) -> Result<Shards, ShardsError> {
        let mut steps: Vec<(Timestamp, u8)> = Vec::new();
        for step in text.split(',').map(str::trim) {
            let (number, from) = match (step.split_once('@'), steps.last()) {
                (None, None) => (step, Timestamp::EPOCH),
                (Some((number, from)), Some(_)) => {
                    let from = Timestamp::parse(from).map_err(|error| ShardsError::Instant(step.to_owned(), error))?;
                    (number, from)
                }
                (None, Some(_)) => return Err(ShardsError::Undated(step.to_owned())),
                (Some(_), None) => return Err(ShardsError::Number(step.to_owned())),
            };
            let number = number
                .parse()
                .ok()
                .filter(|number| (1..=SHARDS_MAX).contains(number))
                .ok_or_else(|| ShardsError::Number(number.to_owned()))?;
            if steps.last().is_some_and(|&(before, fewer)| before >= from || fewer >= number) {
                return Err(ShardsError::Order(step.to_owned()));
            }
            steps.push((from, number));
        }
        Ok(Shards { steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_shards_follows_the_time_of_the_event() {
        let shards: Shards = "4, 8@2026-12-01T00:00:00Z,16@2027-01-01T00:00:00Z".parse().unwrap();
        for (at, expected) in [
            ("1970-01-01T00:00:00Z", 4),
            ("2026-11-30T23:59:59.999999999Z", 4),
            ("2026-12-01T00:00:00Z", 8),
            ("2027-01-01T00:00:00Z", 16),
        ] {
            assert_eq!(shards.at(Timestamp::parse(at).unwrap()), expected, "{at}");
        }
        assert_eq!(shards.all(), 0..16);
        assert_eq!("1".parse::<Shards>().unwrap().all(), 0..1);
    }

    #[test]
    fn a_setting_that_could_lose_an_event_is_refused() {
        for text in [
            "",
            "0",
            "17",
            "four",
            "-1",
            "4.0",
            "4,8",
            "8,4@2026-12-01T00:00:00Z",
            "4,4@2026-12-01T00:00:00Z",
            "4,8@2026-12-01",
            "4@2026-12-01T00:00:00Z",
            "4,8@2026-12-01T00:00:00Z,16@2026-12-01T00:00:00Z",
            "4,",
        ] {
            assert!(text.parse::<Shards>().is_err(), "{text}");
        }
    }
}
