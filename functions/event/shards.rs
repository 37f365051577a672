//! The number of shards of the events table.

use std::str::FromStr;

/// The most shards: an id ends with one hex digit for them.
pub const MAX_SHARDS: u8 = 16;

/// A number of shards, 1 to [`MAX_SHARDS`].
///
/// It can be raised at any time, because an id contains its own shard. Readers list at least this
/// many shards, and more if the count index knows of more: see [`Count`](crate::count::Count).
///
/// ```
/// use audit_log::event::Shards;
///
/// let shards: Shards = "4".parse().unwrap();
/// assert_eq!(shards.get(), 4);
/// assert!("17".parse::<Shards>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards(u8);

/// A text that is not a number of shards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a whole number from 1 to {MAX_SHARDS}")]
pub struct ShardsError(String);

impl Shards {
    /// The number itself.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Shards {
    type Err = ShardsError;

    fn from_str(text: &str) -> Result<Shards, ShardsError> {
        // `parse` alone would accept a plus sign.
        let has_only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(number @ 1..=MAX_SHARDS) if has_only_digits => Ok(Shards(number)),
            _ => Err(ShardsError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_shards_is_1_to_16_and_nothing_else() {
        for number in 1..=16 {
            assert_eq!(number.to_string().parse(), Ok(Shards(number)));
        }
        for text in [
            "",
            "0",
            "17",
            "four",
            "-1",
            "+4",
            "4.0",
            "4,8",
            " 4",
            "4,8@2026-12-01T00:00:00Z",
        ] {
            assert!(text.parse::<Shards>().is_err(), "{text}");
        }
    }
}
