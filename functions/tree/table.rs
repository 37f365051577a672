//! The table that holds the log.
//!
//! | item | `part` | `at` | attributes |
//! |---|---|---|---|
//! | genesis | `genesis` | 0 | `origin` |
//! | run | `e/<bundle>` | the index of its first entry in the bundle, 0 to 255 | `packed`: 1 to 256 entries |
//! | leaf | `l/<leaf hash in base64url>` | 0 | `index` |
//! | node | `t/<level ≥ 1>/<tile>` | 0 to 255 | `hash` of a full tile of the level below |
//! | head | `head` | 0 | `size`: all leaves and nodes below it are written |
//! | checkpoint | `checkpoint` | 0 | `size`, `note` |
//!
//! The runs are the log. A run is written once and never again, and everything else follows from the
//! runs. Level 0, partial tiles and bundles are not stored: a bundle is one Query of its runs.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::entry::{ENTRY_BYTES, Entry};
use super::hash::{Hash, base64url};
use super::schema::{AT, HASH, INDEX, NOTE, ORIGIN, PACKED, PART, SIZE};
use super::tile::{TILE_WIDTH, TilePlace};
use crate::config::Settings;
use crate::store::{Attributes, Error, Item, MAX_BATCH_KEYS, batch_get};

const GENESIS: &str = "genesis";
const HEAD: &str = "head";
const CHECKPOINT: &str = "checkpoint";
const TREE: Attributes = Attributes::of("tree");

/// The table.
#[derive(Clone, Debug)]
pub struct TreeTable {
    client: Client,
    table: String,
}

/// Entries that were sequenced together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The index of the first entry in its bundle, 0 to 255.
    pub at: u64,
    /// The entries, 1 to 256.
    pub entries: Vec<Entry>,
}

/// The newest checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The number of entries.
    pub size: u64,
    /// The signed note, as it is served.
    pub note: String,
}

/// Whether a read sees every write that was acknowledged before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// It does, for two read units for each 8 KB.
    Strong,
    /// It may be late by a moment, for half the price.
    Eventual,
}

impl TreeTable {
    /// The table that the settings name.
    pub fn new(client: Client, settings: &Settings) -> TreeTable {
        TreeTable {
            client,
            table: settings.tree_table.clone(),
        }
    }

    /// The name of the log, or `None` before it begins.
    ///
    /// # Errors
    ///
    /// [`Error`], as for every read here: DynamoDB does not respond or rejects the request, or the
    /// item is not what this module writes.
    pub async fn origin(&self) -> Result<Option<String>, Error> {
        let item = self.get(GENESIS).await?;
        item.map(|item| TREE.text(&item, ORIGIN).map(str::to_owned))
            .transpose()
    }

