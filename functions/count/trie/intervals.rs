//! Counting the keys of many intervals at once.

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::future::try_join_all;

use super::read::{Open, read_counted};
use super::{Error, LaneId, Node, Prefix, Storage, Tries};

/// How many levels of nodes are read at a time.
const READS_AT_ONCE: usize = 16;

impl<S: Storage> Tries<'_, S> {
    /// How many keys lie in each of these intervals, which are sorted and do not overlap.
    ///
    /// One descent for all of them. It reads the nodes level by level, and each node at most once.
    ///
    /// A key counts at most once, and in one interval only: either as a part of a child's count
    /// that lies within an interval as a whole, or below a child that is read. So a count is never
    /// above the number of keys at the time of the last read, however many keys are added
    /// meanwhile. It is never below the number of keys that were delivered before the first read.
    /// Each count is made by itself and not as the difference of two ranks, so what is added below
    /// an interval does not change it.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn count_each(self, intervals: &[Range<u128>]) -> Result<Vec<u64>, Error<S::Error>> {
        let mut tally = Tally::new(intervals);
        tally.add(Prefix::ROOT, self.roots);
        while !tally.open.is_empty() {
            let level: Vec<(Prefix, Open)> = std::mem::take(&mut tally.open).into_iter().collect();
            for group in level.chunks(READS_AT_ONCE) {
                let reads = group
                    .iter()
                    .map(|(prefix, open)| read_counted(self.storage, *prefix, open));
                let nodes = try_join_all(reads).await?;
                for ((prefix, _), nodes) in group.iter().zip(nodes) {
                    tally.add(*prefix, &nodes);
                }
            }
        }
        Ok(tally.counts)
    }
}

/// What was counted so far, and what must still be read.
struct Tally<'a> {
    intervals: &'a [Range<u128>],
    /// Where an interval begins or ends, sorted.
    borders: Vec<u128>,
    /// The keys of each interval that were counted.
    counts: Vec<u64>,
    /// The nodes of the next level that have keys on both sides of a border.
    open: BTreeMap<Prefix, Open>,
}

impl<'a> Tally<'a> {
    fn new(intervals: &'a [Range<u128>]) -> Tally<'a> {
        let borders = intervals
            .iter()
            .flat_map(|interval| [interval.start, interval.end]);
        Tally {
            intervals,
            borders: borders.collect(),
            counts: vec![0; intervals.len()],
            open: BTreeMap::new(),
        }
    }

    /// Adds the nodes at one prefix.
    fn add(&mut self, prefix: Prefix, level: &[(LaneId, Node)]) {
        for (lane, node) in level {
            match node {
                Node::Leaf(keys) => {
                    for key in keys {
                        self.count(*key, 1);
                    }
                }
                Node::Inner { greatest, counts } => {
                    for (digit, count) in counts {
                        let child = prefix.child(*digit);
                        self.add_child(*lane, child, *greatest, *count);
                    }
                }
            }
        }
    }

    /// Adds the keys below a child, of which none is above `greatest`.
    fn add_child(&mut self, lane: LaneId, child: Prefix, greatest: u128, count: u64) {
        let first = child.first();
        let last = child.last().min(greatest);
        if count > 0 && self.has_border_between(first, last) {
            self.open.entry(child).or_default().push((lane, count));
        } else {
            self.count(first, count);
        }
    }

    /// Whether a border lies above `first`, and at `last` or below it.
    fn has_border_between(&self, first: u128, last: u128) -> bool {
        let next = self.borders.partition_point(|border| *border <= first);
        self.borders.get(next).is_some_and(|border| *border <= last)
    }

    /// Adds keys that lie in one interval, or outside of all, together with `key`.
    fn count(&mut self, key: u128, keys: u64) {
        let begun = self
            .intervals
            .partition_point(|interval| interval.start <= key);
        let Some(position) = begun.checked_sub(1) else {
            return;
        };
        if self.intervals[position].contains(&key) {
            self.counts[position] += keys;
        }
    }
}
