//! A handle to one trie.

use super::{Entry, Error, LaneId, Prefix, Storage, Swap};

/// One of the tries of a scope.
#[derive(Debug)]
pub struct Trie<'a, S> {
    storage: &'a S,
    lane: LaneId,
}

// Derived, these would ask the storage to be Copy as well.
impl<S> Copy for Trie<'_, S> {}

impl<S> Clone for Trie<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, S: Storage> Trie<'a, S> {
    /// The trie of `lane` in `storage`.
    pub fn new(storage: &'a S, lane: LaneId) -> Trie<'a, S> {
        Trie { storage, lane }
    }

    pub(super) async fn node(self, prefix: Prefix) -> Result<Option<Entry>, Error<S::Error>> {
        Ok(self.storage.node(self.lane, prefix).await?)
    }

    /// The node, or an earlier version of it: see [`Storage::node_or_earlier`].
    pub(super) async fn node_or_earlier(
        self,
        prefix: Prefix,
    ) -> Result<Option<Entry>, Error<S::Error>> {
        Ok(self.storage.node_or_earlier(self.lane, prefix).await?)
    }

    pub(super) async fn swap(self, prefix: Prefix, new: &Entry) -> Result<Swap, Error<S::Error>> {
        Ok(self.storage.swap(self.lane, prefix, new).await?)
    }
}
