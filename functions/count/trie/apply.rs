//! Adding keys to a lane.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::{Below, Entry, Error, Lane, MAX_LEAF_KEYS, MAX_SWAPS, Node, Prefix, State, Step, Storage, Swap};

/// How many children of a node are written at a time.
const CHILDREN_AT_ONCE: usize = 16;

/// Adds `keys` to a lane, whether or not some of them are in it already, and gives the lane's
/// state. `None`: the lane has not been started.
///
/// # Errors
///
/// [`Error`]; some of the keys may have been added. Adding them all again completes it.
pub async fn apply<S: Storage>(storage: &S, lane: Lane, keys: &[u128]) -> Result<Option<State>, Error<S::Error>> {
    match storage.node(lane, Prefix::ROOT).await? {
        Some(root) => apply_from(storage, lane, root, keys).await,
        None => Ok(None),
    }
}

/// The same, from the lane's root as it was read before.
///
/// # Errors
///
/// [`Error`]; some of the keys may have been added. Adding them all again completes it.
pub async fn apply_from<S: Storage>(
    storage: &S,
    lane: Lane,
    root: Entry,
    keys: &[u128],
) -> Result<Option<State>, Error<S::Error>> {
    let state = root.state;
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(state);
    }
    match merge(storage, lane, Prefix::ROOT, root, &keys).await {
        Ok(_) => Ok(state),
        Err(Error::Deleted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes `keys`, which are sorted and lie below `prefix`, part of the subtree there. Gives what it then holds, also
/// when it held them before: the caller may be repairing a way up that was interrupted.
fn merge<'a, S: Storage>(
    storage: &'a S,
    lane: Lane,
    prefix: Prefix,
    mut entry: Entry,
    keys: &'a [u128],
) -> BoxFuture<'a, Result<Below, Error<S::Error>>> {
    Box::pin(async move {
        // What the children that hold `keys` answered, once they have been asked.
        let mut children: Option<BTreeMap<Step, Below>> = None;
        for _ in 0..MAX_SWAPS {
            let node = match &entry.node {
                Node::Leaf(held) => {
                    let union = union(held, keys);
                    if union.len() <= MAX_LEAF_KEYS {
                        Node::Leaf(union)
                    } else {
                        // The children first: a reader that sees the counts must find what they count.
                        let below = merge_children(storage, lane, prefix, &union).await?;
                        join(BTreeMap::new(), 0, children.insert(below))
                    }
                }
                Node::Inner { greatest, counts } => {
                    let below = match &mut children {
                        Some(below) => below,
                        none => none.insert(merge_children(storage, lane, prefix, keys).await?),
                    };
                    join(counts.clone(), *greatest, below)
                }
            };
            let below = node.below();
            if node == entry.node {
                return Ok(below);
            }
            let changed = Entry { node, ..entry };
            match storage.swap(lane, prefix, &changed).await? {
                Swap::Done => return Ok(below),
                // A root without a state would never be ready.
                Swap::Lost(None) if prefix == Prefix::ROOT => return Err(Error::Deleted),
                Swap::Lost(current) => entry = current.unwrap_or(Entry::ABSENT),
            }
        }
        Err(Error::Contended(prefix))
    })
}

async fn merge_children<S: Storage>(
    storage: &S,
    lane: Lane,
    prefix: Prefix,
    keys: &[u128],
) -> Result<BTreeMap<Step, Below>, Error<S::Error>> {
    let groups: Vec<&[u128]> = keys.chunk_by(|a, b| prefix.step(*a) == prefix.step(*b)).collect();
    let merge_child = async |keys: &[u128]| {
        let step = prefix.step(keys[0]);
        let child = prefix.child(step);
        let entry = storage.node(lane, child).await?.unwrap_or(Entry::ABSENT);
        Ok((step, merge(storage, lane, child, entry, keys).await?))
    };
    iter(groups).map(merge_child).buffer_unordered(CHILDREN_AT_ONCE).try_collect().await
}

/// Counts never shrink: of what a node says and what a child says, the greater is nearer the truth.
fn join(mut counts: BTreeMap<Step, u64>, greatest: u128, children: &BTreeMap<Step, Below>) -> Node {
    for (step, below) in children {
        let count = counts.entry(*step).or_default();
        *count = below.count.max(*count);
    }
    let greatest = children.values().map(|below| below.greatest).fold(greatest, u128::max);
    Node::Inner { greatest, counts }
}

/// Both sorted sets in one.
fn union(a: &[u128], b: &[u128]) -> Vec<u128> {
    let mut union = [a, b].concat();
    union.sort_unstable();
    union.dedup();
    union
}
