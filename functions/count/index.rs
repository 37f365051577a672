//! Keeping the index: adding events to the lanes they belong to, and lanes to the index.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};

use super::trie::{self, Entry, Lane, State, Storage};
use super::{CountsTable, Lanes, MAX_UNINDEXED_EVENTS, lane_of, started_shards};
use crate::event::{IdRange, Timestamp};
use crate::store::{Error, EventKey, EventStore, Partition, Scope};

/// How many partitions a batch is added to at a time.
const PARTITIONS_AT_ONCE: usize = 64;
/// How many lanes are filled at a time: each slice is a megabyte.
const BACKFILLS_AT_ONCE: usize = 8;
/// How many events a backfill adds at a time: about 1 MB of them, which is what a Query gives.
const SLICE: usize = 1000;
/// A user's backfill reads the index of users, which DynamoDB updates after the table. An event that was delivered
/// before its user had a trie is added by the backfill alone, so that waits until the event must be there.
pub const SETTLE: Duration = Duration::from_secs(60);
/// How many users' lanes that are building are taken up with a batch.
const USERS_AT_ONCE: i32 = 4;
/// One event in so many makes its user's events be counted, to see whether the user needs a trie.
const SAMPLE: u128 = 32;

/// Why events could not be added.
pub type IndexError = trie::Error<Error>;

/// Adds events to the index.
#[derive(Clone, Debug)]
pub struct Indexer {
    pub(super) store: EventStore,
    counts: CountsTable,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Added {
    /// The positions of the events that could not be added, and why. Adding them again completes it.
    pub failed: Vec<(usize, IndexError)>,
    /// The partitions whose lanes are building.
    pub building: Vec<Partition>,
}

impl Indexer {
    /// The lane that counts a partition.
    pub(super) fn lane(&self, partition: &Partition) -> (Lanes, Lane) {
        (self.counts.lanes(&partition.scope()), lane_of(partition))
    }

    /// An indexer of `log`'s events that keeps its index in `counts`.
    pub fn new(store: EventStore, counts: CountsTable) -> Indexer {
        Indexer { store, counts }
    }

    /// All shards: those that the settings name, and those that have a lane besides.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when DynamoDB does not tell.
    pub async fn shards(&self) -> Result<Vec<Partition>, IndexError> {
        let roots = self.counts.lanes(&Scope::Everyone).level(trie::Prefix::ROOT).await?;
        let shards = started_shards(&roots).max(self.store.shards().get());
        Ok((0..shards).map(Partition::Shard).collect())
    }

    /// Adds one event to the lanes that have been started. To those that have not, their backfill will add it.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; adding it again completes it.
    pub async fn add_now(&self, event: &EventKey) -> Result<(), IndexError> {
        let partitions = [Partition::Shard(event.id.shard()), Partition::User(event.user_id.clone())];
        let roots = self.counts.roots(&partitions).await;
        let keys = [event.id.to_bits()];
        let lanes = partitions.iter().zip(roots).map(|(partition, root)| self.add_from(partition, root, &keys));
        // Each to its end: a user's trouble is not everyone's.
        join_all(lanes).await.into_iter().try_for_each(|added| added.map(|_| ()))
    }

    /// Adds a batch of events, and starts the lanes that are missing.
    pub async fn add(&self, events: &[EventKey], now: Timestamp) -> Added {
        // The positions of each partition's events. Every shard is there, so that its lane is started before it is needed.
        let mut shards: BTreeMap<Lane, Vec<usize>> =
            (0..self.store.shards().get()).map(|shard| (shard, Vec::new())).collect();
        let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, event) in events.iter().enumerate() {
            shards.entry(event.id.shard()).or_default().push(position);
            users.entry(&event.user_id).or_default().push(position);
        }
        let shards = shards.into_iter().map(|(shard, positions)| (Partition::Shard(shard), positions));
        let users = users.into_iter().map(|(user, positions)| (Partition::User(user.to_owned()), positions));
        let (partitions, positions): (Vec<Partition>, Vec<Vec<usize>>) = shards.chain(users).unzip();

        let roots = self.counts.roots(&partitions).await;
        let work: Vec<_> = partitions.into_iter().zip(positions).zip(roots).collect();
        let added = iter(work).map(|((partition, positions), root)| async move {
            let keys: Vec<u128> = positions.iter().map(|at| events[*at].id.to_bits()).collect();
            let added = self.add_to(&partition, root, &keys, now).await;
            let state = self.or_abandon(&partition, added).await;
            (partition, positions, state)
        });
        let mut all = Added { failed: Vec::new(), building: Vec::new() };
        for (partition, positions, state) in added.buffer_unordered(PARTITIONS_AT_ONCE).collect::<Vec<_>>().await {
            match state {
                Ok(Some(State::Building { .. })) => all.building.push(partition),
                Ok(_) => {}
                Err(error) if positions.is_empty() => {
                    tracing::error!(cause = %error, ?partition, "a lane could not be looked at");
                }
                Err(error) => all.failed.extend(positions.into_iter().map(|position| (position, error.clone()))),
            }
        }
        all
    }

    /// Adds to a partition's lane, whose root was read, and starts it if it is missing and needed.
    async fn add_to(
        &self,
        partition: &Partition,
        root: Result<Option<Entry>, Error>,
        keys: &[u128],
        now: Timestamp,
    ) -> Result<Option<State>, IndexError> {
        let state = self.add_from(partition, root, keys).await?;
        if state.is_some() || !self.needs_lane(partition, keys).await? {
            return Ok(state);
        }
        self.start(partition, now).await?;
        let (lanes, lane) = self.lane(partition);
        trie::apply(&lanes, lane, keys).await
    }

