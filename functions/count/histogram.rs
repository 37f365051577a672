//! The events of consecutive ranges of time, counted side by side.
//!
//! A bucket is counted as a [total](Count::total) is: around now on the table, before and after
//! that by the count index. All buckets share one read of the live window and one descent of the
//! tries, in which each node is read at most once: see [`Tries::count_each`]. So a bucket is never
//! above the truth at the end of the request, and no event counts in two buckets.

use std::ops::Range;

use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::live::Budget;
use super::range::Parts;
use super::reader::{merge, range_below};
use super::scope_index::usable;
use super::trie::Tries;
use super::{Count, ScopeIndex};
use crate::event::{Buckets, EventId, IdRange, Timestamp};
use crate::store::{Error, Partition};

/// How many buckets are counted on the table at a time, where the count index is not ready.
const COUNTS_AT_ONCE: usize = 16;

/// How many events each bucket has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The number of events of each bucket, exact or a lower bound.
    pub counts: Vec<u64>,
    /// Whether nothing was left out for its cost, as in [`Total::exact`](super::Total::exact).
    pub exact: bool,
}

impl Count {
    /// How many events of a scope each bucket has.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn histogram(
        &self,
        index: &ScopeIndex,
        buckets: &Buckets,
        now: Timestamp,
    ) -> Result<Histogram, Error> {
        let range = buckets.range();
        let buckets = buckets.ids();
        let parts = Parts::of(range, now);

        // 1. The live window on the table, and the partitions whose tries are not ready.
        let ready = index.ready_partitions();
        let live = self
            .live
            .read(&ready, index.len(), parts.live, &[], Budget::Total, now);
        let unready = self.count_on_table(&index.unready, range, &buckets);
        let (live, mut counts) = try_join(live, unready).await?;
        let live = merge(&live.iter().collect::<Vec<_>>(), parts.live);
        add_ids(&mut counts, &buckets, &live.ids);

        // 2. The rest from the count index.
        let older = range_below(range, &parts, &live);
        let (positions, intervals) = intervals(&buckets, [older, parts.ahead]);
        let roots = index.roots();
        let indexed = Tries::new(&index.nodes, &roots).count_each(&intervals);
        let Some(indexed) = usable(Box::pin(indexed).await)? else {
            let partitions = index.partitions();
            let counts = self.count_on_table(&partitions, range, &buckets).await?;
            return Ok(Histogram {
                counts,
                exact: true,
            });
        };
        for (position, count) in positions.into_iter().zip(indexed) {
            counts[position] += count;
        }
        Ok(Histogram {
            counts,
            exact: live.complete,
        })
    }

    /// Counts the events of these partitions without the count index. The ids of a partition with
    /// few events in `range` are read. For another one, each bucket is counted by itself.
    async fn count_on_table(
        &self,
        partitions: &[Partition],
        range: IdRange,
        buckets: &[IdRange],
    ) -> Result<Vec<u64>, Error> {
        let mut counts = vec![0; buckets.len()];
        let leaves = partitions
            .iter()
            .map(|partition| self.leaf(partition, range));
        let leaves = try_join_all(leaves).await?;
        let mut large = Vec::new();
        for (partition, leaf) in partitions.iter().zip(leaves) {
            match leaf {
                Some(leaf) => add_ids(&mut counts, buckets, &leaf.keys),
                None => large.push(partition),
            }
        }

        let buckets_of = |partition| {
            let buckets = buckets.iter().enumerate();
            buckets.map(move |(position, bucket)| async move {
                let count = self.count_partition(partition, *bucket).await?;
                Ok::<_, Error>((position, count))
            })
        };
        let queries: Vec<_> = large.into_iter().flat_map(buckets_of).collect();
        let queries = iter(queries).buffer_unordered(COUNTS_AT_ONCE);
        for (position, count) in queries.try_collect::<Vec<_>>().await? {
            counts[position] += count;
        }
        Ok(counts)
    }
}

/// Counts each id in its bucket.
fn add_ids(counts: &mut [u64], buckets: &[IdRange], ids: &[EventId]) {
    for id in ids {
        let position = buckets.iter().position(|bucket| bucket.contains(*id));
        if let Some(count) = position.and_then(|position| counts.get_mut(position)) {
            *count += 1;
        }
    }
}

/// What the count index counts: the overlap of each bucket with each part, in their order, and the
/// position of its bucket.
fn intervals(buckets: &[IdRange], parts: [IdRange; 2]) -> (Vec<usize>, Vec<Range<u128>>) {
    let mut positions = Vec::new();
    let mut intervals = Vec::new();
    for part in parts {
        for (position, bucket) in buckets.iter().enumerate() {
            let Some((first, end)) = part.intersection(*bucket).half_open() else {
                continue;
            };
            positions.push(position);
            intervals.push(first..end);
        }
    }
    (positions, intervals)
}
