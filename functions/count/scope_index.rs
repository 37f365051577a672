//! The count index of one scope, as the roots of its tries show it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::trie::{self, Entry, LaneId, Node, Prefix, State, Storage};
use super::{Count, IndexError, ScopeNodes, lane_of, started_shards};
use crate::event::MAX_SHARDS;
use crate::store::{Error, Partition, Scope};

/// The count index of a scope: one read of the roots of its tries.
#[derive(Clone, Debug)]
pub struct ScopeIndex {
    pub(super) nodes: ScopeNodes,
    /// The partitions whose tries are ready, with their roots.
    pub(super) ready: Vec<(Partition, Node)>,
    /// The other partitions. Their events are counted themselves.
    pub(super) unready: Vec<Partition>,
    /// The partitions of both kinds that the settings do not name.
    pub(super) unlisted: Vec<Partition>,
}

impl ScopeIndex {
    /// The shards that have a trie although the settings name fewer shards.
    pub fn unlisted(&self) -> Vec<Partition> {
        self.unlisted.clone()
    }

    /// All partitions of the scope.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        let mut partitions = self.ready_partitions();
        partitions.extend_from_slice(&self.unready);
        partitions
    }

    /// How many partitions the scope has.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.unready.len()
    }

    pub(super) fn ready_partitions(&self) -> Vec<Partition> {
        let partitions = self.ready.iter().map(|(partition, _)| partition);
        partitions.cloned().collect()
    }

    /// The roots of the tries that are ready.
    pub(super) fn roots(&self) -> Vec<(LaneId, Node)> {
        let root = |(partition, root): &(Partition, Node)| (lane_of(partition), root.clone());
        self.ready.iter().map(root).collect()
    }
}

impl Count {
    /// Reads the count index of a scope: one call.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn index(&self, scope: &Scope) -> Result<ScopeIndex, Error> {
        let nodes = self.counts.nodes(scope);
        let level = nodes.level(Prefix::ROOT).await;
        let level = usable(level.map_err(trie::Error::Storage))?;
        let listed = self.store.partitions(scope);
        let unlisted = self.unlisted_shards(scope, &listed, level.as_deref());

        let mut ready_roots = BTreeMap::new();
        for (lane, root) in level.unwrap_or_default() {
            if root.state == Some(State::Ready) {
                ready_roots.insert(lane, root.node);
            }
        }
        let mut index = ScopeIndex {
            nodes,
            ready: Vec::new(),
            unready: Vec::new(),
            unlisted: unlisted.clone(),
        };
        for partition in listed.into_iter().chain(unlisted) {
            match ready_roots.remove(&lane_of(&partition)) {
                Some(root) => index.ready.push((partition, root)),
                None => index.unready.push(partition),
            }
        }
        Ok(index)
    }

    /// The shards up to the highest one that has a root, beyond those that the settings name. If
    /// the roots cannot be read, all shards that can exist.
    fn unlisted_shards(
        &self,
        scope: &Scope,
        listed: &[Partition],
        roots: Option<&[(LaneId, Entry)]>,
    ) -> Vec<Partition> {
        let Scope::Everyone = scope else {
            return Vec::new();
        };
        let shards = match roots {
            Some(roots) => started_shards(roots),
            None => MAX_SHARDS,
        };
        let unlisted: Vec<Partition> = (0..shards)
            .map(Partition::Shard)
            .filter(|partition| !listed.contains(partition))
            .collect();

        let is_misconfigured = roots.is_some() && !unlisted.is_empty();
        if is_misconfigured && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::error!(
                setting = listed.len(),
                shards,
                "SHARDS is lower than the number of shards that have events; all of them are \
                 listed; raise SHARDS"
            );
        }
        unlisted
    }
}

/// The result of the count index, or `None` if the count index cannot be right. Then it is not
/// used, as if it were not ready. A database that does not respond is an error.
pub(super) fn usable<T>(result: Result<T, IndexError>) -> Result<Option<T>, Error> {
    let cause = match result {
        Ok(value) => return Ok(Some(value)),
        Err(trie::Error::Storage(error @ Error::Operation { .. })) => return Err(error),
        Err(cause) => cause,
    };
    tracing::error!(
        %cause,
        "the count index cannot be used; events are counted from the table"
    );
    Ok(None)
}
