//! From a rank to an id: where a page by number begins.

use futures_util::future::{try_join, try_join_all};

use super::live::{Budget, Live, LivePart};
use super::range::Parts;
use super::reader::{count_keys, merge, range_below};
use super::scope_index::usable;
use super::trie::{self, LaneId, Node, Prefix, RankPath, Tries};
use super::{Count, IndexError, ScopeIndex, ScopeNodes, Total, lane_of};
use crate::event::{EventId, IdRange, Order, Timestamp};
use crate::store::{Error, Partition, Selection};

/// A partition without a trie is treated as a leaf if it has no more events than this.
const MAX_EVENTS_AS_LEAF: usize = 1000;

/// The error of a count index that contradicts itself.
const BROKEN: IndexError = trie::Error::Broken(Prefix::ROOT);

/// A total, and the event at a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// How many events there are.
    pub total: Total,
    /// The id at the rank, or `None` past the end.
    pub id: Option<EventId>,
}

/// A partition without a trie, and all keys that it has in a range, oldest first.
pub(super) struct Leaf {
    partition: Partition,
    pub(super) keys: Vec<EventId>,
}

impl Leaf {
    fn node(&self) -> (LaneId, Node) {
        let keys = self.keys.iter().map(|id| id.to_bits());
        (lane_of(&self.partition), Node::Leaf(keys.collect()))
    }

    /// The live window of the partition. All of its keys are known, so this part is complete.
    fn live_part(&self, live: IdRange) -> LivePart {
        let newest_first = self.keys.iter().rev().copied();
        LivePart {
            partition: self.partition.clone(),
            ids: newest_first.filter(|id| live.contains(*id)).collect(),
            complete: true,
        }
    }
}

impl Count {
    /// The total of a selection, and the id at `rank` (0 is the first in its order). `live` is the
    /// live window that was read before.
    ///
    /// # Errors
    ///
    /// [`Error`], when DynamoDB does not respond or rejects the request.
    pub async fn locate(
        &self,
        index: &ScopeIndex,
        mut live: Vec<LivePart>,
        selection: &Selection,
        rank: u64,
        now: Timestamp,
    ) -> Result<Located, Error> {
        let Selection { range, order, .. } = *selection;
        // 1. Read what the settings do not name, and the partitions whose tries are not ready.
        let parts = Parts::of(range, now);
        let partitions = &index.unlisted;
        let unlisted = self
            .live
            .read(partitions, index.len(), parts.live, &[], Budget::Place, now);
        let (unlisted, leaves) = try_join(unlisted, self.leaves(index, range)).await?;
        live.extend(unlisted);

        // 2. Select by the count index.
        if let Some(leaves) = leaves {
            let place = Place::new(index, &leaves, &live, range, parts);
            if let Some(located) = usable(Box::pin(place.locate(rank, order)).await)? {
                return Ok(located);
            }
        }

        // 3. Without the count index, walk to the rank.
        let walk = self.store.id_at(index.partitions(), range, order, rank);
        let (total, id) = try_join(self.total(index, range, &[], now), walk).await?;
        Ok(Located { total, id })
    }

    /// The partitions whose tries are not ready, as leaves. `None` if one of them has more than
    /// [`MAX_EVENTS_AS_LEAF`] events.
    async fn leaves(&self, index: &ScopeIndex, range: IdRange) -> Result<Option<Vec<Leaf>>, Error> {
        let leaves = index
            .unready
            .iter()
            .map(|partition| self.leaf(partition, range));
        let leaves = try_join_all(leaves).await?;
        Ok(leaves.into_iter().collect())
    }

    /// A partition whose trie is not ready, as a leaf. `None` if it has too many events for that.
    pub(super) async fn leaf(
        &self,
        partition: &Partition,
        range: IdRange,
    ) -> Result<Option<Leaf>, Error> {
        let mut keys: Vec<EventId> = Vec::new();
        loop {
            let rest = match keys.last() {
                Some(last) => range.from_key(last.to_bits() + 1),
                None => range,
            };
            let limit = MAX_EVENTS_AS_LEAF + 1 - keys.len();
            let slice = self.store.keys(partition, rest, limit).await?;
            keys.extend(slice.keys.iter().map(|key| key.id));
            if keys.len() > MAX_EVENTS_AS_LEAF {
                return Ok(None);
            }
            if !slice.more {
                let partition = partition.clone();
                return Ok(Some(Leaf { partition, keys }));
            }
        }
    }
}

/// Everything that a selection is made from: the live window as it was read, and the tries.
struct Place<'a> {
    nodes: &'a ScopeNodes,
    /// The roots of the tries that are ready, and the other partitions as leaves.
    roots: Vec<(LaneId, Node)>,
    live: Live,
    /// The part below the live window that was read.
    older: IdRange,
    /// The part above the live window.
    ahead: IdRange,
}

