//! Many intervals, counted in one descent: as a sorted list counts them, whatever is added
//! meanwhile, and each node is read once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use audit_log::count::trie::{Entry, LaneId, Prefix, Storage, Swap, Trie, Tries};
use audit_log_testing::read_file;
use audit_log_testing::trie::{Fault, Faults, Memory, count_turns, race};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::convergence::{LANES, add_third, cases, keys, lane_of, roots};
use crate::implicit::Implicit;

/// A storage that notes how often each level was read.
struct Noted<S> {
    storage: S,
    reads: Mutex<BTreeMap<Prefix, u32>>,
}

impl<S> Noted<S> {
    fn new(storage: S) -> Noted<S> {
        Noted {
            storage,
            reads: Mutex::default(),
        }
    }

    fn reads(&self) -> Vec<u32> {
        self.reads.lock().unwrap().values().copied().collect()
    }
}

impl<S: Storage> Storage for Noted<S> {
    type Error = S::Error;

    async fn level(&self, prefix: Prefix) -> Result<Vec<(LaneId, Entry)>, S::Error> {
        *self.reads.lock().unwrap().entry(prefix).or_default() += 1;
        self.storage.level(prefix).await
    }

    async fn node(&self, lane: LaneId, prefix: Prefix) -> Result<Option<Entry>, S::Error> {
        self.storage.node(lane, prefix).await
    }

    async fn swap(&self, lane: LaneId, prefix: Prefix, entry: &Entry) -> Result<Swap, S::Error> {
        self.storage.swap(lane, prefix, entry).await
    }
}

/// Starts every trie and adds these keys.
async fn fill(storage: &impl Storage<Error = Fault>, keys: &[u128]) {
    for lane in 0..LANES {
        let of_lane = keys.iter().copied().filter(|key| lane_of(*key) == lane);
        let of_lane: Vec<u128> = of_lane.collect();
        Trie::new(storage, lane).start(0).await.unwrap();
        Trie::new(storage, lane).apply(&of_lane).await.unwrap();
    }
}

/// Intervals between borders near the keys: some touch, and some have a gap between them.
fn intervals(rng: &mut StdRng, keys: &[u128]) -> Vec<Range<u128>> {
    let mut borders: Vec<u128> = Vec::new();
    for _ in 0..rng.random_range(2..120) {
        let key = keys[rng.random_range(0..keys.len())];
        borders.push(match rng.random_range(0..5) {
            0 => key,
            1 => key + 1,
            // Where a node begins.
            2 => key >> 88 << 88,
            3 => key >> 72 << 72,
            _ => key.saturating_add(u128::from(rng.random::<u64>()) << 16),
        });
    }
    if rng.random() {
        borders.push(0);
        borders.push(u128::MAX);
    }
    borders.sort_unstable();
    borders.dedup();
    let pairs = borders.windows(2).map(|pair| pair[0]..pair[1]);
    pairs.filter(|_| rng.random_range(0..6) > 0).collect()
}

fn counted(intervals: &[Range<u128>], keys: &[u128]) -> Vec<u64> {
    let within = |interval: &Range<u128>| keys.iter().filter(|key| interval.contains(key)).count();
    intervals
        .iter()
        .map(|interval| within(interval) as u64)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_count_what_a_sorted_list_has_in_them(seed: u64, count in 1..3000_usize) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let sorted = keys(rng, count);
        let storage = Noted::new(Memory::new());
        count_turns(fill(&storage, &sorted));
        let roots = count_turns(roots(&storage)).0;
        for _ in 0..5 {
            let intervals = intervals(rng, &sorted);
            storage.reads.lock().unwrap().clear();
            let found = count_turns(Tries::new(&storage, &roots).count_each(&intervals)).0;
            prop_assert_eq!(found.unwrap(), counted(&intervals, &sorted));
            prop_assert!(storage.reads().iter().all(|reads| *reads == 1));
        }
    }

    /// Never above what there is at the end, never below what was delivered at the beginning, and
    /// what is not touched does not change.
    #[test]
    fn intervals_stay_within_the_truth_while_keys_are_added(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut all = keys(rng, 3000);
        let quiet = all[all.len() / 3]..all[all.len() / 2];
        all.shuffle(rng);
        let is_old = |position: usize, key: u128| position.is_multiple_of(3) || quiet.contains(&key);
        let positions = all.iter().copied().enumerate();
        let (old, arriving): (Vec<_>, Vec<_>) = positions.partition(|(position, key)| is_old(*position, *key));
        let [old, arriving] = [old, arriving].map(|keys| keys.into_iter().map(|(_, key)| key).collect::<Vec<u128>>());
        let many: Vec<Vec<Range<u128>>> = (0..30).map(|_| intervals(rng, &all)).collect();
        let storage = &Memory::with_faults(Faults { slow: 2, ..Faults::default() }, seed);
        count_turns(fill(storage, &old));
        let (there, begun) = (RefCell::new(old.clone()), RefCell::new(old));
        let (there, begun, arriving, many, quiet) = (&there, &begun, &arriving, &many, &quiet);
        race(4, u32::MAX, rng, |task| Box::pin(async move {
            if task == 0 {
                for intervals in many {
                    let delivered = there.borrow().clone();
                    let roots = roots(storage).await;
                    let found = Tries::new(storage, &roots).count_each(intervals).await.unwrap();
                    let least = counted(intervals, &delivered);
                    let most = counted(intervals, &begun.borrow());
                    for ((interval, found), (least, most)) in intervals.iter().zip(found).zip(least.into_iter().zip(most)) {
                        assert!((least..=most).contains(&found), "{found}, not {least} to {most}");
                        let is_quiet = quiet.start <= interval.start && interval.end <= quiet.end;
                        assert!(!is_quiet || least == most);
                    }
                }
            } else {
                add_third(storage, arriving, task, begun, there).await;
            }
        }));
    }
}

