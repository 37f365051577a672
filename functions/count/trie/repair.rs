//! Comparing a lane with what it should hold, and correcting it.
//!
//! Only here are keys taken away or counts lowered. An applier that read a node before it was corrected can raise a
//! count again to what it was: compare once more when nobody writes.

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::{Below, Entry, Error, Lane, MAX_SWAPS, Node, Prefix, Step, Storage, Swap};

/// How many children of a node are read at a time.
const CHILDREN_AT_ONCE: usize = 16;

/// A count that is not what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The node that is counted.
    pub prefix: Prefix,
    /// What the node above said.
    pub counted: u64,
    /// What is there.
    pub found: u64,
}

/// The keys of a lane from `first` to `last`, sorted.
///
/// # Errors
///
/// [`Error::Storage`].
pub async fn keys<S: Storage>(storage: &S, lane: Lane, first: u128, last: u128) -> Result<Vec<u128>, Error<S::Error>> {
    let mut keys = keys_below(storage, lane, Prefix::ROOT, first, last).await?;
    keys.sort_unstable();
    Ok(keys)
}

fn keys_below<'a, S: Storage>(
    storage: &'a S,
    lane: Lane,
    prefix: Prefix,
    first: u128,
    last: u128,
) -> BoxFuture<'a, Result<Vec<u128>, Error<S::Error>>> {
    Box::pin(async move {
        match storage.node(lane, prefix).await?.unwrap_or(Entry::ABSENT).node {
            Node::Leaf(keys) => Ok(keys.into_iter().filter(|key| (first..=last).contains(key)).collect()),
            Node::Inner { counts, .. } => {
                let children = counts.into_keys().map(|step| prefix.child(step));
                let within = children.filter(|child| child.first() <= last && first <= child.last());
                let below: Vec<_> = within.map(|child| keys_below(storage, lane, child, first, last)).collect();
                iter(below).buffer_unordered(CHILDREN_AT_ONCE).try_concat().await
            }
        }
    })
}

/// Takes `key` out of the leaf that holds it. The counts above it are then too high, until [`recount`].
///
/// # Errors
///
/// [`Error`]; the key may still be there.
pub async fn remove<S: Storage>(storage: &S, lane: Lane, key: u128) -> Result<(), Error<S::Error>> {
    for prefix in std::iter::once(Prefix::ROOT).chain(Prefix::path(key)) {
        let mut entry = storage.node(lane, prefix).await?.unwrap_or(Entry::ABSENT);
        let mut swaps = 0;
        while let Node::Leaf(keys) = &entry.node {
            if !keys.contains(&key) {
                return Ok(());
            }
            if swaps == MAX_SWAPS {
                return Err(Error::Contended(prefix));
            }
            let rest = Node::Leaf(keys.iter().copied().filter(|held| *held != key).collect());
            match storage.swap(lane, prefix, &Entry { node: rest, ..entry }).await? {
                Swap::Done => return Ok(()),
                Swap::Lost(current) => entry = current.unwrap_or(Entry::ABSENT),
            }
            swaps += 1;
        }
    }
    Ok(())
}

/// Compares each count of a lane with what lies below it, and corrects those that are wrong.
///
/// # Errors
///
/// [`Error`]; some may have been corrected.
pub async fn recount<S: Storage>(storage: &S, lane: Lane) -> Result<Vec<Miscount>, Error<S::Error>> {
    Ok(recount_below(storage, lane, Prefix::ROOT).await?.1)
}

type Recounted<E> = Result<(Below, Vec<Miscount>), Error<E>>;

fn recount_below<'a, S: Storage>(storage: &'a S, lane: Lane, prefix: Prefix) -> BoxFuture<'a, Recounted<S::Error>> {
    Box::pin(async move {
        let node = storage.node(lane, prefix).await?.unwrap_or(Entry::ABSENT).node;
        let Node::Inner { counts, .. } = &node else { return Ok((node.below(), Vec::new())) };
        let recount_child = |step| async move {
            Ok::<_, Error<S::Error>>((step, recount_below(storage, lane, prefix.child(step)).await?))
        };
        let children: Vec<_> = counts.keys().copied().map(recount_child).collect();
        let children: Vec<_> = iter(children).buffer_unordered(CHILDREN_AT_ONCE).try_collect().await?;
        let (mut miscounts, mut outdated) = (Vec::new(), false);
        for (step, (below, below_it)) in children {
            miscounts.extend(below_it);
            if counts.get(&step) != Some(&below.count) {
                outdated = true;
                miscounts.extend(correct(storage, lane, prefix, step).await?);
            }
        }
        if !outdated {
            return Ok((node.below(), miscounts));
        }
        Ok((storage.node(lane, prefix).await?.unwrap_or(Entry::ABSENT).node.below(), miscounts))
    })
}

/// Looks at one count of a node again, since others may have set it right by now, and corrects it.
async fn correct<S: Storage>(
    storage: &S,
    lane: Lane,
    prefix: Prefix,
    step: Step,
) -> Result<Option<Miscount>, Error<S::Error>> {
    let child = prefix.child(step);
    for _ in 0..MAX_SWAPS {
        let entry = storage.node(lane, prefix).await?.unwrap_or(Entry::ABSENT);
        let below = storage.node(lane, child).await?.unwrap_or(Entry::ABSENT).node.below();
        let Node::Inner { greatest, mut counts } = entry.node else { return Ok(None) };
        let counted = if below.count == 0 { counts.remove(&step) } else { counts.insert(step, below.count) };
        let counted = counted.unwrap_or(0);
        if counted == below.count {
            return Ok(None);
        }
        let node = Node::Inner { greatest: greatest.max(below.greatest), counts };
        if storage.swap(lane, prefix, &Entry { node, ..entry }).await? == Swap::Done {
            return Ok(Some(Miscount { prefix: child, counted, found: below.count }));
        }
    }
    Err(Error::Contended(prefix))
}
