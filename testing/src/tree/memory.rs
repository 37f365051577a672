//! A storage of the log in memory, which can fail like a real one.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use audit_log::tree::seal::Storage;
use audit_log::tree::table::{Published, Run};
use audit_log::tree::tile::TilePlace;
use audit_log::tree::{Entry, Hash, TILE_WIDTH};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::trie::{Fault, turn};

/// How often an operation goes wrong: one in so many; never, if 0.
#[derive(Debug, Default, Clone, Copy)]
pub struct TreeFaults {
    /// Nothing is done.
    pub fail: u32,
    /// A write is done, and its response is lost.
    pub lose: u32,
}

/// What is in the storage.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Items {
    /// The name of the log.
    pub origin: Option<String>,
    /// The size up to which all leaves and nodes are there.
    pub head: Option<u64>,
    /// The newest checkpoint.
    pub checkpoint: Option<Published>,
    /// The runs, by where they begin.
    pub runs: BTreeMap<u64, Vec<Entry>>,
    /// The indexes of leaves.
    pub leaves: HashMap<Hash, u64>,
    /// The nodes, by their level and index.
    pub nodes: BTreeMap<(u8, u64), Hash>,
}

/// A storage in memory. A read of several items takes several turns, so it is no snapshot.
pub struct TreeMemory {
    items: Mutex<Items>,
    faults: Mutex<(TreeFaults, StdRng)>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    /// How often the items may have changed.
    changes: AtomicU64,
}

impl Default for TreeMemory {
    fn default() -> TreeMemory {
        TreeMemory::with_faults(TreeFaults::default(), 0)
    }
}

impl TreeMemory {
    /// An empty storage that never fails.
    pub fn new() -> TreeMemory {
        TreeMemory::default()
    }

    /// An empty storage that fails as the seed says.
    pub fn with_faults(faults: TreeFaults, seed: u64) -> TreeMemory {
        TreeMemory {
            items: Mutex::default(),
            faults: Mutex::new((faults, StdRng::seed_from_u64(seed))),
            calls: Mutex::default(),
            changes: AtomicU64::default(),
        }
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.faults.lock().unwrap().0 = TreeFaults::default();
    }

    /// Changes the items behind the back of all sealers.
    pub fn with<T>(&self, with: impl FnOnce(&mut Items) -> T) -> T {
        self.changes.fetch_add(1, Ordering::SeqCst);
        with(&mut self.items.lock().unwrap())
    }

    /// A number that is another one after each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Looks at the items.
    pub fn look<T>(&self, look: impl FnOnce(&Items) -> T) -> T {
        look(&self.items.lock().unwrap())
    }

    /// How often each operation was called.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn strikes(&self, which: impl Fn(TreeFaults) -> u32) -> bool {
        let (faults, rng) = &mut *self.faults.lock().unwrap();
        let one_in = which(*faults);
        one_in > 0 && rng.random_ratio(1, one_in)
    }

    fn random(&self, range: RangeInclusive<u64>) -> u64 {
        self.faults.lock().unwrap().1.random_range(range)
    }

    async fn read<T>(
        &self,
        call: &'static str,
        read: impl FnOnce(&Items) -> T,
    ) -> Result<T, Fault> {
        turn().await;
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        Ok(read(&self.items.lock().unwrap()))
    }

    async fn write<T>(
        &self,
        call: &'static str,
        write: impl FnOnce(&mut Items) -> T,
    ) -> Result<T, Fault> {
        turn().await;
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        let written = write(&mut self.items.lock().unwrap());
        self.changes.fetch_add(1, Ordering::SeqCst);
        if self.strikes(|faults| faults.lose) {
            return Err(Fault);
        }
        Ok(written)
    }
}

impl Items {
    /// The entries of all runs, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.runs.values().flatten().copied().collect()
    }
}

impl Storage for TreeMemory {
    type Error = Fault;