#[test]
fn intervals_after_the_newest_key_cost_no_read() {
    let rng = &mut StdRng::seed_from_u64(1);
    let sorted = keys(rng, 3000);
    let newest = sorted[sorted.len() - 1];
    let storage = Noted::new(Memory::new());
    count_turns(fill(&storage, &sorted));
    let roots = count_turns(roots(&storage)).0;
    storage.reads.lock().unwrap().clear();
    let after = [newest + 1..newest + 2, newest + 2..newest + 1000];
    let found = count_turns(Tries::new(&storage, &roots).count_each(&after)).0;
    assert_eq!(found.unwrap(), [0, 0]);
    assert!(storage.reads().is_empty());
}

/// The tries' part of a histogram: without the read of the roots. The table is that of
/// benches/results/reading.md.
#[test]
fn sixty_buckets_of_a_million_events_read_each_node_once() {
    let documented = read_file("benches/results/reading.md");
    println!(
        "| events | days | shards | calls | round trips | read units |\n|---|---|---|---|---|---|"
    );
    for (total, days, lanes) in [
        (100_000, 30, 2),
        (1_000_000, 1, 2),
        (1_000_000, 30, 2),
        (1_000_000, 365, 2),
        (1_000_000, 365, 4),
        (1_000_000, 3650, 1),
        (100_000_000, 365, 4),
    ] {
        let storage = Noted::new(Implicit::new(lanes, total, days, 7));
        let roots: Vec<_> = count_turns(storage.storage.level(Prefix::ROOT)).0.unwrap();
        let roots: Vec<_> = roots
            .into_iter()
            .map(|(lane, entry)| (lane, entry.node))
            .collect();
        let all = count_turns(Tries::new(&storage.storage, &roots).path_to(u128::MAX))
            .0
            .unwrap();
        let oldest = count_turns(all.select(&storage.storage, total - 1))
            .0
            .unwrap()
            .unwrap();
        let newest = count_turns(all.select(&storage.storage, 0))
            .0
            .unwrap()
            .unwrap();
        let border = |part: u128| oldest + (newest + 1 - oldest) * part / 60;
        let buckets: Vec<_> = (0..60).map(|part| border(part)..border(part + 1)).collect();

        storage.storage.cost();
        let (counts, rounds) = count_turns(Tries::new(&storage, &roots).count_each(&buckets));
        let units = storage.storage.cost().read_units;
        assert_eq!(counts.unwrap().iter().sum::<u64>(), total);
        let reads = storage.reads();
        assert!(reads.iter().all(|reads| *reads == 1));
        let levels = reads.len();
        let row = format!("| {total} | {days} | {lanes} | {levels} | {rounds} | {units} |");
        println!("{row}");
        assert!(
            documented.contains(&row),
            "reading.md has another row: {row}"
        );
        if total <= 1_000_000 && lanes <= 2 {
            assert!(
                rounds <= 10 && units <= 198,
                "{rounds} rounds, {units} units"
            );
        }
    }
}
