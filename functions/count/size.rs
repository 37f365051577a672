//! The size of the newest items, which determines the cost of a Query with a Limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::event::Timestamp;
use crate::store::Seen;

/// The bytes that one unit of a strongly consistent read covers:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>.
pub(super) const BYTES_PER_UNIT: f64 = 4096.0;

/// How long a measured size is valid for new items.
const FRESH: Duration = Duration::from_secs(60);

/// The mean size of the newest items, from what DynamoDB charges for reading them. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemSize {
    bytes: Arc<AtomicU64>,
    /// When the size was last measured, in milliseconds since 1970.
    learned: Arc<AtomicU64>,
}

impl ItemSize {
    /// The size in bytes. Returns `None` if it was not measured within the last minute.
    pub fn bytes(&self, now: Timestamp) -> Option<f64> {
        let learned = Timestamp::from_millis(self.learned.load(Ordering::Relaxed));
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes == 0 || now.since(learned) >= FRESH {
            return None;
        }
        Some(bytes as f64)
    }

    /// Learns from the cost of some items, which DynamoDB rounds up to units.
    ///
    /// Larger items count at once, because they cost more than expected. Smaller ones count little
    /// by little.
    pub fn learn(&self, seen: &Seen, now: Timestamp) {
        if seen.ids.is_empty() {
            return;
        }
        let mean = |units: f64| units * BYTES_PER_UNIT / seen.ids.len() as f64;
        let least = mean(seen.units - 1.0);
        let most = mean(seen.units);
        let bytes = match self.bytes(now) {
            None => most,
            Some(before) if before < least => most,
            Some(before) if before > most => (3.0 * before + most) / 4.0,
            Some(before) => before,
        };
        // A fraction of a byte makes no difference, and a size is never 0.
        self.bytes.store((bytes as u64).max(1), Ordering::Relaxed);
        self.learned.store(now.millis(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::store::Partition;

    fn seen(units: f64, count: usize) -> Seen {
        let ids = vec![EventId::lowest_at(Timestamp::EPOCH); count];
        Seen {
            partition: Partition::Shard(0),
            ids,
            finished: false,
            units,
        }
    }

    #[test]
    fn larger_items_count_at_once_and_smaller_ones_slowly() {
        let size = ItemSize::default();
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(size.bytes(now), None);
        // One small item costs a whole unit, which does not make it larger than the four before.
        let sizes = [(1.0, 4), (1.0, 1), (9.0, 4), (1.0, 4), (1.0, 4)].map(|(units, count)| {
            size.learn(&seen(units, count), now);
            size.bytes(now).unwrap()
        });
        assert_eq!(sizes, [1024.0, 1024.0, 9216.0, 7168.0, 5632.0]);
        let later = now.saturating_add(FRESH);
        assert_eq!(size.bytes(later), None, "newer items can have another size");
    }
}