    async fn origin(&self) -> Result<Option<String>, Fault> {
        self.read("origin", |items| items.origin.clone()).await
    }

    async fn put_origin(&self, origin: &str) -> Result<bool, Fault> {
        self.write("put_origin", |items| {
            let is_first = items.origin.is_none();
            items.origin.get_or_insert_with(|| origin.to_owned());
            is_first
        })
        .await
    }

    async fn head(&self) -> Result<u64, Fault> {
        self.read("head", |items| items.head.unwrap_or_default())
            .await
    }

    async fn raise_head(&self, size: u64) -> Result<(), Fault> {
        self.write("raise_head", |items| {
            items.head = items.head.max(Some(size));
        })
        .await
    }

    async fn checkpoint(&self) -> Result<Option<Published>, Fault> {
        self.read("checkpoint", |items| items.checkpoint.clone())
            .await
    }

    async fn publish(&self, checkpoint: &Published) -> Result<bool, Fault> {
        self.write("publish", |items| {
            let is_newest = match &items.checkpoint {
                Some(newest) => newest.size < checkpoint.size,
                None => true,
            };
            if is_newest {
                items.checkpoint = Some(checkpoint.clone());
            }
            is_newest
        })
        .await
    }

    async fn runs(&self, bundle: u64) -> Result<Vec<Run>, Fault> {
        let begin = bundle.saturating_mul(TILE_WIDTH).min(u64::MAX - TILE_WIDTH);
        let mut runs: Vec<Run> = Vec::new();
        let mut from = 0;
        // A part of the bundle at each turn: a run may be put before it, and another one after it.
        while from < TILE_WIDTH {
            let until = (from + self.random(1..=100)).min(TILE_WIDTH);
            let part = |items: &Items| -> Vec<Run> {
                let part = items.runs.range(begin + from..begin + until);
                let run = |(at, entries): (&u64, &Vec<Entry>)| Run {
                    at: at - begin,
                    entries: entries.clone(),
                };
                part.map(run).collect()
            };
            runs.extend(self.read("runs", part).await?);
            from = until;
        }
        Ok(runs)
    }

    async fn put_run(&self, index: u64, entries: &[Entry]) -> Result<bool, Fault> {
        assert!(index % TILE_WIDTH + entries.len() as u64 <= TILE_WIDTH);
        self.write("put_run", |items| {
            let is_absent = !items.runs.contains_key(&index);
            items.runs.entry(index).or_insert_with(|| entries.to_vec());
            is_absent
        })
        .await
    }

    async fn leaf_indexes(&self, leaves: &[Hash]) -> Result<HashMap<Hash, u64>, Fault> {
        let mut indexes = HashMap::new();
        for leaf in leaves {
            let read = |items: &Items| items.leaves.get(leaf).copied();
            if let Some(index) = self.read("leaf_indexes", read).await? {
                indexes.insert(*leaf, index);
            }
        }
        Ok(indexes)
    }

    async fn put_leaf(&self, leaf: &Hash, index: u64) -> Result<(), Fault> {
        self.write("put_leaf", |items| {
            items.leaves.insert(*leaf, index);
        })
        .await
    }

    async fn nodes(&self, place: TilePlace) -> Result<Vec<Hash>, Fault> {
        let mut hashes = Vec::new();
        let first = place.index.saturating_mul(TILE_WIDTH);
        for index in first..first.saturating_add(TILE_WIDTH) {
            let read = |items: &Items| items.nodes.get(&(place.level, index)).copied();
            let Some(hash) = self.read("nodes", read).await? else {
                break;
            };
            hashes.push(hash);
        }
        Ok(hashes)
    }

    async fn put_node(&self, level: u8, index: u64, hash: &Hash) -> Result<(), Fault> {
        self.write("put_node", |items| {
            items.nodes.insert((level, index), *hash);
        })
        .await
    }

    async fn pause(&self, _: u32) {
        *self.calls.lock().unwrap().entry("pause").or_default() += 1;
        turn().await;
    }
}
