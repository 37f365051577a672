//! A trie of any size that takes no memory: each node is computed, from a seed, when it is read.
//!
//! A node's count is shared out among its children by seeded weights, so that all nodes fit
//! together and the same node is the same at every reading.

use std::collections::BTreeMap;

use audit_log::count::trie::{
    Digit, Entry, KEY_BYTES, LaneId, MAX_LEAF_KEYS, Node, Prefix, State, Storage, Swap,
};
use audit_log_testing::trie::{Cost, Fault, read_units, turn};

pub struct Implicit {
    lanes: LaneId,
    keys_of_a_lane: u64,
    /// The steps from the root that have keys: each is 49.7 days.
    roots: std::ops::Range<Digit>,
    seed: u64,
    cost: std::sync::Mutex<Cost>,
}

impl Implicit {
    /// `total` keys in `lanes` lanes, over the `days` days up to the end of 2026.
    pub fn new(lanes: LaneId, total: u64, days: u64, seed: u64) -> Implicit {
        let end = 0x019c;
        let first = end - Digit::try_from(days.div_ceil(50)).unwrap();
        Implicit {
            lanes,
            keys_of_a_lane: total / u64::from(lanes),
            roots: first..end,
            seed,
            cost: std::sync::Mutex::default(),
        }
    }

    pub fn cost(&self) -> Cost {
        std::mem::take(&mut self.cost.lock().unwrap())
    }

    /// The steps that ids can take from here (RFC 9562: version 7, variant 10; and the lane is the
    /// last digit).
    fn steps(&self, lane: LaneId, prefix: Prefix) -> Vec<Digit> {
        let lane = Digit::from(lane);
        match prefix.bytes() {
            0 => self.roots.clone().collect(),
            6 => (0x70..=0x7f).collect(),
            8 => (0x80..=0xbf).collect(),
            15 => (0..16).map(|high| high << 4 | lane).collect(),
            _ => (0..=0xff).collect(),
        }
    }

    fn children(&self, lane: LaneId, prefix: Prefix, count: u64) -> BTreeMap<Digit, u64> {
        let steps = self.steps(lane, prefix);
        let weight = |step: &Digit| 50 + self.noise(lane, prefix, *step) % 100;
        let all: u64 = steps.iter().map(weight).sum();
        let share =
            |weights: u64| (u128::from(count) * u128::from(weights) / u128::from(all)) as u64;
        let mut children = BTreeMap::new();
        let mut before = 0;
        for step in steps {
            let until = before + weight(&step);
            if share(until) > share(before) {
                children.insert(step, share(until) - share(before));
            }
            before = until;
        }
        children
    }

    fn noise(&self, lane: LaneId, prefix: Prefix, step: Digit) -> u64 {
        // SplitMix64's finalizer.
        let key = prefix.first() ^ (prefix.first() >> 64);
        let mut bits = key as u64
            ^ self.seed
            ^ u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ u64::from(lane) << 56;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn keys(&self, lane: LaneId, prefix: Prefix, count: u64, keys: &mut Vec<u128>) {
        if prefix.bytes() == KEY_BYTES {
            keys.push(prefix.first());
            return;
        }
        for (step, count) in self.children(lane, prefix, count) {
            self.keys(lane, prefix.child(step), count, keys);
        }
    }

    /// The node at `prefix`, if the lane has one: not below a leaf.
    fn at(&self, lane: LaneId, prefix: Prefix) -> Option<Node> {
        let mut count = self.keys_of_a_lane;
        let mut at = Prefix::ROOT;
        let path: Vec<Prefix> = Prefix::path(prefix.first())
            .take_while(|step| step.bytes() <= prefix.bytes())
            .collect();
        for child in path {
            if count <= MAX_LEAF_KEYS as u64 {
                return None;
            }
            count = self
                .children(lane, at, count)
                .get(&at.digit(child.first()))
                .copied()?;
            at = child;
        }
        if count <= MAX_LEAF_KEYS as u64 {
            let mut keys = Vec::new();
            self.keys(lane, prefix, count, &mut keys);
            return Some(Node::Leaf(keys));
        }
        let counts = self.children(lane, prefix, count);
        Some(Node::Inner {
            greatest: prefix.last(),
            counts,
        })
    }
}

impl Storage for Implicit {
    type Error = Fault;

    async fn level(&self, prefix: Prefix) -> Result<Vec<(LaneId, Entry)>, Fault> {
        turn().await;
        let entry = |node| Entry {
            version: 1,
            node,
            state: Some(State::Ready),
        };
        let level: Vec<_> = (0..self.lanes)
            .filter_map(|lane| Some((lane, entry(self.at(lane, prefix)?))))
            .collect();
        let mut cost = self.cost.lock().unwrap();
        cost.reads += 1;
        cost.read_units += read_units(&level, prefix);
        Ok(level)
    }

    async fn node(&self, _: LaneId, _: Prefix) -> Result<Option<Entry>, Fault> {
        unreachable!("readers read levels")
    }

    async fn swap(&self, _: LaneId, _: Prefix, _: &Entry) -> Result<Swap, Fault> {
        unreachable!("readers do not write")
    }
}
