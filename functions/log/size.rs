//! How large items are, as this process has seen them: what a Query with a Limit will cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::ConsumedCapacity;

use super::Partition;

/// The bytes that one read unit of a strongly consistent read stands for:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>.
const BYTES_PER_UNIT: f64 = 4096.0;

/// The mean size of the table's items, from what DynamoDB charges for Queries. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemSize(Arc<AtomicU64>);

impl ItemSize {
    /// In bytes; `None` before any item was read.
    pub fn bytes(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Learns from a Query. Those of an index tell nothing of the table's items.
    pub fn learn(&self, partition: &Partition, answer: &QueryOutput) {
        let units = answer.consumed_capacity().and_then(ConsumedCapacity::capacity_units);
        if let (Partition::Shard(_), Some(units), count @ 1..) = (partition, units, answer.scanned_count()) {
            self.add(units, count);
        }
    }

    /// Takes in that `count` items cost so many units, which DynamoDB has rounded up. Larger items count at once, since they
    /// cost more than was reckoned with, and smaller ones little by little.
    fn add(&self, units: f64, count: i32) {
        let mean = |units: f64| (units * BYTES_PER_UNIT / f64::from(count)) as u64;
        let (least, most) = (mean(units - 1.0), mean(units).max(1));
        let before = self.0.load(Ordering::Relaxed);
        let after = match before {
            0 => most,
            _ if before < least => most,
            _ if before > most => (3 * before + most) / 4,
            _ => before,
        };
        self.0.store(after, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_items_count_at_once_and_smaller_ones_slowly() {
        let size = ItemSize::default();
        assert_eq!(size.bytes(), None);
        // One small item costs a whole unit, which does not make it larger than the four before.
        let seen = [(1.0, 4), (1.0, 1), (9.0, 4), (1.0, 4), (1.0, 4)].map(|(units, count)| {
            size.add(units, count);
            size.bytes().unwrap()
        });
        assert_eq!(seen, [1024, 1024, 9216, 7168, 5632]);
    }
}
