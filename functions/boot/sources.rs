//! The clock and chance, as parameters: the only place that reads the real ones.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::event::Timestamp;

type Clock = dyn Fn() -> Timestamp + Send + Sync;
type Entropy = dyn Fn() -> Result<u64, getrandom::Error> + Send + Sync;

/// Where a handler takes the time and its random numbers from.
#[derive(Clone)]
pub struct Sources {
    clock: Arc<Clock>,
    entropy: Arc<Entropy>,
}

impl Sources {
    /// The system's clock and its random number generator.
    pub fn system() -> Sources {
        Sources { clock: Arc::new(system_now), entropy: Arc::new(getrandom::u64) }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Sources {
        Sources { clock: Arc::new(clock), ..self }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// 64 random bits.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn random(&self) -> Result<u64, getrandom::Error> {
        (self.entropy)()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn system_now() -> Timestamp {
    // A clock before 1970 is 1970: events of today are then refused as too far ahead, which shows.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(since_epoch.as_nanos())
}
