//! What keeping the index costs in write units, by the rate at which events come.

use audit_log::count::trie::Trie;
use audit_log_testing::trie::{Memory, count_turns};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The stream's batching window, as template.yaml has it.
const WINDOW_SECONDS: f64 = 5.0;

/// Write units an event, and nodes an event, for one lane that takes `rate` events a second until
/// `events` came.
fn measure(rate: f64, events: usize, window: f64) -> (f64, f64) {
    let (storage, rng) = (Memory::new(), &mut StdRng::seed_from_u64(1));
    count_turns(Trie::new(&storage, 0).start(0)).0.unwrap();
    let started = 0x019c_0000_0000_u128;
    let (mut seconds, mut batch, mut batch_until) = (0.0, Vec::new(), 0.0);
    for _ in 0..events {
        // The gap between arrivals that are independent of one another.
        let gap: f64 = -(1.0 - rng.random::<f64>()).ln() / rate;
        seconds += gap;
        if seconds > batch_until {
            count_turns(Trie::new(&storage, 0).apply(&std::mem::take(&mut batch)))
                .0
                .unwrap();
            batch_until = seconds + window;
        }
        let millis = started + (seconds * 1000.0) as u128;
        batch.push(millis << 80 | 7 << 76 | 0b10 << 62 | u128::from(rng.random::<u64>() >> 2));
    }
    count_turns(Trie::new(&storage, 0).apply(&batch)).0.unwrap();
    (
        storage.cost().write_units as f64 / events as f64,
        storage.nodes() as f64 / events as f64,
    )
}

#[test]
fn the_count_index_costs_at_most_one_unit_an_event() {
    println!(
        "| events a second a lane | units an event, window 5 s | window 1 s | nodes an event |\n|---|---|---|---|"
    );
    for (rate, events) in [
        (0.1, 4_000),
        (1.0, 8_000),
        (2.0, 8_000),
        (4.0, 8_000),
        (8.0, 16_000),
        (10.0, 20_000),
        (30.0, 40_000),
        (100.0, 100_000),
    ] {
        let (units, nodes) = measure(rate, events, WINDOW_SECONDS);
        let (short, _) = measure(rate, events, 1.0);
        println!("| {rate} | {units:.2} | {short:.2} | {nodes:.3} |");
        assert!(
            rate < 1.0 || units <= 1.0,
            "{units} units an event at {rate} a second"
        );
    }
}
