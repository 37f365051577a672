//! A storage in memory, which can fail like a real one, and counts what it would cost on DynamoDB.

use std::collections::BTreeMap;
use std::sync::Mutex;

use audit_log::count::trie::{Entry, LaneId, Prefix, Storage, Swap};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::turns::turn;

/// Beside its packed bytes an item has its keys and its attributes' names.
const ITEM_BYTES: usize = 80;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub reads: u64,
    pub read_units: u64,
    pub writes: u64,
    pub write_units: u64,
}

/// How often an operation goes wrong: one in so many. Never, if 0.
#[derive(Debug, Default, Clone, Copy)]
pub struct Faults {
    /// A read or write fails and nothing is done.
    pub fail: u32,
    /// A write is done, and its answer is lost.
    pub lose: u32,
    /// A read of one node answers with an earlier version.
    pub stale: u32,
    /// A read of a level is overtaken by others.
    pub slow: u32,
}

pub struct Memory {
    /// Each node's versions, oldest first.
    nodes: Mutex<BTreeMap<(Prefix, LaneId), Vec<Entry>>>,
    faults: Mutex<(Faults, StdRng)>,
    cost: Mutex<Cost>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault;

impl Memory {
    pub fn new() -> Memory {
        Memory::with_faults(Faults::default(), 0)
    }

    pub fn with_faults(faults: Faults, seed: u64) -> Memory {
        let rng = StdRng::seed_from_u64(seed);
        Memory { nodes: Mutex::default(), faults: Mutex::new((faults, rng)), cost: Mutex::default() }
    }

    pub fn heal(&self) {
        self.faults.lock().unwrap().0 = Faults::default();
    }

    pub fn cost(&self) -> Cost {
        *self.cost.lock().unwrap()
    }

    pub fn nodes(&self) -> usize {
        self.nodes.lock().unwrap().len()
    }

    fn strikes(&self, which: impl Fn(Faults) -> u32) -> bool {
        let (faults, rng) = &mut *self.faults.lock().unwrap();
        let one_in = which(*faults);
        one_in > 0 && rng.random_ratio(1, one_in)
    }
}

pub fn read_units(entries: &[(LaneId, Entry)], prefix: Prefix) -> u64 {
    let bytes: usize = entries.iter().map(|(_, entry)| ITEM_BYTES + entry.node.pack(prefix).len()).sum();
    bytes.div_ceil(4096).max(1) as u64
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
        let level: Vec<_> = lanes.map(|((_, lane), versions)| (*lane, versions.last().unwrap().clone())).collect();
        let mut cost = self.cost.lock().unwrap();
        cost.reads += 1;
        cost.read_units += read_units(&level, prefix);
        Ok(level)
    }

    async fn node(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, Fault> {
        turn().await;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        let stale = self.strikes(|faults| faults.stale);
        let nodes = self.nodes.lock().unwrap();
        let Some(versions) = nodes.get(&(prefix, lane)) else { return Ok(None) };
        // The version before the newest; a root is not taken back to before it was started.
        let back = usize::from(stale && versions.len() > 1);
        let entry = versions[versions.len() - 1 - back].clone();
        self.cost.lock().unwrap().reads += 1;
        Ok(Some(entry))
    }

    async fn swap(&self, lane: LaneId, prefix: Prefix, new: &Entry) -> Result<Swap, Fault> {
        turn().await;
        if self.strikes(|faults| faults.fail) {
            return Err(Fault);
        }
        let mut nodes = self.nodes.lock().unwrap();
        let versions = nodes.entry((prefix, lane)).or_default();
        if versions.last().map_or(0, |entry| entry.version) != new.version {
            return Ok(Swap::Lost(versions.last().cloned()));
        }
        let mut cost = self.cost.lock().unwrap();
        cost.writes += 1;
        cost.write_units += (ITEM_BYTES + new.node.pack(prefix).len()).div_ceil(1024) as u64;
        // What is read is what was packed.
        let node = audit_log::count::trie::Node::unpack(prefix, &new.node.pack(prefix)).unwrap();
        versions.push(Entry { version: new.version + 1, node, state: new.state });
        drop((nodes, cost));
        if self.strikes(|faults| faults.lose) { Err(Fault) } else { Ok(Swap::Done) }
    }
}
