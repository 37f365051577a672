//! What somebody who can write to the table achieves, and what a sealer does about it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Waker};

use audit_log::tree::seal::{Contradiction, Log, MAX_WINDOW, Outcome, Pending, SealError, Storage};
use audit_log::tree::table::Published;
use audit_log::tree::{Checkpoint, Entry, Hash, Note};
use audit_log_testing::tree::{Items, TestKey, TreeFaults, TreeMemory, entry};
use audit_log_testing::trie::{Fault, count_turns};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::Sha256;

use crate::checker::{Checker, Violation};
use crate::racing::{Race, fill, filled, log, seeds, shards};

fn healthy(count: u64) -> TreeMemory {
    filled(count, TreeFaults::default(), 0)
}

/// Seals the events of these numbers, and publishes a checkpoint.
fn seal(
    memory: &TreeMemory,
    log: &Log,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<(Outcome, usize), SealError<Fault>> {
    let mut pending = Pending::new(numbers.into_iter().map(entry));
    let sealing = async {
        log.claim(memory).await?;
        let chain = log.seal(memory, &mut pending).await?;
        log.publish(memory, &chain).await
    };
    let outcome = count_turns(sealing).0?;
    Ok((outcome, pending.added()))
}

/// The log is whole, and each of these events is in it once.
fn check(memory: &TreeMemory, count: u64) {
    let mut checker = Checker::new(log());
    memory.look(|items| checker.look(items));
    assert_eq!(checker.violations, BTreeSet::new());
    let expected: Vec<Entry> = (0..count).map(entry).collect();
    assert_eq!(memory.look(Items::entries), expected);
}

#[test]
fn a_planted_leaf_does_not_keep_an_event_out() {
    // Below the head, in the window, and beyond the end of the log.
    for place in [0, 299, 300, 310, 100_000, u64::MAX] {
        let memory = healthy(300);
        memory.with(|items| items.leaves.insert(entry(305).leaf(), place));
        let (outcome, added) = seal(&memory, &log(), 300..310).unwrap();
        assert!(matches!(outcome, Outcome::Signed(_)), "{place}");
        assert_eq!(added, 10, "{place}");
        check(&memory, 310);
    }
}

#[test]
fn planted_and_moved_leaves_lose_no_event_and_fork_nothing() {
    for seed in seeds(30) {
        let mut rng = StdRng::seed_from_u64(seed);
        let before = [0, 250, 300][rng.random_range(0..3)];
        let memory = filled(before, TreeFaults::default(), seed);
        let shards = shards(&mut rng, before);
        let all: Vec<Entry> = shards.concat();
        let log = log();
        let mut race = Race {
            storage: &memory,
            memory: &memory,
            log: &log,
            rng,
            about: None,
        };
        let violations = race.run(shards, |rng, memory| {
            if !rng.random_ratio(1, 20) {
                return;
            }
            let leaf = all[rng.random_range(0..all.len())].leaf();
            let index = rng.random_range(0..before + 120);
            memory.with(|items| items.leaves.insert(leaf, index));
        });
        let allowed = BTreeSet::from([Violation::Twice, Violation::Incomplete]);
        assert!(
            violations.is_subset(&allowed),
            "seed {seed}: {violations:?}"
        );
        let sealed: BTreeSet<Hash> = memory.look(|items| {
            let entries = items.entries();
            entries.iter().map(Entry::leaf).collect()
        });
        assert!(
            all.iter().all(|entry| sealed.contains(&entry.leaf())),
            "seed {seed}"
        );
    }
}

#[test]
fn a_head_that_is_lowered_or_removed_changes_nothing() {
    for head in [None, Some(0), Some(1), Some(256), Some(300)] {
        let memory = healthy(600);
        memory.with(|items| items.head = head);
        memory.calls();
        let (outcome, added) = seal(&memory, &log(), 590..610).unwrap();
        assert!(matches!(outcome, Outcome::Signed(_)));
        assert_eq!(added, 10);
        check(&memory, 610);
        // The checkpoint shows how far the items are there.
        assert_eq!(memory.calls()["put_leaf"], 10, "{head:?}");
    }
}

#[test]
fn without_head_and_checkpoint_the_whole_log_is_the_window() {
    let memory = healthy(600);
    memory.with(|items| {
        items.head = None;
        items.checkpoint = None;
        items.leaves.clear();
        items.nodes.clear();
    });
    let (_, added) = seal(&memory, &log(), 0..610).unwrap();
    assert_eq!(added, 10);
    check(&memory, 610);
}

#[test]
fn a_window_that_is_too_long_is_written_down_piece_by_piece() {
    let count = MAX_WINDOW + 300;
    let memory = TreeMemory::new();
    let entries: Vec<Entry> = (0..count).map(entry).collect();
    memory.with(|items| {
        let bundles = (0..).step_by(256).zip(entries.chunks(256));
        items.runs = bundles.map(|(at, run)| (at, run.to_vec())).collect();
    });
    let (outcome, added) = seal(&memory, &log(), count - 5..count + 5).unwrap();
    assert_eq!(added, 5);
    let Outcome::Signed(checkpoint) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(checkpoint.size, count + 5);
    assert_eq!(memory.calls()["raise_head"], 2);
    check(&memory, count + 5);
    memory.look(|items| {
        let level_1: Vec<Hash> = (0..256).map(|index| items.nodes[&(1, index)]).collect();
        let level_2 = audit_log::tree::merkle::complete(&level_1).unwrap();
        assert_eq!(items.nodes[&(2, 0)], level_2);
    });
}

#[test]
fn a_head_that_is_raised_stops_the_log() {
    for head in [301, 512, 513, 1 << 20, u64::MAX - 1] {
        let memory = healthy(300);
        memory.with(|items| items.head = Some(head));
        let before = memory.look(Items::clone);
        let error = seal(&memory, &log(), 300..310).unwrap_err();
        assert!(matches!(error, SealError::Broken { .. }), "{error:?}");
        assert_eq!(memory.look(Items::clone), before, "{head}");
    }
}

#[test]
fn a_run_that_was_removed_stops_the_log() {
    let memory = healthy(0);
    for end in [10, 20, 30] {
        fill(&memory, &log(), end - 10..end);
    }
    memory.with(|items| items.runs.remove(&10));
    let error = seal(&memory, &log(), 30..40).unwrap_err();
    assert_eq!(error, SealError::Broken { index: 10 });
}

/// A Query is no snapshot. It may pass a place before a run is put there, and meet the run behind.
#[test]
fn a_hole_is_read_again_before_it_is_one() {
    let mut pauses = 0;
    for seed in 0..120 {
        let turns = seed % 12;
        let memory = filled(0, TreeFaults::default(), seed);
        let log = log();
        let mut pending = Pending::new((500..510).map(entry));
        let mut sealing = Box::pin(log.seal(&memory, &mut pending));
        let context = &mut Context::from_waker(Waker::noop());
        for _ in 0..turns {
            assert!(sealing.as_mut().poll(context).is_pending());
        }
        // Meanwhile, other sealers fill most of the bundle.
        memory.with(|items| {
            for start in (0..240).step_by(10) {
                let run = (start..start + 10).map(entry).collect();
                items.runs.entry(start).or_insert(run);
            }
        });
        assert!(count_turns(sealing).0.is_ok(), "after {turns} turns");
        let mut checker = Checker::new(log);
        memory.look(|items| checker.look(items));
        assert_eq!(checker.violations, BTreeSet::new());
        pauses += memory.calls().get("pause").copied().unwrap_or_default();
    }
    assert!(pauses > 0, "no hole was met");
}

#[test]
fn a_checkpoint_of_another_key_name_or_size_ends_the_signing() {
    let other_key = Log::new("localhost/log".parse().unwrap(), Arc::new(TestKey::new(8)));
    let other_name = Log::new("elsewhere/log".parse().unwrap(), Arc::new(TestKey::new(7)));
    let newest = |log: &Log| {
        let memory = TreeMemory::new();
        fill(&memory, log, 0..300);
        memory.look(|items| items.checkpoint.clone().unwrap())
    };
    let own = newest(&log());
    let larger = Published {
        size: u64::MAX,
        ..own.clone()
    };
    let smaller = Published {
        size: 299,
        ..own.clone()
    };
    let no_note = Published {
        size: 300,
        note: "a note".to_owned(),
    };
    let forged = [
        newest(&other_key),
        newest(&other_name),
        larger,
        smaller,
        no_note,
    ];
    for forged in forged {
        let memory = healthy(300);
        memory.with(|items| items.checkpoint = Some(forged.clone()));
        let (outcome, added) = seal(&memory, &log(), 300..310).unwrap();
        assert_eq!(outcome, Outcome::Contradicted(Contradiction::Forged));
        assert_eq!(added, 10, "events are still sealed");
        memory.look(|items| assert_eq!(items.checkpoint, Some(forged)));
    }
}

#[test]
fn entries_that_have_not_the_signed_root_are_not_signed_again() {
    let rewrite: [fn(&mut Items); 4] = [
        |items| items.runs.get_mut(&256).unwrap()[3] = entry(9_999),
        |items| *items.nodes.get_mut(&(1, 0)).unwrap() = Hash::leaf(b"other"),
        |items| items.nodes.clear(),
        // A checkpoint of this size that the key has signed for other entries.
        |items| {
            let checkpoint = Checkpoint {
                origin: "localhost/log".parse().unwrap(),
                size: 300,
                root: Hash::leaf(b"other"),
            };
            let origin = checkpoint.origin.clone();
            let key = TestKey::new(7);
            let note = Note::sign(checkpoint.to_string(), &origin, &key);
            let note = count_turns(note).0.unwrap().to_string();
            items.checkpoint = Some(Published { size: 300, note });
        },
    ];
    for (number, rewrite) in rewrite.into_iter().enumerate() {
        let memory = healthy(300);
        memory.with(rewrite);
        let before = memory.look(|items| items.checkpoint.clone());
        let (outcome, added) = seal(&memory, &log(), 300..310).unwrap();
        assert_eq!(
            outcome,
            Outcome::Contradicted(Contradiction::Root),
            "{number}"
        );
        assert_eq!(added, 10);
        memory.look(|items| assert_eq!(items.checkpoint, before));
    }
}

#[test]
fn a_hash_that_was_altered_is_never_signed() {
    let memory = healthy(250);
    let log = log();
    let mut pending = Pending::new((250..260).map(entry));
    let chain = count_turns(log.seal(&memory, &mut pending)).0.unwrap();
    let genuine = memory.look(|items| items.nodes[&(1, 0)]);
    memory.with(|items| items.nodes.insert((1, 0), Hash::leaf(b"other")));
    let outcome = count_turns(log.publish(&memory, &chain)).0.unwrap();
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    (0..260).for_each(|number| tree.push(entry(number).to_bytes().to_vec()));
    let Outcome::Signed(checkpoint) = outcome else {
        panic!("{outcome:?}")
    };
    let root = tree.root();
    assert_eq!(
        checkpoint.root.as_bytes().as_slice(),
        root.as_bytes().as_slice()
    );

    // The next sealer finds it, and signs again once it is correct.
    let (outcome, _) = seal(&memory, &log, 260..270).unwrap();
    assert_eq!(outcome, Outcome::Contradicted(Contradiction::Root));
    memory.with(|items| items.nodes.insert((1, 0), genuine));
    let (outcome, _) = seal(&memory, &log, 270..280).unwrap();
    assert!(matches!(outcome, Outcome::Signed(_)));
    check(&memory, 280);
}

#[test]
fn after_a_long_time_without_a_signature_all_is_signed() {
    let memory = healthy(300);
    let signed = memory.look(|items| items.checkpoint.clone());
    let count = 300 + MAX_WINDOW + 700;
    let mut pending = Pending::new((300..count).map(entry));
    let sealed = count_turns(log().seal(&memory, &mut pending)).0.unwrap();
    assert_eq!(sealed.end(), count);
    memory.look(|items| assert_eq!(items.checkpoint, signed));

    let (outcome, _) = seal(&memory, &log(), count..count + 10).unwrap();
    assert!(matches!(outcome, Outcome::Signed(checkpoint) if checkpoint.size == count + 10));
    assert_eq!(memory.calls()["publish"], 2);
    check(&memory, count + 10);
}

#[test]
fn a_log_has_its_first_name_for_ever() {
    let memory = healthy(10);
    let other = Log::new("elsewhere/log".parse().unwrap(), Arc::new(TestKey::new(7)));
    let before = memory.look(Items::clone);
    let error = seal(&memory, &other, 10..20).unwrap_err();
    let SealError::Origin { log, configured } = error else {
        panic!("{error:?}")
    };
    let said = SealError::<String>::Origin { log, configured }.to_string();
    assert!(
        said.contains("set the parameter LogOrigin to localhost/log"),
        "{said}"
    );
    assert_eq!(memory.look(Items::clone), before);
}

#[test]
fn a_key_that_does_not_sign_leaves_the_events_sealed() {
    let key = TestKey::new(7);
    let log = Log::new("localhost/log".parse().unwrap(), Arc::new(key.clone()));
    let memory = TreeMemory::new();
    key.refuse(true);
    let error = seal(&memory, &log, 0..10).unwrap_err();
    assert!(matches!(error, SealError::Sign(_)), "{error:?}");
    assert_eq!(memory.look(|items| items.entries().len()), 10);
    assert_eq!(memory.look(|items| items.checkpoint.clone()), None);

    key.refuse(false);
    let (outcome, added) = seal(&memory, &log, 0..10).unwrap();
    assert!(matches!(outcome, Outcome::Signed(_)));
    assert_eq!(added, 0);
    check(&memory, 10);
}

/// An event that is deleted and put again under its id with other content is a new fact.
#[test]
fn another_content_under_the_same_id_is_sealed_too() {
    let memory = healthy(10);
    let again = Entry {
        commitment: Hash::leaf(b"other"),
        ..entry(3)
    };
    let mut pending = Pending::new([entry(3), again]);
    count_turns(log().seal(&memory, &mut pending)).0.unwrap();
    assert_eq!(memory.look(Items::entries).last(), Some(&again));
    assert_eq!(pending.added(), 1);
    assert_eq!(count_turns(memory.head()).0, Ok(11));
}
