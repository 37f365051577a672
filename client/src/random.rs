//! Random numbers of the operating system.

use std::time::Duration;

use crate::Error;

/// A key that no other event has: 128 random bits.
pub(crate) fn key() -> Result<String, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// A random duration up to `longest`, so that clients that failed together do not retry together.
/// If the system gives no random numbers, it is `longest` itself.
pub(crate) fn jitter(longest: Duration) -> Duration {
    match getrandom::u32() {
        Ok(bits) => longest.mul_f64(f64::from(bits) / f64::from(u32::MAX)),
        Err(_) => longest,
    }
}
