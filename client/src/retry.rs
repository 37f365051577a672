//! How often a request is repeated, and with which pauses.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use crate::random::jitter;

/// How often a request is sent at most that makes the service fail. It may fail each time.
const MAX_FAILURES: u32 = 3;
/// The pause before the second attempt, at most. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A service that asks for a longer pause gets this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a request to read is sent at most.
const MAX_READS: u32 = 7;
/// How long an event is reported again.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    max_attempts: u32,
    deadline: Option<Duration>,
    only_throttled: bool,
}

/// What happened to an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempt {
    Status(StatusCode),
    NoResponse,
}

/// The attempts of one request.
pub(crate) struct Attempts {
    retry: Retry,
    made: u32,
    longest: Duration,
    end: Option<Instant>,
}

impl Retry {
    /// Seven attempts, as a request to read is sent: some 10 seconds, and longer if the service
    /// asks for longer pauses.
    pub const READ: Retry = Retry {
        max_attempts: MAX_READS,
        deadline: None,
        only_throttled: false,
    };
    /// A minute, as an event is reported.
    pub const REPORT: Retry = Retry::until(DEFAULT_DEADLINE);
    /// One attempt.
    pub const NEVER: Retry = Retry {
        max_attempts: 1,
        ..Retry::READ
    };
    /// Seven attempts, and only after a 429, which the service itself has not seen. Every other
    /// response, and a connection that broke, is a result.
    pub const THROTTLED: Retry = Retry {
        only_throttled: true,
        ..Retry::READ
    };

    /// As often as it can be sent within this time. The last attempt may end later.
    pub const fn until(deadline: Duration) -> Retry {
        Retry {
            max_attempts: u32::MAX,
            deadline: Some(deadline),
            only_throttled: false,
        }
    }

    pub(crate) fn attempts(self) -> Attempts {
        Attempts {
            retry: self,
            made: 0,
            longest: FIRST_PAUSE,
            end: self.deadline.map(|deadline| Instant::now() + deadline),
        }
    }
}

impl Attempts {
    /// Waits until the next attempt, at least as long as the service asks. `false` if there is
    /// none: the last one is the result.
    pub(crate) async fn again(&mut self, last: Attempt, asked: Option<Duration>) -> bool {
        self.made += 1;
        if self.made >= self.retry.max_attempts || !self.can_be_repeated(last) {
            return false;
        }
        let pause = jitter(self.longest) + asked.unwrap_or_default().min(LONGEST_PAUSE);
        self.longest = (self.longest * 2).min(LONGEST_PAUSE);
        let wakes = Instant::now() + pause;
        if self.end.is_some_and(|end| wakes > end) {
            return false;
        }
        tokio::time::sleep_until(wakes).await;
        true
    }

    fn can_be_repeated(&self, last: Attempt) -> bool {
        let status = match last {
            Attempt::Status(status) => status,
            Attempt::NoResponse => return !self.retry.only_throttled,
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            return true;
        }
        if self.retry.only_throttled {
            return false;
        }
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => self.made < MAX_FAILURES,
            _ => status.is_server_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn made(retry: Retry, last: Attempt) -> u32 {
        let mut attempts = retry.attempts();
        while attempts.again(last, None).await {}
        attempts.made
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_failure_has_its_number_of_attempts() {
        let throttled = Attempt::Status(StatusCode::TOO_MANY_REQUESTS);
        let unavailable = Attempt::Status(StatusCode::SERVICE_UNAVAILABLE);
        let failed = Attempt::Status(StatusCode::INTERNAL_SERVER_ERROR);
        let refused = Attempt::Status(StatusCode::BAD_REQUEST);
        for last in [throttled, unavailable, Attempt::NoResponse] {
            assert_eq!(made(Retry::READ, last).await, MAX_READS, "{last:?}");
            assert_eq!(made(Retry::NEVER, last).await, 1, "{last:?}");
        }
        assert_eq!(made(Retry::READ, failed).await, MAX_FAILURES);
        assert_eq!(made(Retry::READ, refused).await, 1);
        assert_eq!(made(Retry::THROTTLED, throttled).await, MAX_READS);
        assert_eq!(made(Retry::THROTTLED, unavailable).await, 1);
        assert_eq!(made(Retry::THROTTLED, Attempt::NoResponse).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_the_attempts() {
        let minutes = Duration::from_secs(600);
        let start = Instant::now();
        let attempts = made(Retry::until(minutes), Attempt::NoResponse).await;
        assert!(attempts > MAX_READS, "{attempts}");
        assert!(start.elapsed() <= minutes);
        assert!(start.elapsed() > minutes / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_chooses_the_pause_within_bounds() {
        let unavailable = Attempt::Status(StatusCode::SERVICE_UNAVAILABLE);
        let start = Instant::now();
        let mut attempts = Retry::READ.attempts();
        let second = Duration::from_secs(1);
        assert!(attempts.again(unavailable, Some(10 * second)).await);
        assert!(start.elapsed() >= 10 * second);
        assert!(attempts.again(unavailable, Some(1000 * second)).await);
        assert!(start.elapsed() < 60 * second);
    }
}
