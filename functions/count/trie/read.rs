//! Rank and select over all lanes of a scope.

use futures_util::future::try_join_all;

use super::{Error, Lane, Node, Prefix, Step, Storage};

/// The roots of a scope's lanes, as one read found them.
#[derive(Clone, Debug)]
pub struct Roots(pub Vec<(Lane, Node)>);

/// How many levels of the way to a known key are read at once. Leaves lie within the first four below the root as
/// long as a lane takes less than 1,000 events a second.
const LEVELS_AT_ONCE: usize = 4;

/// How many keys are less than `bound`. Two rounds of reads, the roots' among them; none more when every key is.
///
/// # Errors
///
/// [`Error::Broken`] when a node is missing that another one counts.
pub async fn rank<S: Storage>(storage: &S, roots: &Roots, bound: u128) -> Result<u64, Error<S::Error>> {
    let mut rank = 0;
    let mut open: Vec<(Lane, u64)> = Vec::new();
    let mut descend = |prefix: Prefix, lane: Lane, node: &Node, open: &mut Vec<(Lane, u64)>| {
        let (less, undecided) = node.split_at(prefix, bound);
        rank += less;
        if undecided > 0 {
            open.push((lane, undecided));
        }
    };
    for (lane, node) in &roots.0 {
        descend(Prefix::ROOT, *lane, node, &mut open);
    }
    let path: Vec<Prefix> = Prefix::path(bound).collect();
    for prefixes in path.chunks(LEVELS_AT_ONCE) {
        if open.is_empty() {
            break;
        }
        let levels = try_join_all(prefixes.iter().map(|prefix| storage.level(*prefix))).await?;
        for (prefix, level) in prefixes.iter().zip(levels) {
            let mut level: Vec<(Lane, Node)> = level.into_iter().map(|(lane, entry)| (lane, entry.node)).collect();
            // Read together with its parent, a node can be older than the parent's count of it.
            if open.iter().any(|expected| find(&level, *expected).is_none()) {
                level = nodes(storage, *prefix).await?;
            }
            for expected in std::mem::take(&mut open) {
                let node = find(&level, expected).ok_or(Error::Broken(*prefix))?;
                descend(*prefix, expected.0, node, &mut open);
            }
        }
    }
    Ok(rank)
}

/// The key at `position` among all keys of the scope, 0 being the smallest; `None` past the end. One round of reads
/// a level below the roots.
///
/// # Errors
///
/// [`Error::Broken`] when a node is missing that another one counts.
pub async fn select<S: Storage>(
    storage: &S,
    roots: &Roots,
    mut position: u64,
) -> Result<Option<u128>, Error<S::Error>> {
    let mut prefix = Prefix::ROOT;
    let mut level = roots.0.clone();
    // The keys of lanes whose leaf lies above `prefix`.
    let mut keys: Vec<u128> = Vec::new();
    loop {
        let mut inner = Vec::new();
        for (lane, node) in level {
            match node {
                Node::Leaf(leaf) => keys.extend(leaf),
                Node::Inner { counts, .. } => inner.push((lane, counts)),
            }
        }
        if inner.is_empty() {
            keys.sort_unstable();
            return Ok(usize::try_from(position).ok().and_then(|position| keys.get(position).copied()));
        }
        let mut counts: std::collections::BTreeMap<Step, u64> = std::collections::BTreeMap::new();
        let counted = inner.iter().flat_map(|(_, counts)| counts.iter().map(|(step, count)| (*step, *count)));
        for (step, count) in counted.chain(keys.iter().map(|key| (prefix.step(*key), 1))) {
            *counts.entry(step).or_default() += count;
        }
        let Some(step) = counts.into_iter().find_map(|(step, count)| {
            let within = position < count;
            if !within {
                position -= count;
            }
            within.then_some(step)
        }) else {
            return Ok(None);
        };
        keys.retain(|key| prefix.step(*key) == step);
        prefix = prefix.child(step);
        let open: Vec<(Lane, u64)> =
            inner.iter().filter_map(|(lane, counts)| counts.get(&step).map(|count| (*lane, *count))).collect();
        level = if open.is_empty() { Vec::new() } else { nodes(storage, prefix).await? };
        if open.iter().any(|expected| find(&level, *expected).is_none()) {
            return Err(Error::Broken(prefix));
        }
        // What no parent counts yet must not be counted: an event below the live edge can be arriving.
        level.retain(|(lane, _)| open.iter().any(|(open, _)| open == lane));
    }
}

async fn nodes<S: Storage>(storage: &S, prefix: Prefix) -> Result<Vec<(Lane, Node)>, Error<S::Error>> {
    Ok(storage.level(prefix).await?.into_iter().map(|(lane, entry)| (lane, entry.node)).collect())
}

/// A lane's node, if it holds as much as its parent says.
fn find(level: &[(Lane, Node)], (lane, count): (Lane, u64)) -> Option<&Node> {
    level.iter().find(|(found, node)| *found == lane && node.below().count >= count).map(|(_, node)| node)
}