    /// The size up to which all leaves and nodes are written.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn head(&self) -> Result<u64, Error> {
        match self.get(HEAD).await? {
            Some(item) => TREE.number(&item, SIZE),
            None => Ok(0),
        }
    }

    /// The newest checkpoint, or `None` before the first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn checkpoint(&self) -> Result<Option<Published>, Error> {
        let Some(item) = self.get(CHECKPOINT).await? else {
            return Ok(None);
        };
        Ok(Some(Published {
            size: TREE.number(&item, SIZE)?,
            note: TREE.text(&item, NOTE)?.to_owned(),
        }))
    }

    /// The runs of a bundle, by where they begin.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn runs(&self, bundle: u64, consistency: Consistency) -> Result<Vec<Run>, Error> {
        let items = self.query(&bundle_part(bundle), consistency).await?;
        items.iter().map(run_of).collect()
    }

    /// The first `width` entries of a bundle, or `None` if its runs do not make up as many. They
    /// are read again, strongly consistent, if a replica lacks one of them.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn entries(&self, bundle: u64, width: u64) -> Result<Option<Vec<Entry>>, Error> {
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            let mut entries = Vec::new();
            for run in self.runs(bundle, consistency).await? {
                if run.at != entries.len() as u64 {
                    break;
                }
                entries.extend(run.entries);
            }
            if entries.len() as u64 >= width {
                entries.truncate(width as usize);
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }

    /// The first `width` hashes of a tile of hashes, or `None` if the table lacks one of them. They
    /// are read again, strongly consistent, if a replica lacks one of them.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn hashes(&self, place: TilePlace, width: u64) -> Result<Option<Vec<Hash>>, Error> {
        if place.level == 0 {
            let entries = self.entries(place.index, width).await?;
            return Ok(entries.map(|entries| entries.iter().map(Entry::leaf).collect()));
        }
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            let mut hashes = self.nodes(place, consistency).await?;
            if hashes.len() as u64 >= width {
                hashes.truncate(width as usize);
                return Ok(Some(hashes));
            }
        }
        Ok(None)
    }

    /// The hashes of a tile of level 1 or more, from its first on, as far as they are there.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn nodes(
        &self,
        place: TilePlace,
        consistency: Consistency,
    ) -> Result<Vec<Hash>, Error> {
        let items = self.query(&node_part(place), consistency).await?;
        let mut hashes = Vec::new();
        for item in &items {
            if TREE.number(item, AT)? != hashes.len() as u64 {
                break;
            }
            hashes.push(hash(item)?);
        }
        Ok(hashes)
    }

    /// The index of the leaf with this hash.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn leaf_index(&self, leaf: &Hash) -> Result<Option<u64>, Error> {
        let item = self.get(&leaf_part(leaf)).await?;
        item.map(|item| TREE.number(&item, INDEX)).transpose()
    }

    /// The indexes of those of these leaves that have one, strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn leaf_indexes(&self, leaves: &[Hash]) -> Result<HashMap<Hash, u64>, Error> {
        let parts: HashMap<String, Hash> =
            leaves.iter().map(|leaf| (leaf_part(leaf), *leaf)).collect();
        let parts_of_batches: Vec<&String> = parts.keys().collect();
        let mut indexes = HashMap::new();
        for batch in parts_of_batches.chunks(MAX_BATCH_KEYS) {
            let keys = batch.iter().map(|part| key(part, 0)).collect();
            let batch = batch_get(&self.client, &self.table, keys).await?;
            if !batch.unprocessed.is_empty() {
                return Err(batch.throttled());
            }
            for item in &batch.found {
                let leaf = parts
                    .get(TREE.text(item, PART)?)
                    .ok_or(TREE.corrupt(PART))?;
                indexes.insert(*leaf, TREE.number(item, INDEX)?);
            }
        }
        Ok(indexes)
    }

    /// Gives the log its name, if it has none. Returns whether this call did.
    ///
    /// # Errors
    ///
    /// [`Error`], as for every write here: DynamoDB does not respond or rejects the request. The
    /// item may have been written.
    pub async fn put_origin(&self, origin: &str) -> Result<bool, Error> {
        let mut item = key(GENESIS, 0);
        item.insert(ORIGIN.to_owned(), AttributeValue::S(origin.to_owned()));
        self.put_if(item, Condition::Absent).await
    }

    /// Puts entries at this index of the log, if no run begins there. Returns whether this call
    /// did. The entries must not go beyond the bundle.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn put_run(&self, index: u64, entries: &[Entry]) -> Result<bool, Error> {
        let packed = entries
            .iter()
            .flat_map(Entry::to_bytes)
            .collect::<Vec<u8>>();
        let mut item = key(&bundle_part(index / TILE_WIDTH), index % TILE_WIDTH);
        item.insert(PACKED.to_owned(), AttributeValue::B(Blob::new(packed)));
        self.put_if(item, Condition::Absent).await
    }

    /// Puts the index of a leaf.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn put_leaf(&self, leaf: &Hash, index: u64) -> Result<(), Error> {
        let mut item = key(&leaf_part(leaf), 0);
        item.insert(INDEX.to_owned(), AttributeValue::N(index.to_string()));
        self.put_if(item, Condition::None).await?;
        Ok(())
    }

    /// Puts the hash at this index of a level of tiles, which is 1 or more.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn put_node(&self, level: u8, index: u64, hash: &Hash) -> Result<(), Error> {
        let place = TilePlace {
            level,
            index: index / TILE_WIDTH,
        };
        let mut item = key(&node_part(place), index % TILE_WIDTH);
        let bytes = Blob::new(hash.as_bytes().as_slice());
        item.insert(HASH.to_owned(), AttributeValue::B(bytes));
        self.put_if(item, Condition::None).await?;
        Ok(())
    }

    /// Raises the size up to which all leaves and nodes are written. A larger one stays.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn raise_head(&self, size: u64) -> Result<(), Error> {
        let item = key(HEAD, 0);
        self.put_if(item, Condition::LessThan(size)).await?;
        Ok(())
    }

    /// Publishes a checkpoint, unless one of this size or a larger one is there. Returns whether
    /// this call did.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn publish(&self, checkpoint: &Published) -> Result<bool, Error> {
        let mut item = key(CHECKPOINT, 0);
        let note = AttributeValue::S(checkpoint.note.clone());
        item.insert(NOTE.to_owned(), note);
        self.put_if(item, Condition::LessThan(checkpoint.size))
            .await
    }

    /// The single item of a partition, strongly consistent.
    async fn get(&self, part: &str) -> Result<Option<Item>, Error> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(part, 0)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match Box::pin(get.send()).await {
            Ok(output) => Ok(output.item),
            Err(error) => Err(Error::from_sdk("GetItem", &error)),
        }
    }

    /// The items of a partition, by `at`. No partition reaches the 1 MB of a Query.
    async fn query(&self, part: &str, consistency: Consistency) -> Result<Vec<Item>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(consistency == Consistency::Strong)
            .key_condition_expression("#part = :part")
            .expression_attribute_names("#part", PART)
            .expression_attribute_values(":part", AttributeValue::S(part.to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match Box::pin(query.send()).await {
            Ok(output) => Ok(output.items.unwrap_or_default()),
            Err(error) => Err(Error::from_sdk("Query", &error)),
        }
    }

    /// Puts an item, and returns whether its condition held.
    async fn put_if(&self, mut item: Item, condition: Condition) -> Result<bool, Error> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match condition {
            Condition::None => {}
            Condition::Absent => {
                put = put
                    .condition_expression("attribute_not_exists(#part)")
                    .expression_attribute_names("#part", PART);
            }
            Condition::LessThan(size) => {
                let size = AttributeValue::N(size.to_string());
                item.insert(SIZE.to_owned(), size.clone());
                put = put
                    .condition_expression("attribute_not_exists(#size) OR #size < :size")
                    .expression_attribute_names("#size", SIZE)
                    .expression_attribute_values(":size", size);
            }
        }
        let Err(error) = Box::pin(put.set_item(Some(item)).send()).await else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(Error::from_sdk("PutItem", &error)),
        }
    }
}

