//! Whatever happens on the way, in the end every total and every rank is that of a sorted list.

use std::cell::RefCell;
use std::collections::BTreeSet;

use audit_log::count::trie::{LaneId, Node, Prefix, Storage, Trie, Tries};
use audit_log_testing::trie::{Fault, Faults, Memory, count_turns, race};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

pub(crate) const LANES: LaneId = 3;

/// How many seeds are tried: as many as fit into a test, or `PROPTEST_CASES`.
pub(crate) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(32)
}

/// 2024-01-01T00:00:00Z in an id's first 48 bits.
const START: u128 = 0x018c_c251_f400 << 80;

/// Keys as ids are: steady ones, bursts within a millisecond, and historic ones.
pub(crate) fn keys(rng: &mut StdRng, count: usize) -> Vec<u128> {
    let mut keys = BTreeSet::new();
    let mut millis = 0_u128;
    while keys.len() < count {
        match rng.random_range(0..10) {
            0 => millis += rng.random_range(1..100_000),
            1 => {
                keys.insert(
                    u128::from(rng.random::<u64>() >> 18) << 80 | u128::from(rng.random::<u64>()),
                );
            }
            2 => {
                for _ in 0..rng.random_range(1..400) {
                    keys.insert(START + (millis << 80) + u128::from(rng.random::<u64>()));
                }
            }
            _ => {
                millis += rng.random_range(0..300);
                keys.insert(START + (millis << 80) + u128::from(rng.random::<u64>()));
            }
        }
    }
    keys.into_iter().collect()
}

pub(crate) fn lane_of(key: u128) -> LaneId {
    (key % u128::from(LANES)) as LaneId
}

/// The keys cut into batches, some of them twice, in any order.
fn batches(rng: &mut StdRng, keys: &[u128]) -> Vec<(LaneId, Vec<u128>)> {
    let mut batches = Vec::new();
    for lane in 0..LANES {
        let mut keys: Vec<u128> = keys
            .iter()
            .copied()
            .filter(|key| lane_of(*key) == lane)
            .collect();
        for _ in 0..2 {
            if rng.random() {
                keys.shuffle(rng);
            }
            let mut rest = keys.as_slice();
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(rng.random_range(1..=rest.len().min(120)));
                batches.push((lane, batch.to_vec()));
                rest = after;
            }
        }
    }
    batches.shuffle(rng);
    batches
}

/// Adds the keys of one of three appliers, which are numbered from 1, batch by batch. `begun` gets
/// what may be there, and `there` what certainly is.
pub(super) async fn add_third(
    storage: &Memory,
    arriving: &[u128],
    applier: usize,
    begun: &RefCell<Vec<u128>>,
    there: &RefCell<Vec<u128>>,
) {
    for keys in arriving.chunks(9).skip(applier - 1).step_by(3) {
        for lane in 0..LANES {
            let of_lane = keys.iter().copied().filter(|key| lane_of(*key) == lane);
            let keys: Vec<u128> = of_lane.collect();
            begun.borrow_mut().extend(&keys);
            Trie::new(storage, lane).apply(&keys).await.unwrap();
            there.borrow_mut().extend(&keys);
        }
    }
}

pub(crate) async fn roots(storage: &impl Storage<Error = Fault>) -> Vec<(LaneId, Node)> {
    let level = storage.level(Prefix::ROOT).await.unwrap();
    level
        .into_iter()
        .map(|(lane, entry)| (lane, entry.node))
        .collect()
}

