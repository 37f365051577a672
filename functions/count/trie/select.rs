//! The key at a rank.

use std::collections::BTreeMap;

use super::read::{Level, Open, read_counted, read_path};
use super::{Digit, Error, KEY_BYTES, LaneId, Node, Prefix, Storage};

/// The path to a bound: how many keys lie before it, and which of them has a rank, the greatest
/// first.
///
/// Only keys that are greater than a key have a part in its rank, so keys that are added below it
/// do not move it. Of keys that are added above it, the path may have seen some and not others. The
/// selected key had the rank at some moment since the roots were read.
#[derive(Clone, Debug)]
pub struct RankPath {
    end: u128,
    /// The nodes on the path to `end`, from the roots on, of the tries that reach so far.
    levels: Vec<(Prefix, Level)>,
}

/// The child of a node that `end` lies in, and how many keys before `end` the inner nodes have
/// there.
#[derive(Clone, Copy)]
struct EndChild {
    digit: Digit,
    count: u64,
}

impl RankPath {
    /// Reads the path to `end` from the roots. One round trip.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub(super) async fn read<S: Storage>(
        storage: &S,
        roots: &[(LaneId, Node)],
        end: u128,
    ) -> Result<RankPath, Error<S::Error>> {
        let roots = roots.to_vec();
        let path: Vec<Prefix> = Prefix::path(end).collect();
        // Which tries reach below a level, and how many keys each has there.
        let next_open = |prefix: Prefix, level: &Level| {
            if prefix.bytes() == KEY_BYTES {
                return Vec::new();
            }
            open_below(level, prefix.digit(end))
        };
        let open = next_open(Prefix::ROOT, &roots);
        let below = read_path(storage, &path, open, next_open).await?;
        let mut levels = vec![(Prefix::ROOT, roots)];
        levels.extend(below);
        Ok(RankPath { end, levels })
    }

    /// How many keys lie before the bound.
    pub fn count(&self) -> u64 {
        self.count_from(0)
    }

    /// How many keys before the bound lie at or below the node of the path at this depth.
    fn count_from(&self, depth: usize) -> u64 {
        let mut count = 0;
        for (prefix, level) in self.levels.iter().skip(depth) {
            for (_, node) in level {
                count += match node {
                    Node::Leaf(keys) => keys.partition_point(|key| *key < self.end) as u64,
                    Node::Inner { counts, .. } => {
                        let before = counts.range(..prefix.digit(self.end));
                        before.map(|(_, count)| count).sum()
                    }
                };
            }
        }
        count
    }

    /// The key at `rank`, 0 being the greatest, or `None` past the smallest. One round trip a level
    /// below the path.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn select<S: Storage>(
        &self,
        storage: &S,
        mut rank: u64,
    ) -> Result<Option<u128>, Error<S::Error>> {
        let mut prefix = Prefix::ROOT;
        let mut level = self.level_at(0, prefix);
        // The keys below `prefix` from leaves at or above it.
        let mut keys: Vec<u128> = Vec::new();
        // How deep `prefix` lies on the path to the bound; `None` once it has left the path.
        let mut depth = Some(0);
        loop {
            // 1. Move the keys of leaves aside. Only inner nodes are followed further.
            for (_, node) in &level {
                if let Node::Leaf(leaf) = node {
                    keys.extend(leaf.iter().filter(|key| **key < self.end));
                }
            }
            level.retain(|(_, node)| matches!(node, Node::Inner { .. }));

            // 2. Without inner nodes all keys are known.
            if level.is_empty() {
                keys.sort_unstable_by(|a, b| b.cmp(a));
                let rank = usize::try_from(rank).unwrap_or(usize::MAX);
                return Ok(keys.get(rank).copied());
            }

            // 3. Choose the child that has the key at the rank, and make the rank relative to it.
            let end_child = depth.map(|depth| EndChild {
                digit: prefix.digit(self.end),
                count: self.count_from(depth + 1),
            });
            let counts = child_counts(prefix, &level, &keys, end_child);
            let Some((digit, rank_below)) = child_at(&counts, rank) else {
                return Ok(None);
            };
            rank = rank_below;

            // 4. Descend. The nodes on the path have been read already.
            keys.retain(|key| prefix.digit(*key) == digit);
            let open = open_below(&level, digit);
            prefix = prefix.child(digit);
            depth = match depth {
                Some(depth) if self.is_on_path(depth + 1, prefix) => Some(depth + 1),
                _ => None,
            };
            level = match depth {
                Some(depth) => self.level_at(depth, prefix),
                None if open.is_empty() => Vec::new(),
                None => read_counted(storage, prefix, &open).await?,
            };
        }
    }

    fn is_on_path(&self, depth: usize, prefix: Prefix) -> bool {
        match self.levels.get(depth) {
            Some((at, _)) => *at == prefix,
            None => false,
        }
    }

    fn level_at(&self, depth: usize, prefix: Prefix) -> Level {
        match self.levels.get(depth) {
            Some((at, level)) if *at == prefix => level.clone(),
            _ => Vec::new(),
        }
    }
}

/// How many keys before the bound each child of `prefix` has: those of the inner nodes of `level`,
/// and the `keys` from leaves. On the path to the bound, `end_child` says what the inner nodes have
/// in the child that the bound lies in, and the children after it have nothing before the bound.
fn child_counts(
    prefix: Prefix,
    level: &Level,
    keys: &[u128],
    end_child: Option<EndChild>,
) -> BTreeMap<Digit, u64> {
    let mut children = BTreeMap::new();
    if let Some(end) = end_child {
        children.insert(end.digit, end.count);
    }
    for (_, node) in level {
        let Node::Inner { counts, .. } = node else {
            continue;
        };
        for (digit, count) in counts {
            let is_before_end = match end_child {
                Some(end) => *digit < end.digit,
                None => true,
            };
            if is_before_end {
                *children.entry(*digit).or_default() += count;
            }
        }
    }
    for key in keys {
        *children.entry(prefix.digit(*key)).or_default() += 1;
    }
    children
}

/// The child that has the key at `rank`, the greatest first, and the rank of the key within it.
fn child_at(children: &BTreeMap<Digit, u64>, mut rank: u64) -> Option<(Digit, u64)> {
    for (digit, count) in children.iter().rev() {
        if rank < *count {
            return Some((*digit, rank));
        }
        rank -= count;
    }
    None
}

/// The tries that have keys below the child `digit`, and how many.
fn open_below(level: &[(LaneId, Node)], digit: Digit) -> Open {
    let mut open = Vec::new();
    for (lane, node) in level {
        let Node::Inner { counts, .. } = node else {
            continue;
        };
        match counts.get(&digit) {
            Some(count) if *count > 0 => open.push((*lane, *count)),
            _ => {}
        }
    }
    open
}
