//! Sends no more events a second than a log has room for.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The largest number of events a second.
pub struct Rate {
    events_per_second: Option<u32>,
    next: Instant,
}

impl Rate {
    /// `None` is as fast as the log is.
    pub fn new(events_per_second: Option<u32>) -> Rate {
        Rate {
            events_per_second,
            next: Instant::now(),
        }
    }

    /// The largest batch. A low rate has small batches, so that it is even.
    pub fn max_batch(&self) -> usize {
        self.events_per_second
            .map_or(usize::MAX, |events| events as usize)
    }

    /// Waits until these events may be sent.
    pub async fn wait(&mut self, events: usize) {
        let Some(events_per_second) = self.events_per_second else {
            return;
        };
        sleep_until(self.next).await;
        // What a slow log has left unused is lost: it may be slow because it is busy.
        let began = self.next.max(Instant::now());
        self.next = began + Duration::from_secs_f64(events as f64 / f64::from(events_per_second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_holds_on_average() {
        let start = Instant::now();
        let mut rate = Rate::new(Some(50));
        assert_eq!(rate.max_batch(), 50);
        for _ in 0..11 {
            rate.wait(50).await;
        }
        assert_eq!(start.elapsed().as_secs(), 10);

        let mut rate = Rate::new(None);
        for _ in 0..1000 {
            rate.wait(100).await;
        }
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
