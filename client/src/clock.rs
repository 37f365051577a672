//! The real clock. Signatures and new events have its time.

use std::time::SystemTime;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
