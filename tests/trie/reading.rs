//! What rank and select cost, from a thousand events to a billion: by the trie's own code, on an
//! implicit log.

use audit_log::count::trie::{LaneId, Node, Prefix, Storage, Tries};
use audit_log_testing::trie::{Cost, count_turns};

use crate::implicit::Implicit;

/// Rounds (reads that wait for reads before them) and read units.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Reading {
    rounds: u32,
    units: u64,
}

impl Reading {
    fn of<T>(store: &Implicit, future: impl Future<Output = T>) -> (T, Reading) {
        store.cost();
        let (output, rounds) = count_turns(future);
        let Cost { read_units, .. } = store.cost();
        (
            output,
            Reading {
                rounds,
                units: read_units,
            },
        )
    }

    fn most(self, other: Reading) -> Reading {
        Reading {
            rounds: self.rounds.max(other.rounds),
            units: self.units.max(other.units),
        }
    }
}

/// The most that reading the roots, the rank of a key or the way to it, and the key at a rank cost,
/// over many places in the log.
fn measure(store: &Implicit, total: u64) -> (Reading, Reading, Reading) {
    let (level, root) = Reading::of(store, store.level(Prefix::ROOT));
    let roots: Vec<(LaneId, Node)> = level
        .unwrap()
        .into_iter()
        .map(|(lane, entry)| (lane, entry.node))
        .collect();
    let (mut ranked, mut selected) = (Reading::default(), Reading::default());
    let all = count_turns(Tries::new(store, &roots).path_to(u128::MAX))
        .0
        .unwrap();
    for part in 0..8 {
        let position = (total - 1) * part / 7;
        let (key, reading) = Reading::of(store, all.select(store, total - 1 - position));
        let key = key.unwrap().unwrap();
        selected = selected.most(reading);
        let (found, reading) = Reading::of(store, Tries::new(store, &roots).rank(key));
        assert_eq!(found, Ok(position), "the rank of the key at {position}");
        ranked = ranked.most(reading);
        let (before, reading) = Reading::of(store, Tries::new(store, &roots).path_to(key));
        let before = before.unwrap();
        assert_eq!(before.count(), position);
        ranked = ranked.most(reading);
        let (found, reading) = Reading::of(store, before.select(store, position / 2));
        let expected = position
            .checked_sub(1 + position / 2)
            .map(|position| total - 1 - position);
        let expected = expected.and_then(|rank| count_turns(all.select(store, rank)).0.unwrap());
        assert_eq!(
            found,
            Ok(expected),
            "at {} before the key at {position}",
            position / 2
        );
        selected = selected.most(reading);
    }
    (root, ranked, selected)
}

#[test]
fn a_billion_events_cost_what_ten_thousand_cost() {
    println!("| events | days | lanes | root | rank | select |\n|---|---|---|---|---|---|");
    let mut small = 0;
    for (total, days, lanes) in [
        (1_000, 30, 4),
        (10_000, 30, 4),
        (100_000, 365, 4),
        (1_000_000, 365, 4),
        (10_000_000, 3650, 4),
        (100_000_000, 3650, 4),
        (1_000_000_000, 3650, 4),
        (1_000_000_000, 365, 16),
        (1_000_000_000, 50, 16),
        (1_000_000_000, 3650, 1),
    ] {
        let store = Implicit::new(lanes, total, days, 7);
        let (root, ranked, selected) = measure(&store, total);
        let show = |reading: Reading| format!("{} rounds, {} units", reading.rounds, reading.units);
        println!(
            "| {total} | {days} | {lanes} | {} | {} | {} |",
            show(root),
            show(ranked),
            show(selected)
        );
        // Page 1 waits for the roots and a rank; another page for the roots, two ranks side by
        // side, a selection, and at most two rounds for its events (keys, then events, of a user).
        assert!(root.rounds + ranked.rounds <= 3, "{ranked:?}");
        assert!(
            root.rounds + ranked.rounds + selected.rounds + 2 <= 9,
            "{ranked:?} {selected:?}"
        );
        // Besides, every page by number reads each shard at the live window and for its events, a
        // unit each.
        let page = root.units + ranked.units + selected.units + 2 * u64::from(lanes);
        if lanes == 4 && total >= 10_000 {
            small = if small == 0 { page } else { small };
            assert!(
                page * 2 <= small * 3,
                "{page} units against {small} at 10,000 events"
            );
        }
    }
}
