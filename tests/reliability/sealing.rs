//! DynamoDB fails in every way it can, while events are sealed. Each is in the log once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::seal_events::SealEvents;
use audit_log::tree::table::Consistency;
use audit_log::tree::{Checkpoint, Entry, Note, TILE_WIDTH};
use audit_log_testing::faulty::{Fault, Plan, REFUSALS, SERVER_ERRORS, THROTTLES};
use audit_log_testing::tree::{TestKey, entry, seal_batch};
use audit_log_testing::{Faulty, Tables};

const EVENTS: u64 = 300;
const BATCH: u64 = 100;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_batches_meet_faults_has_each_event_once() {
    let tables = Tables::start().await;
    let faulty = Faulty::start(&tables.dynamodb, 1).await;
    let faults: Vec<Fault> = [&THROTTLES[..], &SERVER_ERRORS, &REFUSALS].concat();
    faulty.fail(Plan {
        faults,
        puts: 0.1,
        others: 0.05,
        table: None,
    });
    let through = Tables::at(faulty.address.clone()).await;
    let key = Arc::new(TestKey::new(7));
    let origin = "localhost/log".parse().unwrap();
    let seal_events = SealEvents::new(through.deps(), origin, key);

    let mut deliveries = 0;
    for first in (0..EVENTS).step_by(BATCH as usize) {
        loop {
            deliveries += 1;
            let batch = seal_batch(first..first + BATCH);
            let batch = serde_json::from_value(batch).unwrap();
            let deadline = Effects::system().now().saturating_add(MINUTE);
            if seal_events
                .handle(batch, deadline)
                .await
                .failures
                .is_empty()
            {
                break;
            }
        }
    }
    faulty.calm().await;
    assert!(deliveries > EVENTS / BATCH, "no batch was handed back");

    let mut sealed = Vec::new();
    for bundle in 0..EVENTS.div_ceil(TILE_WIDTH) {
        let runs = tables.tree.runs(bundle, Consistency::Strong).await.unwrap();
        sealed.extend(runs.into_iter().flat_map(|run| run.entries));
    }
    let leaves: BTreeSet<_> = sealed.iter().map(Entry::leaf).collect();
    let expected: BTreeSet<_> = (0..EVENTS).map(|number| entry(number).leaf()).collect();
    assert_eq!((sealed.len() as u64, leaves), (EVENTS, expected));
    let note: Note = tables
        .tree
        .checkpoint()
        .await
        .unwrap()
        .unwrap()
        .note
        .parse()
        .unwrap();
    let checkpoint: Checkpoint = note.text().parse().unwrap();
    assert_eq!(checkpoint.size, EVENTS);
}
