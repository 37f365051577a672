//! Counting over all tries of a scope.

use std::ops::Bound;

use futures_util::future::{try_join, try_join_all};

use super::{Digit, Error, KEY_BYTES, LaneId, Node, Prefix, RankPath, Side, Storage};

/// The nodes of several tries at one prefix.
pub(super) type Level = Vec<(LaneId, Node)>;

/// Tries that have more keys below a prefix, and how many each has there.
pub(super) type Open = Vec<(LaneId, u64)>;

/// How many levels of the path to a known key are read at once. Leaves lie within the first four
/// levels below the root as long as a partition takes less than 1,000 events a second.
const LEVELS_AT_ONCE: usize = 4;

/// The tries of a scope, from their roots as one read found them.
#[derive(Debug)]
pub struct Tries<'a, S> {
    pub(super) storage: &'a S,
    pub(super) roots: &'a [(LaneId, Node)],
}

// Derived, these would ask the storage to be Copy as well.
impl<S> Copy for Tries<'_, S> {}

impl<S> Clone for Tries<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, S: Storage> Tries<'a, S> {
    /// The tries with these roots in `storage`.
    pub fn new(storage: &'a S, roots: &'a [(LaneId, Node)]) -> Tries<'a, S> {
        Tries { storage, roots }
    }

    /// The path to `end`, from which keys below it are selected by rank. One round trip.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn path_to(self, end: u128) -> Result<RankPath, Error<S::Error>> {
        RankPath::read(self.storage, self.roots, end).await
    }

    /// How many keys are less than `bound`. One round trip below the roots, and none when every key
    /// is less.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn rank(self, bound: u128) -> Result<u64, Error<S::Error>> {
        if bound == 0 {
            return Ok(0);
        }
        let (certain, open) = split(Prefix::ROOT, self.roots, bound, Side::Less);
        let below = self
            .count_along_path(Prefix::ROOT, open, bound, Side::Less)
            .await?;
        Ok(certain + below)
    }

    /// How many keys are `first` or greater, and less than `end`.
    ///
    /// That is not the difference of two ranks. Those would be read at two moments, and one of them
    /// would count a key that is added below `first` in between.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn count(self, first: u128, end: u128) -> Result<u64, Error<S::Error>> {
        if first == 0 {
            return self.rank(end).await;
        }
        // 1. Follow the path that both bounds share, reading several levels at once.
        let shared = shared_path(first, end);
        let mut chunks = shared.chunks(LEVELS_AT_ONCE);
        let mut read_ahead = Vec::new().into_iter();
        let mut prefix = Prefix::ROOT;
        let mut level = self.roots.to_vec();
        let mut count = 0;
        while prefix.bytes() < KEY_BYTES {
            let found = Between::of(prefix, &level, first, end);
            count += found.certain;
            // 2. Where the bounds part, follow each by itself.
            if prefix.digit(first) != prefix.digit(end) {
                let from_first =
                    self.count_along_path(prefix, found.to_first, first, Side::NotLess);
                let to_end = self.count_along_path(prefix, found.to_end, end, Side::Less);
                let (from_first, to_end) = try_join(from_first, to_end).await?;
                return Ok(count + from_first + to_end);
            }
            if found.to_both.is_empty() {
                return Ok(count);
            }
            prefix = prefix.child(prefix.digit(first));
            if read_ahead.len() == 0 {
                let prefixes = chunks.next().unwrap_or_default();
                read_ahead = read_levels(self.storage, prefixes).await?.into_iter();
            }
            let read = read_ahead.next().unwrap_or_default();
            level = complete(self.storage, prefix, &read, &found.to_both).await?;
        }
        Ok(count)
    }

    /// How many keys lie on one side of `bound` below the child of `above` on the path to it, in
    /// the tries that are `open` there.
    async fn count_along_path(
        self,
        above: Prefix,
        open: Open,
        bound: u128,
        side: Side,
    ) -> Result<u64, Error<S::Error>> {
        let path: Vec<Prefix> = Prefix::path(bound)
            .skip_while(|prefix| prefix.bytes() <= above.bytes())
            .collect();
        let next_open = |prefix, level: &Level| split(prefix, level, bound, side).1;
        let levels = read_path(self.storage, &path, open, next_open).await?;
        let certain = levels
            .iter()
            .map(|(prefix, level)| split(*prefix, level, bound, side).0);
        Ok(certain.sum())
    }
}

/// The prefixes below the root that lie on the paths to both keys, from the top.
fn shared_path(low: u128, high: u128) -> Vec<Prefix> {
    let pairs = Prefix::path(low).zip(Prefix::path(high));
    let shared = pairs.take_while(|(low, high)| low == high);
    shared.map(|(prefix, _)| prefix).collect()
}

/// What the nodes at one prefix say about the keys between two bounds.
struct Between {
    /// The keys that are certainly between the bounds.
    certain: u64,
    /// The tries with keys below the child that both bounds lie in.
    to_both: Open,
    /// The tries with keys below the child that only the first bound lies in.
    to_first: Open,
    /// The tries with keys below the child that only the end lies in.
    to_end: Open,
}

