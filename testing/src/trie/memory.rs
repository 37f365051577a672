//! A storage in memory, which can fail like a real one, and counts what it would cost on DynamoDB.

use std::collections::BTreeMap;
use std::sync::Mutex;

use audit_log::count::trie::{Entry, LaneId, Node, Prefix, Storage, Swap};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::turn;

/// Besides its packed bytes an item has its keys and the names of its attributes.
const ITEM_BYTES: usize = 80;

/// What a storage was asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Reads of a level or of a node.
    pub reads: u64,
    /// What DynamoDB would charge for them.
    pub read_units: u64,
    /// Writes that were done.
    pub writes: u64,
    /// What DynamoDB would charge for them.
    pub write_units: u64,
}

/// How often an operation goes wrong: one in so many; never, if 0.
#[derive(Debug, Default, Clone, Copy)]
pub struct Faults {
    /// A read or write fails and nothing is done.
    pub fail: u32,
    /// A write is done, and its response is lost.
    pub lose: u32,
    /// A read that may find an earlier version of a node does, or none of a new one.
    pub stale: u32,
    /// A read of a level is overtaken by others.
    pub slow: u32,
}

/// A storage in memory.
pub struct Memory {
    /// Each node's versions, oldest first.
    nodes: Mutex<BTreeMap<(Prefix, LaneId), Vec<Entry>>>,
    faults: Mutex<(Faults, StdRng)>,
    cost: Mutex<Cost>,
}

/// An operation went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault;

impl Default for Memory {
    fn default() -> Memory {
        Memory::with_faults(Faults::default(), 0)
    }
}

impl Memory {
    /// An empty storage that never fails.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// An empty storage that fails as the seed says.
    pub fn with_faults(faults: Faults, seed: u64) -> Memory {
        let rng = StdRng::seed_from_u64(seed);
        Memory {
            nodes: Mutex::default(),
            faults: Mutex::new((faults, rng)),
            cost: Mutex::default(),
        }
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.faults.lock().unwrap().0 = Faults::default();
    }

    /// What it was asked for until now.
    pub fn cost(&self) -> Cost {
        *self.cost.lock().unwrap()
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.nodes.lock().unwrap().len()
    }

    async fn read(
        &self,
        lane: LaneId,
        prefix: Prefix,
        stale: bool,
    ) -> Result<Option<Entry>, Fault> {
        turn().await;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        let nodes = self.nodes.lock().unwrap();
        let Some(versions) = nodes.get(&(prefix, lane)) else {
            return Ok(None);
        };
        self.cost.lock().unwrap().reads += 1;
        let back = usize::from(stale);
        let found = versions.len().checked_sub(1 + back);
        Ok(found.map(|at| versions[at].clone()))
    }

    fn strikes(&self, which: impl Fn(Faults) -> u32) -> bool {
        let (faults, rng) = &mut *self.faults.lock().unwrap();
        let one_in = which(*faults);
        one_in > 0 && rng.random_ratio(1, one_in)
    }
}

/// What DynamoDB charges for the Query of a level, strongly consistent.
pub fn read_units(entries: &[(LaneId, Entry)], prefix: Prefix) -> u64 {
    let bytes: usize = entries
        .iter()
        .map(|(_, entry)| item_bytes(prefix, &entry.node))
        .sum();
    bytes.div_ceil(4096).max(1) as u64
}

fn item_bytes(prefix: Prefix, node: &Node) -> usize {
    ITEM_BYTES + node.pack(prefix).len()
}

impl Storage for Memory {
    type Error = Fault;

    async fn level(&self, prefix: Prefix) -> Result<Vec<(LaneId, Entry)>, Fault> {
        turn().await;
        while self.strikes(|faults| faults.slow) {
            turn().await;
        }
        let nodes = self.nodes.lock().unwrap();
        let lanes = nodes.range((prefix, 0)..=(prefix, LaneId::MAX));
        let newest = lanes.map(|((_, lane), versions)| (*lane, versions.last().unwrap().clone()));
        let level: Vec<(LaneId, Entry)> = newest.collect();
        let mut cost = self.cost.lock().unwrap();
        cost.reads += 1;
        cost.read_units += read_units(&level, prefix);
        Ok(level)
    }

    async fn node(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, Fault> {
        self.read(lane, prefix, false).await
    }

    async fn node_or_earlier(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, Fault> {
        let stale = self.strikes(|faults| faults.stale);
        self.read(lane, prefix, stale).await
    }

    async fn swap(&self, lane: LaneId, prefix: Prefix, new: &Entry) -> Result<Swap, Fault> {
        turn().await;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        let mut nodes = self.nodes.lock().unwrap();
        let versions = nodes.entry((prefix, lane)).or_default();
        let version = match versions.last() {
            Some(entry) => entry.version,
            None => 0,
        };
        if version != new.version {
            return Ok(Swap::Lost(versions.last().cloned()));
        }
        // A reader gets what was packed.
        let node = Node::unpack(prefix, &new.node.pack(prefix)).unwrap();
        versions.push(Entry {
            version: new.version + 1,
            node,
            state: new.state,
        });
        drop(nodes);

        let mut cost = self.cost.lock().unwrap();
        cost.writes += 1;
        cost.write_units += item_bytes(prefix, &new.node).div_ceil(1024) as u64;
        drop(cost);
        if self.strikes(|faults| faults.lose) {
            return Err(Fault);
        }
        Ok(Swap::Done)
    }
}
