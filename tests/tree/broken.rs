//! The checker of [`racing`](crate::racing) finds what goes wrong with each part of the protocol
//! that is left out.

use std::collections::HashMap;
use std::sync::Mutex;

use audit_log::tree::seal::Storage;
use audit_log::tree::table::{Published, Run};
use audit_log::tree::tile::TilePlace;
use audit_log::tree::{Entry, Hash};
use audit_log_testing::tree::{TreeFaults, TreeMemory};
use audit_log_testing::trie::Fault;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::checker::Violation;
use crate::racing::{Race, filled, log, shards};

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// A run is put whether or not one begins there.
    UnconditionalPut,
    /// What is in the chain from the head on is not looked at.
    NoWindow,
    /// The head is raised before the items below it are put.
    HeadBeforeItems,
}

/// A write that waits for the head.
enum Waiting {
    Leaf(Hash, u64),
    Node(u8, u64, Hash),
}

/// A storage that breaks the protocol.
struct BrokenStorage {
    memory: TreeMemory,
    broken: Broken,
    waiting: Mutex<Vec<Waiting>>,
}

impl Storage for BrokenStorage {
    type Error = Fault;

    async fn origin(&self) -> Result<Option<String>, Fault> {
        self.memory.origin().await
    }

    async fn put_origin(&self, origin: &str) -> Result<bool, Fault> {
        self.memory.put_origin(origin).await
    }

    async fn head(&self) -> Result<u64, Fault> {
        let head = self.memory.head().await?;
        if self.broken == Broken::NoWindow {
            return Ok(self.memory.look(|items| items.entries().len() as u64));
        }
        Ok(head)
    }

    async fn raise_head(&self, size: u64) -> Result<(), Fault> {
        self.memory.raise_head(size).await?;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        for item in waiting {
            match item {
                Waiting::Leaf(leaf, index) => self.memory.put_leaf(&leaf, index).await?,
                Waiting::Node(level, index, hash) => {
                    self.memory.put_node(level, index, &hash).await?;
                }
            }
        }
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Option<Published>, Fault> {
        self.memory.checkpoint().await
    }

    async fn publish(&self, checkpoint: &Published) -> Result<bool, Fault> {
        self.memory.publish(checkpoint).await
    }

    async fn runs(&self, bundle: u64) -> Result<Vec<Run>, Fault> {
        self.memory.runs(bundle).await
    }

    async fn put_run(&self, index: u64, entries: &[Entry]) -> Result<bool, Fault> {
        if self.broken == Broken::UnconditionalPut {
            self.memory.with(|items| items.runs.remove(&index));
        }
        self.memory.put_run(index, entries).await
    }

    async fn leaf_indexes(&self, leaves: &[Hash]) -> Result<HashMap<Hash, u64>, Fault> {
        self.memory.leaf_indexes(leaves).await
    }

    async fn put_leaf(&self, leaf: &Hash, index: u64) -> Result<(), Fault> {
        if self.broken == Broken::HeadBeforeItems {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.push(Waiting::Leaf(*leaf, index));
            return Ok(());
        }
        self.memory.put_leaf(leaf, index).await
    }

    async fn nodes(&self, place: TilePlace) -> Result<Vec<Hash>, Fault> {
        self.memory.nodes(place).await
    }

    async fn put_node(&self, level: u8, index: u64, hash: &Hash) -> Result<(), Fault> {
        if self.broken == Broken::HeadBeforeItems {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.push(Waiting::Node(level, index, *hash));
            return Ok(());
        }
        self.memory.put_node(level, index, hash).await
    }

    async fn pause(&self, time: u32) {
        self.memory.pause(time).await;
    }
}

/// Whether a violation is found in one of some races.
fn finds(broken: Broken, violation: Violation) -> bool {
    (0..30).any(|seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let before = [0, 250][rng.random_range(0..2)];
        let faults = TreeFaults { fail: 60, lose: 30 };
        let storage = BrokenStorage {
            memory: filled(before, faults, seed),
            broken,
            waiting: Mutex::default(),
        };
        let shards = shards(&mut rng, before);
        let log = log();
        let mut race = Race {
            storage: &storage,
            memory: &storage.memory,
            log: &log,
            rng,
            about: Some(violation),
        };
        race.run(shards, |_, _| {}).contains(&violation)
    })
}

#[test]
fn a_put_without_a_condition_rewrites_the_log() {
    assert!(finds(Broken::UnconditionalPut, Violation::Rewritten));
}

#[test]
fn a_sealer_without_a_window_seals_events_twice() {
    assert!(finds(Broken::NoWindow, Violation::Twice));
}

#[test]
fn a_head_before_its_items_is_found_incomplete() {
    assert!(finds(Broken::HeadBeforeItems, Violation::Incomplete));
}