impl Between {
    fn of(prefix: Prefix, level: &Level, first: u128, end: u128) -> Between {
        let low = prefix.digit(first);
        let high = prefix.digit(end);
        let mut found = Between {
            certain: 0,
            to_both: Vec::new(),
            to_first: Vec::new(),
            to_end: Vec::new(),
        };
        for (lane, node) in level {
            let (greatest, counts) = match node {
                Node::Leaf(keys) => {
                    let between = keys.iter().filter(|key| (first..end).contains(key));
                    found.certain += between.count() as u64;
                    continue;
                }
                Node::Inner { greatest, counts } => (greatest, counts),
            };
            // There is usually nothing from a bound in the future on, and the roots alone say so.
            if *greatest < first {
                continue;
            }
            let count_of = |digit: Digit| counts.get(&digit).copied().unwrap_or(0);
            if low == high {
                push_open(&mut found.to_both, *lane, count_of(low));
                continue;
            }
            let between = (Bound::Excluded(low), Bound::Excluded(high));
            found.certain += counts.range(between).map(|(_, count)| count).sum::<u64>();
            push_open(&mut found.to_first, *lane, count_of(low));
            if *greatest < end {
                found.certain += count_of(high);
            } else {
                push_open(&mut found.to_end, *lane, count_of(high));
            }
        }
        found
    }
}

fn push_open(open: &mut Open, lane: LaneId, count: u64) {
    if count > 0 {
        open.push((lane, count));
    }
}

/// How many keys of these nodes are certainly on one side of `bound`, and which tries have to be
/// followed further.
fn split(prefix: Prefix, level: &[(LaneId, Node)], bound: u128, side: Side) -> (u64, Open) {
    let mut sum = 0;
    let mut open = Vec::new();
    for (lane, node) in level {
        let (certain, undecided) = node.split_at(prefix, bound, side);
        sum += certain;
        push_open(&mut open, *lane, undecided);
    }
    (sum, open)
}

/// Reads the nodes at the prefixes of `path`, as far as a trie is open. `next_open` says which
/// tries are open below the level that it is given.
pub(super) async fn read_path<S: Storage>(
    storage: &S,
    path: &[Prefix],
    mut open: Open,
    next_open: impl Fn(Prefix, &Level) -> Open,
) -> Result<Vec<(Prefix, Level)>, Error<S::Error>> {
    let mut nodes = Vec::new();
    for prefixes in path.chunks(LEVELS_AT_ONCE) {
        if open.is_empty() {
            break;
        }
        let levels = read_levels(storage, prefixes).await?;
        for (prefix, read) in prefixes.iter().zip(levels) {
            let level = complete(storage, *prefix, &read, &open).await?;
            open = next_open(*prefix, &level);
            nodes.push((*prefix, level));
        }
    }
    Ok(nodes)
}

/// Reads the nodes at several prefixes at once.
async fn read_levels<S: Storage>(
    storage: &S,
    prefixes: &[Prefix],
) -> Result<Vec<Level>, Error<S::Error>> {
    let reads = prefixes.iter().map(|prefix| read_level(storage, *prefix));
    try_join_all(reads).await
}

async fn read_level<S: Storage>(storage: &S, prefix: Prefix) -> Result<Level, Error<S::Error>> {
    let entries = storage.level(prefix).await?;
    let nodes = entries.into_iter().map(|(lane, entry)| (lane, entry.node));
    Ok(nodes.collect())
}

/// The nodes at `prefix` of the tries that are `open` there, read after the level above.
pub(super) async fn read_counted<S: Storage>(
    storage: &S,
    prefix: Prefix,
    open: &Open,
) -> Result<Level, Error<S::Error>> {
    let level = read_level(storage, prefix).await?;
    counted(&level, open).ok_or(Error::Broken(prefix))
}

/// The nodes at `prefix` of the tries that are `open` there. `read` was read together with the
/// level above, so a node can be older than the one that counts it. Then the level is read again.
async fn complete<S: Storage>(
    storage: &S,
    prefix: Prefix,
    read: &Level,
    open: &Open,
) -> Result<Level, Error<S::Error>> {
    match counted(read, open) {
        Some(level) => Ok(level),
        None => read_counted(storage, prefix, open).await,
    }
}

/// The nodes of the tries that are counted above, if each holds as much as is counted. A node that
/// no parent counts yet is left out, because its event is not acknowledged.
fn counted(level: &Level, open: &Open) -> Option<Level> {
    let mut nodes = Vec::with_capacity(open.len());
    for (lane, count) in open {
        let is_counted =
            |(found, node): &&(LaneId, Node)| found == lane && node.summary().count >= *count;
        nodes.push(level.iter().find(is_counted)?.clone());
    }
    Some(nodes)
}
