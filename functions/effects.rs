//! The clock, chance and the metrics' way out, as parameters: the only place that reads the real clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::Timestamp;
use crate::telemetry::{Metric, Metrics};

/// What is kept of the time that Lambda gives a function, to answer that it was not enough.
const RESERVE: Duration = Duration::from_millis(500);

type Clock = dyn Fn() -> Timestamp + Send + Sync;
type Entropy = dyn Fn() -> Result<u64, getrandom::Error> + Send + Sync;

/// Where a handler takes the time and its random numbers from, and where it notes its metrics.
#[derive(Clone)]
pub struct Effects {
    clock: Arc<Clock>,
    entropy: Arc<Entropy>,
    metrics: Metrics,
}

impl Effects {
    /// The system's clock and its random number generator; no metrics.
    pub fn system() -> Effects {
        Effects { clock: Arc::new(system_now), entropy: Arc::new(getrandom::u64), metrics: Metrics::none() }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Effects {
        Effects { clock: Arc::new(clock), ..self }
    }

    /// The same with other random numbers.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Effects {
        Effects { entropy: Arc::new(move || Ok(random())), ..self }
    }

    /// The same with metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Effects {
        Effects { metrics, ..self }
    }

    /// Notes a metric. A `code` is a dimension of its own.
    pub fn note(&self, metric: Metric, value: f64, code: Option<&str>) {
        self.metrics.note(self.now(), metric, value, code);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// How long a function may go on that Lambda stops at `deadline`, so that the answer is still its own. A deadline
    /// that is past when a function starts is none: `cargo lambda watch` always names the same one in 1970.
    pub fn time_left(&self, deadline: Timestamp) -> Option<Duration> {
        let now = self.now();
        (deadline > now).then(|| deadline.since(now).saturating_sub(RESERVE))
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

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Effects")
    }
}

/// A random part of `most`: who failed together is not to try again together. All of it, where the system has no chance.
pub fn jitter(most: Duration) -> Duration {
    most.mul_f64(getrandom::u32().map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX)))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn system_now() -> Timestamp {
    // A clock before 1970 is 1970: events of today are then refused as too far ahead, which shows.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(since_epoch.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_before_it_is_stopped() {
        let (now, second) = (Timestamp::from_millis(1_000_000), Duration::from_secs(1));
        let effects = Effects::system().with_clock(move || now);
        assert_eq!(effects.time_left(now.plus(second)), Some(second - RESERVE));
        assert_eq!(effects.time_left(now.plus(RESERVE / 2)), Some(Duration::ZERO));
        assert_eq!(effects.time_left(now.minus(second)), None);
    }

    #[test]
    fn those_who_pause_together_go_on_apart() {
        let most = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..20).map(|_| jitter(most)).collect();
        assert!(pauses.iter().all(|pause| *pause <= most));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }
}
