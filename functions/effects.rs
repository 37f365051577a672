//! The clock, random numbers and metrics, as parameters. Only this module reads the real clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::Timestamp;
use crate::limits::{DEFAULT_BATCH_TIME, RESPONSE_RESERVE};
use crate::telemetry::{Metric, Metrics};

type Clock = dyn Fn() -> Timestamp + Send + Sync;
type Random = dyn Fn() -> Result<u64, getrandom::Error> + Send + Sync;

/// The effects of a handler other than on the tables: it reads a clock, draws random numbers and
/// emits metrics.
///
/// ```
/// use audit_log::effects::Effects;
/// use audit_log::event::Timestamp;
///
/// let noon = Timestamp::parse("2024-01-01T12:00:00Z").unwrap();
/// let effects = Effects::system().with_clock(move || noon);
/// assert_eq!(effects.now(), noon);
/// ```
#[derive(Clone)]
pub struct Effects {
    clock: Arc<Clock>,
    random: Arc<Random>,
    metrics: Metrics,
}

impl Effects {
    /// The clock and the random numbers of the system, and no metrics.
    pub fn system() -> Effects {
        Effects {
            clock: Arc::new(system_now),
            random: Arc::new(getrandom::u64),
            metrics: Metrics::none(),
        }
    }

    /// The same effects with another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Effects {
        Effects {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// The same effects with other random numbers.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Effects {
        Effects {
            random: Arc::new(move || Ok(random())),
            ..self
        }
    }

    /// The same effects with metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Effects {
        Effects { metrics, ..self }
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts one occurrence of a metric.
    pub fn count(&self, metric: Metric) {
        self.count_many(metric, 1);
    }

    /// Counts several occurrences of a metric, if there are any.
    pub fn count_many(&self, metric: Metric, times: usize) {
        if times > 0 {
            self.metrics.count(self.now(), metric, times);
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// How long a function that Lambda stops at `deadline` may still take, so that the response is
    /// its own.
    ///
    /// `None` for a deadline in the past, which is no deadline: `cargo lambda watch` always gives
    /// the same one in 1970.
    pub fn time_left(&self, deadline: Timestamp) -> Option<Duration> {
        let now = self.now();
        if deadline <= now {
            return None;
        }
        Some(deadline.since(now).saturating_sub(RESPONSE_RESERVE))
    }

    /// The same for a function that handles a batch, which has no caller. Without a deadline, it has
    /// [`DEFAULT_BATCH_TIME`].
    pub fn batch_time_left(&self, deadline: Timestamp) -> Duration {
        self.time_left(deadline).unwrap_or(DEFAULT_BATCH_TIME)
    }

    /// 64 random bits.
    ///
    /// # Errors
    ///
    /// When the operating system gives none.
    pub fn random(&self) -> Result<u64, getrandom::Error> {
        (self.random)()
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Effects")
    }
}

/// A random duration up to `longest`, so that requests that failed together do not retry together.
/// If the system gives no random numbers it is `longest` itself.
pub fn jitter(longest: Duration) -> Duration {
    match getrandom::u32() {
        Ok(bits) => longest.mul_f64(f64::from(bits) / f64::from(u32::MAX)),
        Err(_) => longest,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn system_now() -> Timestamp {
    // A clock before 1970 counts as 1970. Events of today are then rejected as too far ahead, which
    // shows the fault.
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(since_epoch.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_before_it_is_stopped() {
        let now = Timestamp::from_millis(1_000_000);
        let second = Duration::from_secs(1);
        let effects = Effects::system().with_clock(move || now);
        let left = |deadline| effects.time_left(deadline);
        assert_eq!(
            left(now.saturating_add(second)),
            Some(second - RESPONSE_RESERVE)
        );
        assert_eq!(
            left(now.saturating_add(RESPONSE_RESERVE / 2)),
            Some(Duration::ZERO)
        );
        assert_eq!(left(now.saturating_sub(second)), None);
    }

    #[test]
    fn requests_that_failed_together_retry_apart() {
        let longest = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..20).map(|_| jitter(longest)).collect();
        assert!(pauses.iter().all(|pause| *pause <= longest));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }
}
