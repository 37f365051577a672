//! The three ranges of ids that a list distinguishes.

use crate::event::{EventId, IdRange, Timestamp};
use crate::limits::{EARLY, LATE, LIVE_WINDOW, LIVE_WINDOW_AHEAD};

/// Whether an event with the timestamp `at` that has just been recorded, at `now`, must enter the
/// count index before it is acknowledged. Otherwise no list would count it until the stream
/// delivers it.
pub fn is_late_or_ahead(at: Timestamp, now: Timestamp) -> bool {
    at.saturating_add(LATE) < now || now.saturating_add(EARLY) < at
}

/// A range of ids in three parts, disjoint and without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Before the live window: counted by the count index.
    pub older: IdRange,
    /// Around now: counted on the table.
    pub live: IdRange,
    /// After the live window: counted by the count index.
    pub ahead: IdRange,
}

impl Parts {
    /// The parts of `range`, for a reader whose clock shows `now`.
    pub fn of(range: IdRange, now: Timestamp) -> Parts {
        let begin = EventId::lowest_at(now.saturating_sub(LIVE_WINDOW));
        let end = EventId::lowest_at(now.saturating_add(LIVE_WINDOW_AHEAD));
        Parts {
            older: range.below(begin),
            live: range.from_key(begin.to_bits()).below(end),
            ahead: range.from_key(end.to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    #[test]
    fn an_event_is_late_after_5_s_and_ahead_beyond_20_s() {
        let nanosecond = Duration::from_nanos(1);
        assert!(!is_late_or_ahead(now().saturating_sub(LATE), now()));
        assert!(is_late_or_ahead(
            now().saturating_sub(LATE + nanosecond),
            now()
        ));
        assert!(!is_late_or_ahead(now().saturating_add(EARLY), now()));
        assert!(is_late_or_ahead(
            now().saturating_add(EARLY + nanosecond),
            now()
        ));
    }

    #[test]
    fn every_id_lies_in_exactly_one_of_the_three_parts() {
        let parts = Parts::of(IdRange::ALL, now());
        let now_nanos = i128::from(now().millis()) * 1_000_000;
        for offset in -35_i64..=45 {
            for nanos in [-1_i64, 0, 1] {
                let at = now_nanos + i128::from(offset) * 1_000_000_000 + i128::from(nanos);
                let id = EventId::lowest_at(Timestamp::from_nanos(at as u128));
                let within = [parts.older, parts.live, parts.ahead].map(|part| part.contains(id));
                let older = (offset, nanos) < (-20, 0);
                let live = !older && (offset, nanos) < (30, 0);
                let ahead = !older && !live;
                assert_eq!(within, [older, live, ahead], "{offset} s {nanos} ns");
            }
        }
    }
}
