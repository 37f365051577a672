//! The three ranges of ids that a list tells apart, and the durations that make them right.

use std::time::Duration;

use crate::event::{EventId, IdRange, Timestamp};

/// An event that is older than this once it is recorded is *late*: it enters the index before it is acknowledged.
pub const LATE: Duration = Duration::from_secs(5);
/// An event that is further ahead than this once it is recorded is *ahead*: it, too, enters the index before it is
/// acknowledged.
pub const EARLY: Duration = Duration::from_secs(20);
/// How far back from the reader's clock the live window begins.
pub const EDGE: Duration = Duration::from_secs(20);
/// How far ahead of the reader's clock the live window ends.
pub const AHEAD: Duration = Duration::from_secs(30);

/// Within this time of its put the stream delivers an event to the index: a window of 5 s and a poll of 1 s
/// (template.yaml), whole-second stamps, and the work itself.
const DELIVERY: Duration = Duration::from_secs(10);
/// How far the clocks of two functions are apart, at most.
const SKEW: Duration = Duration::from_secs(2);

// An event that is on time is in the live window from its 201 until it is delivered. At its put it is at most LATE old, and
// at most EARLY ahead. DELIVERY later it is at most LATE + DELIVERY old, by a clock that may be SKEW ahead.
const _: () = assert!(EDGE.as_secs() >= LATE.as_secs() + DELIVERY.as_secs() + SKEW.as_secs());
// By a clock that is SKEW behind it is EARLY + SKEW ahead.
const _: () = assert!(AHEAD.as_secs() >= EARLY.as_secs() + SKEW.as_secs());

/// Whether an event at `at` that has just been recorded, at `now`, has to enter the index before it is acknowledged,
/// because no list would count it live until the stream delivers it.
pub fn is_late_or_ahead(at: Timestamp, now: Timestamp) -> bool {
    at.plus(LATE) < now || now.plus(EARLY) < at
}

/// A range of ids in three parts, disjoint and without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Before the live window: counted by the index.
    pub older: IdRange,
    /// Around now: counted on the table.
    pub live: IdRange,
    /// After the live window: counted by the index.
    pub ahead: IdRange,
}

impl Parts {
    /// Of `range`, as a reader has it whose clock shows `now`.
    pub fn of(range: IdRange, now: Timestamp) -> Parts {
        let (begin, end) = (EventId::lowest_at(now.minus(EDGE)), EventId::lowest_at(now.plus(AHEAD)));
        Parts {
            older: range.below(begin),
            live: range.starting(begin.to_bits()).below(end),
            ahead: range.starting(end.to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    #[test]
    fn an_event_is_late_after_5_s_and_ahead_beyond_20_s() {
        let nanosecond = Duration::from_nanos(1);
        assert!(!is_late_or_ahead(now().minus(LATE), now()));
        assert!(is_late_or_ahead(now().minus(LATE + nanosecond), now()));
        assert!(!is_late_or_ahead(now().plus(EARLY), now()));
        assert!(is_late_or_ahead(now().plus(EARLY + nanosecond), now()));
    }

    #[test]
    fn every_id_lies_in_exactly_one_of_the_three_parts() {
        let parts = Parts::of(IdRange::ALL, now());
        for offset in -35_i64..=45 {
            for nanos in [-1_i64, 0, 1] {
                let at = now().millis() as i128 * 1_000_000 + i128::from(offset) * 1_000_000_000 + i128::from(nanos);
                let id = EventId::lowest_at(Timestamp::from_nanos(at as u128));
                let within = [parts.older, parts.live, parts.ahead].map(|part| part.contains(id));
                let older = (offset, nanos) < (-20, 0);
                let live = !older && (offset, nanos) < (30, 0);
                assert_eq!(within, [older, live, !older && !live], "{offset} s {nanos} ns");
            }
        }
    }
}
