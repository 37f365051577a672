//! The interface to the storage of the log.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use crate::effects::jitter;
use crate::store;
use crate::tree::table::{Consistency, Published, Run};
use crate::tree::tile::TilePlace;
use crate::tree::{Entry, Hash, TreeTable};

/// The longest pause before a read is repeated that met a hole. It doubles each time.
const PAUSE: Duration = Duration::from_millis(50);

/// The storage of the log.
///
/// A read must see every write that was acknowledged before it began. A read of several items need
/// not be a snapshot: it may see a later write, and miss an earlier one that happened meanwhile.
pub trait Storage: Sync {
    /// The failure of an operation.
    type Error: Send;

    /// The name of the log, or `None` before it begins.
    fn origin(&self) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Gives the log its name, if it has none. Returns whether this call did.
    fn put_origin(&self, origin: &str) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// The size up to which all leaves and nodes are written.
    fn head(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Raises that size. A larger one stays.
    fn raise_head(&self, size: u64) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The newest checkpoint, or `None` before the first.
    fn checkpoint(&self) -> impl Future<Output = Result<Option<Published>, Self::Error>> + Send;

    /// Publishes a checkpoint, unless one of this size or a larger one is there. Returns whether
    /// this call did.
    fn publish(
        &self,
        checkpoint: &Published,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// The runs of a bundle, by where they begin.
    fn runs(&self, bundle: u64) -> impl Future<Output = Result<Vec<Run>, Self::Error>> + Send;

    /// Puts entries at this index of the log, if no run begins there. Returns whether this call
    /// did.
    fn put_run(
        &self,
        index: u64,
        entries: &[Entry],
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// The indexes of those of these leaves that have one.
    fn leaf_indexes(
        &self,
        leaves: &[Hash],
    ) -> impl Future<Output = Result<HashMap<Hash, u64>, Self::Error>> + Send;

    /// Puts the index of a leaf.
    fn put_leaf(
        &self,
        leaf: &Hash,
        index: u64,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The hashes of a tile of level 1 or more, from its first on, as far as they are there.
    fn nodes(
        &self,
        place: TilePlace,
    ) -> impl Future<Output = Result<Vec<Hash>, Self::Error>> + Send;

    /// Puts the hash at this index of a level of tiles, which is 1 or more.
    fn put_node(
        &self,
        level: u8,
        index: u64,
        hash: &Hash,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Waits before a read is repeated for this time, from 1.
    fn pause(&self, time: u32) -> impl Future<Output = ()> + Send;
}

impl Storage for TreeTable {
    type Error = store::Error;

    async fn origin(&self) -> Result<Option<String>, store::Error> {
        TreeTable::origin(self).await
    }

    async fn put_origin(&self, origin: &str) -> Result<bool, store::Error> {
        TreeTable::put_origin(self, origin).await
    }

    async fn head(&self) -> Result<u64, store::Error> {
        TreeTable::head(self).await
    }

    async fn raise_head(&self, size: u64) -> Result<(), store::Error> {
        TreeTable::raise_head(self, size).await
    }

    async fn checkpoint(&self) -> Result<Option<Published>, store::Error> {
        TreeTable::checkpoint(self).await
    }

    async fn publish(&self, checkpoint: &Published) -> Result<bool, store::Error> {
        TreeTable::publish(self, checkpoint).await
    }

    async fn runs(&self, bundle: u64) -> Result<Vec<Run>, store::Error> {
        TreeTable::runs(self, bundle, Consistency::Strong).await
    }

    async fn put_run(&self, index: u64, entries: &[Entry]) -> Result<bool, store::Error> {
        TreeTable::put_run(self, index, entries).await
    }

    async fn leaf_indexes(&self, leaves: &[Hash]) -> Result<HashMap<Hash, u64>, store::Error> {
        TreeTable::leaf_indexes(self, leaves).await
    }

    async fn put_leaf(&self, leaf: &Hash, index: u64) -> Result<(), store::Error> {
        TreeTable::put_leaf(self, leaf, index).await
    }

    async fn nodes(&self, place: TilePlace) -> Result<Vec<Hash>, store::Error> {
        TreeTable::nodes(self, place, Consistency::Strong).await
    }

    async fn put_node(&self, level: u8, index: u64, hash: &Hash) -> Result<(), store::Error> {
        TreeTable::put_node(self, level, index, hash).await
    }

    async fn pause(&self, time: u32) {
        let longest = PAUSE * 2_u32.saturating_pow(time.saturating_sub(1));
        tokio::time::sleep(jitter(longest)).await;
    }
}