/// What must hold for an item to be written.
enum Condition {
    None,
    /// No item has this key.
    Absent,
    /// The item is missing, or its size is less. The written item has this size.
    LessThan(u64),
}

fn key(part: &str, at: u64) -> Item {
    HashMap::from([
        (PART.to_owned(), AttributeValue::S(part.to_owned())),
        (AT.to_owned(), AttributeValue::N(at.to_string())),
    ])
}

fn bundle_part(bundle: u64) -> String {
    format!("e/{bundle}")
}

fn leaf_part(leaf: &Hash) -> String {
    format!("l/{}", base64url(leaf.as_bytes()))
}

fn node_part(place: TilePlace) -> String {
    format!("t/{}/{}", place.level, place.index)
}

fn run_of(item: &Item) -> Result<Run, Error> {
    let packed = TREE.bytes(item, PACKED)?;
    let entries: Option<Vec<Entry>> = packed.chunks(ENTRY_BYTES).map(Entry::from_bytes).collect();
    Ok(Run {
        at: TREE.number(item, AT)?,
        entries: entries.ok_or(TREE.corrupt(PACKED))?,
    })
}

fn hash(item: &Item) -> Result<Hash, Error> {
    Hash::from_bytes(TREE.bytes(item, HASH)?).ok_or(TREE.corrupt(HASH))
}