    /// Adds to a partition's lane, whose root was read; `None` if it has none.
    async fn add_from(
        &self,
        partition: &Partition,
        root: Result<Option<Entry>, Error>,
        keys: &[u128],
    ) -> Result<Option<State>, IndexError> {
        let Some(root) = root? else { return Ok(None) };
        let (lanes, lane) = self.lane(partition);
        trie::apply_from(&lanes, lane, root, keys).await
    }

    async fn needs_lane(&self, partition: &Partition, keys: &[u128]) -> Result<bool, IndexError> {
        match partition {
            Partition::Shard(_) => Ok(true),
            Partition::User(_) if !keys.iter().any(|key| is_sample(*key)) => Ok(false),
            Partition::User(_) => Ok(self.store.has_more_than(partition, MAX_UNINDEXED_EVENTS).await?),
        }
    }

    /// Adds to lanes that are building what was there before them, as far as `more` allows; it is asked before each
    /// slice. Takes up some users' lanes, too, that others left: a user may have no event any more.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; the next call goes on where this one stopped.
    pub async fn backfill(
        &self,
        building: Vec<Partition>,
        now: Timestamp,
        more: impl Fn() -> bool + Sync,
    ) -> Result<(), IndexError> {
        let mut building = building;
        let users = self.counts.building(USERS_AT_ONCE).await?.into_iter().map(Partition::User);
        building.extend(users.filter(|user| !building.contains(user)).collect::<Vec<_>>());
        let more = &more;
        let built = iter(building).map(|partition| async move {
            let built = self.build(&partition, now, more).await;
            self.or_abandon(&partition, built).await
        });
        // Each to its end: one lane's trouble is not the others'.
        built.buffer_unordered(BACKFILLS_AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Completes one lane that is building, if the index of users has settled.
    async fn build(
        &self,
        partition: &Partition,
        now: Timestamp,
        more: &(impl Fn() -> bool + Sync),
    ) -> Result<(), IndexError> {
        let (since_millis, next) = match self.state(partition).await? {
            Some(State::Building { since_millis, next }) => (since_millis, next),
            Some(State::Ready) => return self.forget(partition).await,
            // Noted by somebody who is about to start it, or who died before.
            None => return self.start(partition, now).await,
        };
        let settled = Timestamp::from_millis(since_millis).plus(SETTLE) <= now;
        if matches!(partition, Partition::User(_)) && !settled {
            return Ok(());
        }
        self.fill(partition, since_millis, next, more).await
    }

    /// Adds slice by slice what a partition holds from `next` on; then its lane is ready.
    async fn fill(
        &self,
        partition: &Partition,
        since_millis: u64,
        mut next: u128,
        more: impl Fn() -> bool,
    ) -> Result<(), IndexError> {
        let (lanes, lane) = self.lane(partition);
        while more() {
            let slice = self.store.keys(partition, IdRange::ALL.starting(next), SLICE).await?;
            let keys: Vec<u128> = slice.keys.iter().map(|key| key.id.to_bits()).collect();
            trie::apply(&lanes, lane, &keys).await?;
            if !slice.more {
                trie::finish(&lanes, lane, since_millis).await?;
                return self.forget(partition).await;
            }
            next = keys.last().map_or(next, |last| last + 1);
            trie::advance(&lanes, lane, since_millis, next).await?;
        }
        Ok(())
    }

    /// How far a partition's lane can be trusted; `None` when it was not started.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when DynamoDB does not tell.
    pub async fn state(&self, partition: &Partition) -> Result<Option<State>, IndexError> {
        let (lanes, lane) = self.lane(partition);
        Ok(lanes.node(lane, trie::Prefix::ROOT).await?.and_then(|root| root.state))
    }

    /// Starts a partition's lane, unless it has been: from then on it takes new events.
    ///
    /// # Errors
    ///
    /// [`IndexError`], when it is not known whether it was started.
    pub async fn start(&self, partition: &Partition, now: Timestamp) -> Result<(), IndexError> {
        let (lanes, lane) = self.lane(partition);
        if let Partition::User(user_id) = partition {
            // First, so that no lane is started that nobody completes.
            self.counts.note_building(user_id).await?;
        }
        trie::start(&lanes, lane, now.millis()).await
    }

    /// Gives up a user's lane that has an unreadable node, which no repetition mends: its events are then counted
    /// themselves. Passes on any other result.
    async fn or_abandon<T: Default>(
        &self,
        partition: &Partition,
        result: Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        match (partition, result) {
            (Partition::User(_), Err(cause @ trie::Error::Storage(Error::Corrupt { .. }))) => {
                tracing::error!(%cause, "a user's lane is given up");
                let (lanes, lane) = self.lane(partition);
                lanes.delete_root(lane).await?;
                self.forget(partition).await?;
                Ok(T::default())
            }
            (_, result) => result,
        }
    }

    async fn forget(&self, partition: &Partition) -> Result<(), IndexError> {
        match partition {
            Partition::Shard(_) => Ok(()),
            Partition::User(user_id) => Ok(self.counts.forget_building(user_id).await?),
        }
    }

    /// Completes a partition's lane at once. A user's must have been started [`SETTLE`] ago, unless the index of
    /// users never lags.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; the next call goes on where this one stopped.
    pub async fn complete(&self, partition: &Partition) -> Result<(), IndexError> {
        match self.state(partition).await? {
            Some(State::Building { since_millis, next }) => self.fill(partition, since_millis, next, || true).await,
            _ => Ok(()),
        }
    }
}

/// By the id's own chance bits, so that a redelivered batch asks the same question again.
fn is_sample(key: u128) -> bool {
    // The lowest four bits are the shard.
    (key >> 4).is_multiple_of(SAMPLE)
}
