//! The transparency log of the tables, written as it would be found, without the function that
//! seals.

use audit_log::event::EventId;
use audit_log::tree::table::Published;
use audit_log::tree::{
    Checkpoint, Content, Entry, Hash, Note, Signer, TILE_WIDTH, TreeTable, VerifierKey,
};
use audit_log_cli::serve::log_key::LogKey;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{StreamExt, iter};

use super::Tables;

/// A log with a key of its own.
pub struct Log {
    client: Client,
    table: TreeTable,
    key: LogKey,
    /// All entries, whether a checkpoint has them or not.
    pub entries: Vec<Entry>,
}

impl Tables {
    /// A log without entries.
    pub fn log(&self) -> Log {
        Log {
            client: self.client.clone(),
            table: self.tree.clone(),
            key: LogKey::generate().unwrap(),
            entries: Vec::new(),
        }
    }
}

impl Log {
    /// The key with which others verify checkpoints.
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.verifier_key()
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The root over all entries, as RFC 6962 §2.1 defines it.
    pub fn root(&self) -> Hash {
        let leaves: Vec<Hash> = self.entries.iter().map(Entry::leaf).collect();
        tree_hash(&leaves)
    }

    /// Adds the events with these ids as they are stored now, and publishes a checkpoint of all
    /// entries.
    pub async fn seal(&mut self, ids: impl IntoIterator<Item = EventId>) {
        let entries = entries(&self.client, ids).await;
        self.append(&entries).await;
        self.publish().await;
    }

    /// Adds entries, as one run in each bundle. No checkpoint has them yet.
    pub async fn append(&mut self, entries: &[Entry]) {
        let mut rest = entries;
        while !rest.is_empty() {
            let space = TILE_WIDTH - self.size() % TILE_WIDTH;
            let (run, later) = rest.split_at(rest.len().min(space as usize));
            assert!(self.table.put_run(self.size(), run).await.unwrap());
            self.entries.extend(run);
            rest = later;
        }
        let before = self.size() - entries.len() as u64;
        let leaves = entries.iter().map(Entry::leaf).zip(before..);
        let puts = leaves.map(async |(leaf, index)| self.table.put_leaf(&leaf, index).await);
        let puts = iter(puts).buffer_unordered(8);
        puts.for_each(async |put| put.unwrap()).await;
        self.put_nodes(before).await;
        self.table.raise_head(self.size()).await.unwrap();
    }

    /// Publishes a checkpoint of all entries.
    pub async fn publish(&self) {
        let checkpoint = Checkpoint {
            origin: self.key.name().clone(),
            size: self.size(),
            root: self.root(),
        };
        self.publish_as(&checkpoint).await;
    }

    /// Publishes this checkpoint, whatever it says.
    pub async fn publish_as(&self, checkpoint: &Checkpoint) {
        let signer: &dyn Signer = &self.key;
        let note = Note::sign(checkpoint.to_string(), self.key.name(), signer);
        let published = Published {
            size: checkpoint.size,
            note: note.await.unwrap().to_string(),
        };
        assert!(self.table.publish(&published).await.unwrap());
    }

    /// A node for each tile that was not full `before`.
    async fn put_nodes(&self, before: u64) {
        let leaves: Vec<Hash> = self.entries.iter().map(Entry::leaf).collect();
        let mut width = TILE_WIDTH;
        for level in 1.. {
            let tiles = before / width..self.size() / width;
            if tiles.is_empty() {
                return;
            }
            for tile in tiles {
                let first = (tile * width) as usize;
                let hash = tree_hash(&leaves[first..first + width as usize]);
                self.table.put_node(level, tile, &hash).await.unwrap();
            }
            width *= TILE_WIDTH;
        }
    }
}

/// The entries of the events with these ids, as they are stored now.
pub async fn entries(client: &Client, ids: impl IntoIterator<Item = EventId>) -> Vec<Entry> {
    let reads = ids.into_iter().map(async |id| entry(client, id).await);
    iter(reads).buffered(8).collect().await
}

async fn entry(client: &Client, id: EventId) -> Entry {
    let get = client
        .get_item()
        .table_name("EventsTable")
        .key("shard", AttributeValue::S(format!("{:x}", id.shard())))
        .key("id", AttributeValue::S(id.to_string()))
        .consistent_read(true);
    let item = get.send().await.unwrap().item.unwrap();
    let text = |name| item.get(name).map(|value| value.as_s().unwrap().as_str());
    let content = Content {
        salt: text("salt"),
        at: text("recorded_at").unwrap(),
        by: text("recorded_by"),
        from: text("recorded_from"),
        document: text("event").unwrap(),
    };
    Entry::new(id, &content)
}

fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_empty_tree(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&tree_hash(left), &tree_hash(right))
        }
    }
}
