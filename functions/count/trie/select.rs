//! The key at a rank.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::read::{LEVELS_AT_ONCE, counted, nodes, trusted};
use super::{Error, Lane, Node, Prefix, Roots, Step, Storage};

/// The keys before a bound: how many there are, and which of them is at a rank, the greatest first.
///
/// Only what is greater than a key has a part in its rank, so keys that are added below it meanwhile do not move it.
/// Of those added above it, some may have been seen and others not: a key is given that had the rank at some moment
/// since its roots were read.
#[derive(Clone, Debug)]
pub struct Before {
    end: u128,
    /// The nodes on the way to `end`, from the roots on: at each prefix those of the lanes that go on so far.
    way: Vec<(Prefix, Vec<(Lane, Node)>)>,
}

impl Before {
    /// Reads the way to `end` from the roots. One round of reads.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn read<S: Storage>(storage: &S, roots: &Roots, end: u128) -> Result<Before, Error<S::Error>> {
        let mut before = Before { end, way: vec![(Prefix::ROOT, roots.0.clone())] };
        let path: Vec<Prefix> = Prefix::path(end).collect();
        for prefixes in path.chunks(LEVELS_AT_ONCE) {
            if before.open().is_empty() {
                break;
            }
            let levels = try_join_all(prefixes.iter().map(|prefix| nodes(storage, *prefix))).await?;
            for (prefix, level) in prefixes.iter().zip(levels) {
                let level = trusted(storage, *prefix, &level, &before.open()).await?;
                before.way.push((*prefix, level));
            }
        }
        Ok(before)
    }

    /// Which lanes go on below what was read, and how many keys they have there. Not to be asked at the end of the path,
    /// below which there is no step.
    fn open(&self) -> Vec<(Lane, u64)> {
        self.way.last().map_or(Vec::new(), |(prefix, level)| below(level, prefix.step(self.end)))
    }

    /// How many keys there are.
    pub fn count(&self) -> u64 {
        self.count_from(0)
    }

    /// How many lie at or below the way's node of this depth.
    fn count_from(&self, depth: usize) -> u64 {
        let nodes =
            self.way.iter().skip(depth).flat_map(|(prefix, level)| level.iter().map(|(_, node)| (*prefix, node)));
        nodes
            .map(|(prefix, node)| match node {
                Node::Leaf(keys) => keys.partition_point(|key| *key < self.end) as u64,
                Node::Inner { counts, .. } => counts.range(..prefix.step(self.end)).map(|(_, count)| count).sum(),
            })
            .sum()
    }

    /// The key at `rank`, 0 being the greatest; `None` past the smallest. One round of reads a level below the way.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] when a node is missing that another one counts.
    pub async fn select<S: Storage>(&self, storage: &S, mut rank: u64) -> Result<Option<u128>, Error<S::Error>> {
        // The keys of lanes whose leaf lies above `prefix`.
        let mut keys: Vec<u128> = Vec::new();
        let mut way = self.way.iter().enumerate();
        let mut on_way = way.next();
        let (mut prefix, mut level) = self.way.first().cloned().unwrap_or((Prefix::ROOT, Vec::new()));
        loop {
            for (_, node) in &level {
                if let Node::Leaf(leaf) = node {
                    keys.extend(leaf.iter().filter(|key| **key < self.end));
                }
            }
            level.retain(|(_, node)| matches!(node, Node::Inner { .. }));
            if level.is_empty() {
                keys.sort_unstable_by(|a, b| b.cmp(a));
                return Ok(usize::try_from(rank).ok().and_then(|rank| keys.get(rank).copied()));
            }
            let last = on_way.map(|(depth, _)| (prefix.step(self.end), self.count_from(depth + 1)));
            let Some(step) = step_at(prefix, &level, &keys, last, &mut rank) else { return Ok(None) };
            keys.retain(|key| prefix.step(*key) == step);
            let open = below(&level, step);
            prefix = prefix.child(step);
            on_way = on_way.and_then(|_| way.next()).filter(|(_, (at, _))| *at == prefix);
            level = match on_way {
                Some((_, (_, level))) => level.clone(),
                None if open.is_empty() => Vec::new(),
                None => counted(&nodes(storage, prefix).await?, &open).ok_or(Error::Broken(prefix))?,
            };
        }
    }
}

/// Which child has the key at `rank`, the greatest first; makes `rank` the one within that child. `last`, where the bound
/// lies below `prefix`: the child with the bound, and how many keys before the bound the inner nodes have there.
fn step_at(
    prefix: Prefix,
    level: &[(Lane, Node)],
    keys: &[u128],
    last: Option<(Step, u64)>,
    rank: &mut u64,
) -> Option<Step> {
    let mut counts: BTreeMap<Step, u64> = last.into_iter().collect();
    for (_, node) in level {
        let Node::Inner { counts: shown, .. } = node else { continue };
        for (step, count) in shown {
            if last.is_none_or(|(end, _)| *step < end) {
                *counts.entry(*step).or_default() += count;
            }
        }
    }
    for key in keys {
        *counts.entry(prefix.step(*key)).or_default() += 1;
    }
    counts.into_iter().rev().find_map(|(step, count)| {
        let within = *rank < count;
        if !within {
            *rank -= count;
        }
        within.then_some(step)
    })
}

/// How many keys each lane has below the child that `step` leads to, if any.
fn below(level: &[(Lane, Node)], step: Step) -> Vec<(Lane, u64)> {
    let below = |(lane, node): &(Lane, Node)| match node {
        Node::Leaf(_) => None,
        Node::Inner { counts, .. } => counts.get(&step).filter(|count| **count > 0).map(|count| (*lane, *count)),
    };
    level.iter().filter_map(below).collect()
}
