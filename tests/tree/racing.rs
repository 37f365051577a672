//! Sealers at the same time, each turn a random one of them: killed anywhere, left running when
//! they were thought dead, with answers lost, and batches cut and delivered again.

use std::collections::BTreeSet;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use audit_log::tree::Entry;
use audit_log::tree::seal::{Log, Outcome, Pending, Storage};
use audit_log_testing::tree::{Items, TestKey, TreeFaults, TreeMemory, entry};
use audit_log_testing::trie::{Fault, count_turns};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::checker::{Checker, Violation};

/// How many seeds are tried: as many as fit into a test, or `AUDIT_LOG_SEAL_SEEDS`.
pub fn seeds(default: u64) -> Range<u64> {
    let seeds = std::env::var("AUDIT_LOG_SEAL_SEEDS").ok();
    0..seeds
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(default)
}

pub fn log() -> Log {
    Log::new("localhost/log".parse().unwrap(), Arc::new(TestKey::new(7)))
}

/// What became of a delivery: the number of events after which it must be delivered again, or
/// `None` if all are sealed.
type Delivered = Option<usize>;

/// Delivers a batch as the function does, which may be stopped after some turns.
async fn deliver<S: Storage>(storage: &S, log: &Log, events: Vec<Entry>, turns: u32) -> Delivered {
    let mut pending = Pending::new(events.iter().copied());
    let sealing = async {
        log.claim(storage).await.ok()?;
        let chain = log.seal(storage, &mut pending).await.ok()?;
        log.publish(storage, &chain).await.ok()
    };
    match stop_after(turns, sealing).await {
        Some(Some(Outcome::Signed(_) | Outcome::Covered)) => None,
        _ => {
            let missing = events.iter().position(|event| pending.contains(event));
            Some(missing.unwrap_or_default())
        }
    }
}

/// Runs a future for some turns, and drops it then.
async fn stop_after<T>(mut turns: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if turns == 0 => Poll::Ready(None),
        Poll::Pending => {
            turns -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A part of the stream: the events that are not acknowledged, and the delivery of some.
struct Shard<'a> {
    events: Vec<Entry>,
    delivered: usize,
    delivery: Pin<Box<dyn Future<Output = Delivered> + 'a>>,
}

/// A race, and what surrounds it.
pub struct Race<'a, S> {
    pub storage: &'a S,
    /// The storage below `storage`.
    pub memory: &'a TreeMemory,
    pub log: &'a Log,
    pub rng: StdRng,
    /// What the race is about: it ends when this does not hold.
    pub about: Option<Violation>,
}

/// A race that takes longer than this does not come to an end.
const MOST_STEPS: u32 = 200_000;
/// The same for a race that is about one violation, after which nothing may be sealed any more.
const STEPS_TO_VIOLATION: u32 = 5_000;

impl<'a, S: Storage> Race<'a, S> {
    /// Seals the events of some shards to the end, and gives what did not hold on the way.
    pub fn run(
        &mut self,
        shards: Vec<Vec<Entry>>,
        mut disturb: impl FnMut(&mut StdRng, &TreeMemory),
    ) -> BTreeSet<Violation> {
        let mut checker = Checker::new(self.log.clone());
        self.memory.look(|items| checker.look(items));
        let mut seen = self.memory.changes();
        let mut running: Vec<Shard<'a>> = Vec::new();
        for events in shards {
            let mut shard = Shard {
                events,
                delivered: 0,
                delivery: Box::pin(std::future::ready(None)),
            };
            self.deliver(&mut shard);
            running.push(shard);
        }
        let mut zombies: Vec<Pin<Box<dyn Future<Output = Delivered> + 'a>>> = Vec::new();
        let mut steps = 0;
        while !running.is_empty() {
            steps += 1;
            if let Some(about) = self.about {
                if checker.violations.contains(&about) || steps == STEPS_TO_VIOLATION {
                    return checker.violations;
                }
            } else if steps == MOST_STEPS {
                checker.violations.insert(Violation::Lost);
                return checker.violations;
            }
            let at = self.rng.random_range(0..running.len() + zombies.len());
            if at >= running.len() {
                let zombie = at - running.len();
                if poll(&mut zombies[zombie]).is_some() {
                    drop(zombies.swap_remove(zombie));
                }
            } else if self.rng.random_ratio(1, 200) {
                // The function is stopped, or only thought to be. Its batch is delivered again.
                let shard = &mut running[at];
                let left =
                    std::mem::replace(&mut shard.delivery, Box::pin(std::future::ready(None)));
                if self.rng.random() {
                    zombies.push(left);
                }
                self.deliver(shard);
            } else if let Some(delivered) = poll(&mut running[at].delivery) {
                self.memory.look(|items| checker.look(items));
                let shard = &mut running[at];
                let count = delivered.unwrap_or(shard.delivered);
                for event in shard.events.drain(..count) {
                    if delivered.is_none() {
                        checker.acknowledged(&event);
                    }
                }
                if shard.events.is_empty() {
                    drop(running.swap_remove(at));
                } else {
                    self.deliver(shard);
                }
            }
            disturb(&mut self.rng, self.memory);
            if self.memory.changes() != seen {
                self.memory.look(|items| checker.look(items));
                seen = self.memory.changes();
            }
        }
        checker.violations
    }

