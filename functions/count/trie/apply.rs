//! Adding keys to a trie.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::{
    Digit, Entry, Error, MAX_LEAF_KEYS, MAX_SWAPS, Node, Prefix, State, Storage, Summary, Swap,
    Trie,
};

/// How many children of a node are written at a time.
const CHILDREN_AT_ONCE: usize = 16;

impl<'a, S: Storage> Trie<'a, S> {
    /// Adds `keys`, whether or not some of them are in the trie already, and returns the state of
    /// the trie. `None`: the trie has not been started.
    ///
    /// # Errors
    ///
    /// [`Error`]. Some of the keys may have been added, and adding them all again completes it.
    pub async fn apply(self, keys: &[u128]) -> Result<Option<State>, Error<S::Error>> {
        match self.node(Prefix::ROOT).await? {
            Some(root) => self.apply_from(root, keys).await,
            None => Ok(None),
        }
    }

    /// The same, from the root of the trie as it was read before.
    ///
    /// # Errors
    ///
    /// [`Error`]. Some of the keys may have been added, and adding them all again completes it.
    pub async fn apply_from(
        self,
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
        match self.merge(Prefix::ROOT, root, &keys).await {
            Ok(_) => Ok(state),
            Err(Error::Deleted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes `keys`, which are sorted and lie below `prefix`, part of the subtree there. Returns a
    /// summary of what the subtree then holds. It does so even if the subtree held the keys before,
    /// because the caller may be repairing counts of an applier that was interrupted.
    fn merge<'b>(
        self,
        prefix: Prefix,
        mut entry: Entry,
        keys: &'b [u128],
    ) -> BoxFuture<'b, Result<Summary, Error<S::Error>>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            // The summaries of the children that hold `keys`, once they have been written.
            let mut children: Option<BTreeMap<Digit, Summary>> = None;
            for _ in 0..MAX_SWAPS {
                // 1. What this node must become.
                let node = match &entry.node {
                    Node::Leaf(held) => {
                        let union = union(held, keys);
                        if union.len() <= MAX_LEAF_KEYS {
                            Node::Leaf(union)
                        } else {
                            // The leaf splits. Its children are written first: a reader that sees
                            // the counts must find what they count.
                            let below = self.merge_children(prefix, &union).await?;
                            join(BTreeMap::new(), 0, children.insert(below))
                        }
                    }
                    Node::Inner { greatest, counts } => {
                        let below = match &mut children {
                            Some(below) => below,
                            none => none.insert(self.merge_children(prefix, keys).await?),
                        };
                        join(counts.clone(), *greatest, below)
                    }
                };
                // 2. Nothing to do if it is that already.
                let summary = node.summary();
                if node == entry.node {
                    return Ok(summary);
                }
                // 3. Swap it in, or merge with whatever won the swap.
                let changed = Entry { node, ..entry };
                match self.swap(prefix, &changed).await? {
                    Swap::Done => return Ok(summary),
                    // A root without a state would never be ready.
                    Swap::Lost(None) if prefix == Prefix::ROOT => return Err(Error::Deleted),
                    Swap::Lost(current) => entry = current.unwrap_or(Entry::ABSENT),
                }
            }
            Err(Error::Contended(prefix))
        })
    }

    /// Merges each group of `keys` into the child of `prefix` that holds it, several at a time.
    async fn merge_children(
        self,
        prefix: Prefix,
        keys: &[u128],
    ) -> Result<BTreeMap<Digit, Summary>, Error<S::Error>> {
        let groups: Vec<&[u128]> = keys
            .chunk_by(|a, b| prefix.digit(*a) == prefix.digit(*b))
            .collect();
        let merge_child = async |keys: &[u128]| {
            let digit = prefix.digit(keys[0]);
            let child = prefix.child(digit);
            // A child is read even if its parent has no count of it. An applier that failed may have
            // written it, and a child that is read is not written again. So each redelivery has fewer
            // writes left, and a batch succeeds in the end although some writes are throttled.
            //
            // An earlier version makes the swap lose, which returns the present one.
            let entry = self.node_or_earlier(child).await?;
            let entry = entry.unwrap_or(Entry::ABSENT);
            Ok((digit, self.merge(child, entry, keys).await?))
        };
        iter(groups)
            .map(merge_child)
            .buffer_unordered(CHILDREN_AT_ONCE)
            .try_collect()
            .await
    }
}

/// Joins the counts of a node with the summaries of its children. Counts never shrink, so of two
/// counts the greater one is nearer to the truth.
fn join(
    mut counts: BTreeMap<Digit, u64>,
    mut greatest: u128,
    children: &BTreeMap<Digit, Summary>,
) -> Node {
    for (digit, summary) in children {
        let count = counts.entry(*digit).or_default();
        *count = summary.count.max(*count);
        greatest = summary.greatest.max(greatest);
    }
    Node::Inner { greatest, counts }
}

/// The union of two sorted sets.
fn union(a: &[u128], b: &[u128]) -> Vec<u128> {
    let mut union = [a, b].concat();
    union.sort_unstable();
    union.dedup();
    union
}
