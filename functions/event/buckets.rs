//! The buckets of a histogram.

use super::{IdRange, Timestamp};

/// Consecutive ranges of time of equal length, to the nanosecond. Each includes its beginning, and
/// not its end, which is the beginning of the next one.
///
/// ```
/// use audit_log::event::{Buckets, Timestamp};
///
/// let at = Timestamp::from_nanos;
/// let buckets = Buckets::new(at(0), at(10), 4);
/// let borders: Vec<u128> = buckets.times().map(|(from, _)| from.nanos()).collect();
/// assert_eq!(borders, [0, 2, 5, 7]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Where a bucket begins, and where the last one ends.
    borders: Vec<Timestamp>,
}

impl Buckets {
    /// The range from `from` up to `to` in `count` buckets. A range of fewer nanoseconds has one
    /// bucket for each of them.
    pub fn new(from: Timestamp, to: Timestamp, count: u8) -> Buckets {
        let nanos = to.nanos().saturating_sub(from.nanos());
        let count = u128::from(count).min(nanos);
        let border = |number: u128| {
            let passed = (nanos * number).checked_div(count).unwrap_or(0);
            Timestamp::from_nanos(from.nanos() + passed)
        };
        Buckets {
            borders: (0..=count).map(border).collect(),
        }
    }

    /// The beginning and the end of each bucket.
    pub fn times(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.borders.windows(2).filter_map(|borders| match borders {
            [from, to] => Some((*from, *to)),
            _ => None,
        })
    }

    /// The ids of each bucket.
    pub fn ids(&self) -> Vec<IdRange> {
        let ids = |(from, to)| IdRange::ALL.starting_at(from).ending_before(to);
        self.times().map(ids).collect()
    }

    /// The ids of all buckets.
    pub fn range(&self) -> IdRange {
        match (self.borders.first(), self.borders.last()) {
            (Some(from), Some(to)) => IdRange::ALL.starting_at(*from).ending_before(*to),
            _ => IdRange::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_the_range_and_differ_by_a_nanosecond_at_most() {
        let years = Timestamp::MAX.nanos();
        for (from, to) in [
            (0, 1),
            (5, 64),
            (7, 1_000_000_007),
            (0, years),
            (years - 3, years),
        ] {
            for count in [1, 2, 7, 60, 100] {
                let [from, to] = [from, to].map(Timestamp::from_nanos);
                let times: Vec<_> = Buckets::new(from, to, count).times().collect();
                let nanos = to.nanos() - from.nanos();
                assert_eq!(times.len() as u128, nanos.min(u128::from(count)));
                assert_eq!((times[0].0, times[times.len() - 1].1), (from, to));
                assert!(times.windows(2).all(|pair| pair[0].1 == pair[1].0));
                let lengths = times.iter().map(|(from, to)| to.nanos() - from.nanos());
                let (least, most) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
                assert!(least > 0 && most - least <= 1, "{least} to {most}");
            }
        }
    }
}