    /// Delivers the next events of a shard, as many as there happen to be.
    fn deliver(&mut self, shard: &mut Shard<'a>) {
        let most = shard.events.len().min(40);
        shard.delivered = self.rng.random_range(1..=most);
        let events = shard.events[..shard.delivered].to_vec();
        let turns = if self.rng.random_ratio(1, 5) {
            self.rng.random_range(0..200)
        } else {
            u32::MAX
        };
        shard.delivery = Box::pin(deliver(self.storage, self.log, events, turns));
    }
}

fn poll(future: &mut Pin<Box<dyn Future<Output = Delivered> + '_>>) -> Option<Delivered> {
    let context = &mut Context::from_waker(Waker::noop());
    match future.as_mut().poll(context) {
        Poll::Ready(delivered) => Some(delivered),
        Poll::Pending => None,
    }
}

/// A storage with this many events in it, which fails as the seed says from then on.
pub fn filled(count: u64, faults: TreeFaults, seed: u64) -> TreeMemory {
    let memory = TreeMemory::with_faults(faults, seed);
    let healthy = TreeMemory::new();
    fill(&healthy, &log(), 0..count);
    memory.with(|items| *items = healthy.look(Items::clone));
    memory
}

/// Seals the events of these numbers alone.
pub fn fill<S: Storage<Error = Fault>>(storage: &S, log: &Log, numbers: Range<u64>) {
    let mut pending = Pending::new(numbers.map(entry));
    if pending.is_empty() {
        return;
    }
    count_turns(async {
        log.claim(storage).await.unwrap();
        let chain = log.seal(storage, &mut pending).await.unwrap();
        log.publish(storage, &chain).await.unwrap();
    });
}

/// The events of 1 to 4 shards. Some are in two: a backfill seals what the stream brings, too.
pub fn shards(rng: &mut StdRng, before: u64) -> Vec<Vec<Entry>> {
    let count = rng.random_range(1..=4);
    let mut shards = vec![Vec::new(); count];
    for number in before..before + rng.random_range(1..100) {
        for _ in 0..rng.random_range(1..=2) {
            shards[rng.random_range(0..count)].push(entry(number));
        }
    }
    // Events from before are delivered again.
    for number in (0..before).rev().take(5) {
        shards[rng.random_range(0..count)].push(entry(number));
    }
    shards.retain(|shard| !shard.is_empty());
    shards
}

#[test]
fn sealers_that_race_and_die_seal_each_event_once() {
    for seed in seeds(60) {
        let mut rng = StdRng::seed_from_u64(seed);
        let faults = TreeFaults { fail: 60, lose: 30 };
        let before = [0, 1, 200, 250, 255, 256, 500][rng.random_range(0..7)];
        let memory = filled(before, faults, seed);
        let shards = shards(&mut rng, before);
        let mut all: Vec<Entry> = (0..before).map(entry).collect();
        all.extend(shards.iter().flatten());
        let log = log();
        let mut race = Race {
            storage: &memory,
            memory: &memory,
            log: &log,
            rng,
            about: None,
        };
        let violations = race.run(shards, |_, _| {});
        assert_eq!(violations, BTreeSet::new(), "seed {seed}");
        let sealed: BTreeSet<[u8; 49]> =
            memory.look(|items| items.entries().iter().map(Entry::to_bytes).collect());
        let expected: BTreeSet<[u8; 49]> = all.iter().map(Entry::to_bytes).collect();
        assert_eq!(sealed, expected, "seed {seed}");
    }
}