impl<'a> Place<'a> {
    fn new(
        index: &'a ScopeIndex,
        leaves: &[Leaf],
        live: &[LivePart],
        range: IdRange,
        parts: Parts,
    ) -> Place<'a> {
        // The live window of a leaf comes from its keys, that of the others from the table.
        let from_leaves: Vec<LivePart> = leaves
            .iter()
            .map(|leaf| leaf.live_part(parts.live))
            .collect();
        let is_ready = |part: &&LivePart| !index.unready.contains(&part.partition);
        let live: Vec<&LivePart> = live.iter().filter(is_ready).chain(&from_leaves).collect();
        let live = merge(&live, parts.live);

        let mut roots = index.roots();
        roots.extend(leaves.iter().map(Leaf::node));
        Place {
            nodes: &index.nodes,
            roots,
            older: range_below(range, &parts, &live),
            ahead: parts.ahead,
            live,
        }
    }

    /// The three parts follow each other: ahead, live, older, or the other way around. Within the
    /// part that has the rank, the newest event has rank 0, so a rank from the oldest event on is
    /// turned around.
    async fn locate(&self, rank: u64, order: Order) -> Result<Located, IndexError> {
        // 1. How many events each of the three parts has.
        let ahead = count_keys(self.nodes, &self.roots, self.ahead);
        let older = self.path_and_count(self.older);
        let (ahead, (older_path, older)) = try_join(ahead, older).await?;
        let live = self.live.ids.len() as u64;
        let total = Total {
            events: ahead + live + older,
            exact: self.live.complete,
        };

        // 2. The part that has the rank.
        let newest_rank = match order {
            Order::Descending => Some(rank),
            Order::Ascending => total.events.checked_sub(1 + rank),
        };
        let Some(rank) = newest_rank.filter(|rank| *rank < total.events) else {
            return Ok(Located { total, id: None });
        };
        if rank < ahead {
            return self.locate_ahead(rank, total).await;
        }
        let rank = rank - ahead;
        if rank < live {
            let id = usize::try_from(rank)
                .ok()
                .and_then(|rank| self.live.ids.get(rank).copied());
            return Ok(Located { total, id });
        }
        let rank = rank - live;
        if let Some(id) = self.select(&older_path, self.older, rank).await? {
            let id = Some(id);
            return Ok(Located { total, id });
        }
        // Late events came into the range between two reads, and the path has fewer of them than
        // were counted. At some moment there were so many events.
        let events = ahead + live + rank;
        let id = match order {
            Order::Descending => None,
            Order::Ascending => self.oldest_before(&older_path, rank).await?,
        };
        let total = Total { events, ..total };
        Ok(Located { total, id })
    }

    /// The first of the older events that the path has, if it has none at `rank`. It is looked for
    /// at smaller and smaller ranks.
    async fn oldest_before(
        &self,
        path: &RankPath,
        rank: u64,
    ) -> Result<Option<EventId>, IndexError> {
        let mut step = 1;
        while step <= rank {
            if let Some(id) = self.select(path, self.older, rank - step).await? {
                return Ok(Some(id));
            }
            step *= 2;
        }
        Ok(None)
    }

    async fn locate_ahead(&self, rank: u64, total: Total) -> Result<Located, IndexError> {
        let (path, _) = self.path_and_count(self.ahead).await?;
        let id = match self.select(&path, self.ahead, rank).await? {
            Some(id) => Some(id),
            // A key that was counted is still being added, so it cannot be reached yet. What
            // follows it can.
            None => self.first_id_ahead(),
        };
        Ok(Located { total, id })
    }

    fn first_id_ahead(&self) -> Option<EventId> {
        let (first, _) = self.ahead.half_open()?;
        EventId::from_bits(first)
    }

    /// The path to the end of `range`, and how many keys lie in `range`.
    async fn path_and_count(&self, range: IdRange) -> Result<(RankPath, u64), IndexError> {
        let (first, end) = range.half_open().unwrap_or_default();
        let tries = Tries::new(self.nodes, &self.roots);
        if first == 0 {
            // The path to the end counts all keys before it.
            let path = tries.path_to(end).await?;
            let count = path.count();
            return Ok((path, count));
        }
        try_join(tries.path_to(end), tries.count(first, end)).await
    }

    /// The key at `rank` among those of `range`, which ends where `path` leads to.
    async fn select(
        &self,
        path: &RankPath,
        range: IdRange,
        rank: u64,
    ) -> Result<Option<EventId>, IndexError> {
        let Some(key) = path.select(self.nodes, rank).await? else {
            return Ok(None);
        };
        let (first, _) = range.half_open().unwrap_or_default();
        if key < first {
            return Ok(None);
        }
        EventId::from_bits(key).map(Some).ok_or(BROKEN)
    }
}