/// Compares every total, rank, range and selection with the sorted list's.
async fn check(storage: &Memory, sorted: &[u128]) {
    let roots = roots(storage).await;
    let total = Tries::new(storage, &roots).rank(u128::MAX).await.unwrap();
    assert_eq!(total, sorted.len() as u64);
    let all = Tries::new(storage, &roots)
        .path_to(u128::MAX)
        .await
        .unwrap();
    assert_eq!(all.count(), total);
    assert_eq!(all.select(storage, total).await.unwrap(), None);
    for (position, key) in sorted.iter().enumerate() {
        let position = position as u64;
        assert_eq!(
            Tries::new(storage, &roots).rank(*key).await.unwrap(),
            position,
            "{key:032x}"
        );
        if !position.is_multiple_of(4) {
            continue;
        }
        assert_eq!(
            all.select(storage, total - 1 - position).await.unwrap(),
            Some(*key),
            "{position}"
        );
        let end = sorted[(sorted.len() + position as usize) / 2];
        let within = sorted.partition_point(|other| *other < end) as u64 - position;
        assert_eq!(
            Tries::new(storage, &roots).count(*key, end).await.unwrap(),
            within,
            "{key:032x} to {end:032x}"
        );
        let before = Tries::new(storage, &roots).path_to(end).await.unwrap();
        assert_eq!(before.count(), position + within, "before {end:032x}");
        if within > 0 {
            let found = before.select(storage, within - 1).await.unwrap();
            assert_eq!(found, Some(*key), "{within} before {end:032x}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Appliers race on one storage; batches come twice, in any order and cut anyhow; operations
    /// fail before and after they are done; reads are stale; appliers die and start again.
    #[test]
    fn every_order_of_every_delivery_ends_in_the_same_counts(seed: u64, appliers in 1..6_usize, count in 1..1500_usize) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let sorted = keys(rng, count);
        let batches = batches(rng, &sorted);
        let storage = Memory::with_faults(Faults { fail: 40, lose: 40, stale: 10, slow: 0 }, seed);
        let open = RefCell::new((0..batches.len()).collect::<BTreeSet<usize>>());
        race(appliers, 200, rng, |applier| {
            let (storage, batches, open) = (&storage, &batches, &open);
            Box::pin(async move {
                for (number, (lane, batch)) in batches.iter().enumerate().skip(applier).step_by(appliers) {
                    if !open.borrow().contains(&number) {
                        continue;
                    }
                    // Until it is delivered, as a stream does.
                    while !matches!(Trie::new(storage, *lane).apply(batch).await, Ok(Some(_))) {
                        let _ = Trie::new(storage, *lane).start(0).await;
                    }
                    open.borrow_mut().remove(&number);
                }
            })
        });
        assert!(open.borrow().is_empty());
        storage.heal();
        count_turns(check(&storage, &sorted));
    }

    /// What is added below a range meanwhile does not change the count of the range.
    #[test]
    fn a_range_does_not_flicker_while_older_keys_arrive(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        // Enough for nodes on three levels, on either side of the range's begin.
        let all = keys(rng, 3000);
        let from = all.len() / 2;
        let (first, held) = (all[from], &all[from..]);
        let arriving: Vec<u128> = all[..from].to_vec();
        // What is read together is not read at the same moment.
        let storage = &Memory::with_faults(Faults { slow: 2, ..Faults::default() }, seed);
        count_turns(async {
            Trie::new(storage, 0).start(0).await.unwrap();
            Trie::new(storage, 0).apply(held).await.unwrap();
        });
        let arriving = &arriving;
        race(3, u32::MAX, rng, |task| Box::pin(async move {
            if task == 0 {
                for _ in 0..40 {
                    let roots = roots(storage).await;
                    let counted = Tries::new(storage, &roots).count(first, u128::MAX).await.unwrap();
                    assert_eq!(counted, held.len() as u64);
                }
            } else {
                for keys in arriving.chunks(9).skip(task - 1).step_by(2) {
                    Trie::new(storage, 0).apply(keys).await.unwrap();
                }
            }
        }));
    }

    /// A page by number shows no event twice and leaves none out, whatever comes late meanwhile:
    /// the key at a rank had it at some moment while it was looked for.
    #[test]
    fn a_key_had_its_rank_at_some_moment_while_it_was_selected(seed: u64, late in 0..3_usize) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let all = keys(rng, 3000);
        let end = all[all.len() * 3 / 4];
        let (mut old, mut arriving) = (Vec::new(), Vec::new());
        for (position, key) in all.iter().enumerate() {
            // In the last case all that arrives is older than what is asked for.
            let is_late = if late == 2 { position < all.len() / 3 } else { position % 3 > late };
            if is_late { arriving.push(*key) } else { old.push(*key) }
        }
        arriving.shuffle(rng);
        let storage = &Memory::with_faults(Faults { slow: 2, ..Faults::default() }, seed);
        for lane in 0..LANES {
            count_turns(async {
                Trie::new(storage, lane).start(0).await.unwrap();
                let keys: Vec<u128> = old.iter().copied().filter(|key| lane_of(*key) == lane).collect();
                Trie::new(storage, lane).apply(&keys).await.unwrap();
            });
        }
        // What certainly is there, and what may be.
        let (there, begun) = (RefCell::new(old.clone()), RefCell::new(old.clone()));
        let newer = |keys: &[u128], than: u128| keys.iter().filter(|key| (than + 1..end).contains(*key)).count() as u64;
        let (there, begun, arriving, newer) = (&there, &begun, &arriving, &newer);
        let newest = newer(&old, 0);
        race(4, u32::MAX, rng, |task| Box::pin(async move {
            if task == 0 {
                for part in 0..40 {
                    let rank = newest * (part % 20) / if late == 2 { 40 } else { 20 };
                    let before_it = there.borrow().clone();
                    let roots = roots(storage).await;
                    let key = Tries::new(storage, &roots).path_to(end).await.unwrap().select(storage, rank).await.unwrap();
                    let key = key.unwrap();
                    let (least, most) = (newer(&before_it, key), newer(&begun.borrow(), key));
                    assert!((least..=most).contains(&rank), "{key:032x} has {least} to {most} before it, not {rank}");
                }
            } else {
                add_third(storage, arriving, task, begun, there).await;
            }
        }));
    }

    /// While keys are added, a reader never sees more than there are, nor fewer of the old ones
    /// than were delivered.
    #[test]
    fn a_reader_in_the_midst_of_it_counts_what_was_delivered_before(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (older, newer) = (keys(rng, 300), keys(rng, 300));
        let bound = START;
        let old: Vec<u128> = older.into_iter().map(|key| key % bound).collect::<BTreeSet<_>>().into_iter().collect();
        let new: Vec<u128> = newer.into_iter().filter(|key| *key >= bound).collect();
        let storage = &Memory::new();
        for lane in 0..LANES {
            count_turns(async {
                Trie::new(storage, lane).start(0).await.unwrap();
                let keys: Vec<u128> = old.iter().copied().filter(|key| lane_of(*key) == lane).collect();
                Trie::new(storage, lane).apply(&keys).await.unwrap();
                Trie::new(storage, lane).finish(0).await.unwrap();
            });
        }
        let batches = &batches(rng, &new);
        let old = &old;
        race(4, u32::MAX, rng, |task| Box::pin(async move {
            if task == 0 {
                for position in (0..old.len()).step_by(7) {
                    let roots = roots(storage).await;
                    assert_eq!(Tries::new(storage, &roots).count(old[position], bound).await.unwrap(), (old.len() - position) as u64);
                    assert_eq!(Tries::new(storage, &roots).rank(bound).await.unwrap(), old.len() as u64);
                    let before = Tries::new(storage, &roots).path_to(bound).await.unwrap();
                    let rank = old.len() - 1 - position;
                    assert_eq!(before.select(storage, rank as u64).await.unwrap(), Some(old[position]));
                }
            } else {
                for (lane, batch) in batches.iter().skip(task - 1).step_by(3) {
                    Trie::new(storage, *lane).apply(batch).await.unwrap();
                }
            }
        }));
        let sorted: Vec<u128> = old.iter().chain(&new).copied().collect::<BTreeSet<_>>().into_iter().collect();
        count_turns(check(storage, &sorted));
    }
}

#[test]
fn a_lane_that_was_not_started_takes_nothing() {
    let storage = Memory::new();
    assert_eq!(count_turns(Trie::new(&storage, 0).apply(&[1])).0, Ok(None));
    assert_eq!(storage.nodes(), 0);
}

#[test]
fn keys_that_share_fourteen_bytes_are_told_apart_by_the_last() {
    let storage = Memory::new();
    count_turns(async {
        Trie::new(&storage, 0).start(0).await.unwrap();
        // All within one millisecond and one fraction of it: only the last two bytes differ.
        let keys: Vec<u128> = (0..20_000).map(|low| START + low * 3).collect();
        Trie::new(&storage, 0).apply(&keys).await.unwrap();
        let roots = roots(&storage).await;
        assert_eq!(
            Tries::new(&storage, &roots).rank(START + 3 * 777).await,
            Ok(777)
        );
        let before = Tries::new(&storage, &roots)
            .path_to(u128::MAX)
            .await
            .unwrap();
        assert_eq!(
            before.select(&storage, 777).await,
            Ok(Some(START + 3 * (19_999 - 777)))
        );
    });
}
