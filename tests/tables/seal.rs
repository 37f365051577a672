//! The transparency log on the engine: each event is in it once, and what sealing costs.

use std::sync::Arc;
use std::time::Duration;

use audit_log::dynamodb::Usage;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::seal_events::{BatchResponse, SealEvents};
use audit_log::tree::seal::Storage;
use audit_log::tree::{Checkpoint, Entry, Note, TILE_WIDTH, VerifierKey};
use audit_log_testing::Tables;
use audit_log_testing::tree::{TestKey, entry, seal_batch};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

const ORIGIN: &str = "localhost/log";
const MINUTE: Duration = Duration::from_secs(60);

/// A log on tables of its own.
struct Log {
    tables: Tables,
    key: TestKey,
    seal_events: SealEvents,
}

fn now() -> Timestamp {
    Timestamp::parse("2024-01-01T00:00:05Z").unwrap()
}

impl Log {
    async fn start() -> Log {
        let tables = Tables::start().await;
        let key = TestKey::new(7);
        let effects = Effects::system().with_clock(now);
        let deps = tables.deps().with_effects(effects);
        let seal_events = SealEvents::new(deps, ORIGIN.parse().unwrap(), Arc::new(key.clone()));
        Log {
            tables,
            key,
            seal_events,
        }
    }

    async fn seal(&self, numbers: impl IntoIterator<Item = u64>) -> (BatchResponse, Usage) {
        let batch = serde_json::from_value(seal_batch(numbers)).unwrap();
        let deadline = now().saturating_add(MINUTE);
        Usage::of(self.seal_events.handle(batch, deadline)).await
    }

    /// The entries of the runs.
    async fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let bundle = entries.len() as u64 / TILE_WIDTH;
            let runs = Storage::runs(&self.tables.tree, bundle).await.unwrap();
            entries.extend(runs.into_iter().flat_map(|run| run.entries));
            if !(entries.len() as u64).is_multiple_of(TILE_WIDTH) || entries.is_empty() {
                return entries;
            }
            if entries.len() as u64 / TILE_WIDTH == bundle {
                return entries;
            }
        }
    }

    /// The checkpoint, which the key has signed.
    async fn checkpoint(&self) -> Checkpoint {
        let published = self.tables.tree.checkpoint().await.unwrap().unwrap();
        let note: Note = published.note.parse().unwrap();
        let key = VerifierKey::new(ORIGIN.parse().unwrap(), {
            use audit_log::tree::Signer;
            self.key.public_key()
        });
        assert!(note.is_signed_by(&key), "{note}");
        note.text().parse().unwrap()
    }
}

/// The root by another implementation.
fn root(entries: &[Entry]) -> Vec<u8> {
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for entry in entries {
        tree.push(entry.to_bytes().to_vec());
    }
    tree.root().as_bytes().to_vec()
}

#[tokio::test]
async fn a_batch_is_in_the_signed_tree_once_and_in_order() {
    let log = Log::start().await;
    let (response, usage) = log.seal(0..1000).await;
    assert!(response.failures.is_empty());
    println!("{usage:?}");
    let entries = log.entries().await;
    let expected: Vec<Entry> = (0..1000).map(entry).collect();
    assert_eq!(entries, expected);
    let checkpoint = log.checkpoint().await;
    assert_eq!(checkpoint.size, 1000);
    assert_eq!(checkpoint.root.as_bytes().as_slice(), root(&entries));

    // A redelivery changes nothing.
    let (response, _) = log.seal(0..1000).await;
    assert!(response.failures.is_empty());
    assert_eq!(log.entries().await.len(), 1000);
    assert_eq!(log.checkpoint().await, checkpoint);
}
