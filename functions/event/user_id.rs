//! The id of a user, in its canonical form.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::MAX_FIELD_BYTES;

/// The canonical id of a user: 1 to [`MAX_FIELD_BYTES`] bytes of UTF-8, compared byte by byte.
///
/// A document may give a user id as an integer. Its canonical form is its digits, so the number 1
/// and the string `"1"` are the same user.
///
/// ```
/// use audit_log::event::UserId;
///
/// let user: UserId = "user-1".parse().unwrap();
/// assert_eq!(user.as_str(), "user-1");
/// assert!("".parse::<UserId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserId(String);

/// A text that is empty or too long. The message completes the sentence "`user_id` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_FIELD_BYTES} bytes long")]
pub struct UserIdError;

impl UserId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<UserId, UserIdError> {
        match text.len() {
            1..=MAX_FIELD_BYTES => Ok(UserId(text.to_owned())),
            _ => Err(UserIdError),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
