//! Reading and correcting a trie that should hold other keys or counts.
//!
//! Only here are keys removed or counts lowered. An applier that read a node before it was
//! corrected can raise a count again to what it was. Compare once more when nothing writes.

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::{Digit, Entry, Error, MAX_SWAPS, Node, Prefix, Storage, Summary, Swap, Trie};

/// How many children of a node are read at a time.
const CHILDREN_AT_ONCE: usize = 16;

/// A count that differs from what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The node that is counted.
    pub prefix: Prefix,
    /// The count in the node above.
    pub counted: u64,
    /// The number of keys found.
    pub found: u64,
}

/// What a recount found below a node.
struct Recount {
    summary: Summary,
    miscounts: Vec<Miscount>,
}

impl<'a, S: Storage> Trie<'a, S> {
    /// The keys from `first` to `last`, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn keys(self, first: u128, last: u128) -> Result<Vec<u128>, Error<S::Error>> {
        let mut keys = self.keys_below(Prefix::ROOT, first, last).await?;
        keys.sort_unstable();
        Ok(keys)
    }

    fn keys_below(
        self,
        prefix: Prefix,
        first: u128,
        last: u128,
    ) -> BoxFuture<'a, Result<Vec<u128>, Error<S::Error>>> {
        Box::pin(async move {
            match self.node_or_empty(prefix).await?.node {
                Node::Leaf(mut keys) => {
                    keys.retain(|key| (first..=last).contains(key));
                    Ok(keys)
                }
                Node::Inner { counts, .. } => {
                    let children = counts.into_keys().map(|digit| prefix.child(digit));
                    let overlaps = |child: &Prefix| child.first() <= last && first <= child.last();
                    let reads: Vec<_> = children
                        .filter(overlaps)
                        .map(|child| self.keys_below(child, first, last))
                        .collect();
                    iter(reads)
                        .buffer_unordered(CHILDREN_AT_ONCE)
                        .try_concat()
                        .await
                }
            }
        })
    }

    /// Removes `key` from the leaf that holds it. The counts above it are then too high, until
    /// [`recount`](Trie::recount).
    ///
    /// # Errors
    ///
    /// [`Error`]. The key may still be there.
    pub async fn remove(self, key: u128) -> Result<(), Error<S::Error>> {
        let path = std::iter::once(Prefix::ROOT).chain(Prefix::path(key));
        for prefix in path {
            let mut entry = self.node_or_empty(prefix).await?;
            let mut swaps = 0;
            // An inner node holds no keys. The leaf lies further down.
            while let Node::Leaf(keys) = &entry.node {
                if !keys.contains(&key) {
                    return Ok(());
                }
                if swaps == MAX_SWAPS {
                    return Err(Error::Contended(prefix));
                }
                let rest = keys.iter().copied().filter(|held| *held != key);
                let node = Node::Leaf(rest.collect());
                match self.swap(prefix, &Entry { node, ..entry }).await? {
                    Swap::Done => return Ok(()),
                    Swap::Lost(current) => entry = current.unwrap_or(Entry::ABSENT),
                }
                swaps += 1;
            }
        }
        Ok(())
    }

    /// Compares each count with what lies below it, and corrects those that are wrong.
    ///
    /// # Errors
    ///
    /// [`Error`]. Some counts may have been corrected.
    pub async fn recount(self) -> Result<Vec<Miscount>, Error<S::Error>> {
        let recount = self.recount_below(Prefix::ROOT).await?;
        Ok(recount.miscounts)
    }

    fn recount_below(self, prefix: Prefix) -> BoxFuture<'a, Result<Recount, Error<S::Error>>> {
        Box::pin(async move {
            let node = self.node_or_empty(prefix).await?.node;
            let Node::Inner { counts, .. } = &node else {
                return Ok(Recount {
                    summary: node.summary(),
                    miscounts: Vec::new(),
                });
            };
            // The children first, several at a time.
            let recount_child = |digit| async move {
                let below = self.recount_below(prefix.child(digit)).await?;
                Ok::<_, Error<S::Error>>((digit, below))
            };
            let recounts: Vec<_> = counts.keys().copied().map(recount_child).collect();
            let children: Vec<(Digit, Recount)> = iter(recounts)
                .buffer_unordered(CHILDREN_AT_ONCE)
                .try_collect()
                .await?;

            // Then the counts of this node, one by one.
            let mut miscounts = Vec::new();
            let mut changed = false;
            for (digit, below) in children {
                miscounts.extend(below.miscounts);
                if counts.get(&digit) != Some(&below.summary.count) {
                    changed = true;
                    miscounts.extend(self.correct(prefix, digit).await?);
                }
            }
            let summary = if changed {
                self.node_or_empty(prefix).await?.node.summary()
            } else {
                node.summary()
            };
            Ok(Recount { summary, miscounts })
        })
    }

    /// Reads one count of a node again, since it may be right by now, and corrects it.
    async fn correct(
        self,
        prefix: Prefix,
        digit: Digit,
    ) -> Result<Option<Miscount>, Error<S::Error>> {
        let child = prefix.child(digit);
        for _ in 0..MAX_SWAPS {
            let entry = self.node_or_empty(prefix).await?;
            let below = self.node_or_empty(child).await?.node.summary();
            let Node::Inner {
                greatest,
                mut counts,
            } = entry.node
            else {
                return Ok(None);
            };
            let counted = if below.count == 0 {
                counts.remove(&digit)
            } else {
                counts.insert(digit, below.count)
            };
            let counted = counted.unwrap_or(0);
            if counted == below.count {
                return Ok(None);
            }
            let greatest = greatest.max(below.greatest);
            let node = Node::Inner { greatest, counts };
            if self.swap(prefix, &Entry { node, ..entry }).await? == Swap::Done {
                return Ok(Some(Miscount {
                    prefix: child,
                    counted,
                    found: below.count,
                }));
            }
        }
        Err(Error::Contended(prefix))
    }

    async fn node_or_empty(self, prefix: Prefix) -> Result<Entry, Error<S::Error>> {
        Ok(self.node(prefix).await?.unwrap_or(Entry::ABSENT))
    }
}
