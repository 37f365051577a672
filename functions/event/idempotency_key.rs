//! The key under which a caller may repeat a request.

use std::fmt;
use std::str::FromStr;

/// The longest key, in bytes.
const MAX_BYTES: usize = 255;

/// An Idempotency-Key: 1 to 255 visible ASCII characters without a comma.
///
/// API Gateway joins a header that is sent several times with commas, so a comma cannot be part of
/// a key.
///
/// ```
/// use audit_log::event::IdempotencyKey;
///
/// let key: IdempotencyKey = "job-4711".parse().unwrap();
/// assert_eq!(key.as_str(), "job-4711");
/// assert!("two words".parse::<IdempotencyKey>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A text that is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The Idempotency-Key must be 1 to {MAX_BYTES} visible ASCII characters without a comma.")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<IdempotencyKey, IdempotencyKeyError> {
        let has_length = (1..=MAX_BYTES).contains(&text.len());
        let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if has_length && text.bytes().all(is_visible) {
            Ok(IdempotencyKey(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
