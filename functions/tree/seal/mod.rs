//! Adds entries to the log, each of them once, and signs the result.
//!
//! Several sealers may work at the same time, and each may stop anywhere. The log is a chain of
//! runs. A run is put only if no run begins at its index, so the chain cannot fork. A sealer puts a
//! run only at the end of a chain of which it knows all entries, so no entry is in it twice:
//!
//! - Below the *head*, each leaf has an item, which says where it is.
//! - From the head on, the sealer has read the chain itself. This part is its *window*.
//!
//! After the runs, a sealer writes the items of its window, then raises the head, and then publishes
//! a [checkpoint](Outcome). All of these follow from the chain, so any sealer can write them again.
//!
//! Nothing here knows DynamoDB: [`Storage`] is the interface.

mod chain;
mod items;
mod pending;
mod publish;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join;

use super::table::Published;
use super::{Entry, Hash, Origin, SignError, Signer, TILE_WIDTH, VerifierKey};
use chain::read_bundle;
use items::put_items;

pub use chain::Chain;
pub use pending::Pending;
pub use publish::{Contradiction, Outcome};
pub use storage::Storage;

/// A longer window is written down before anything is added, piece by piece. So a head that was
/// lowered costs time, and does not stop the log.
pub const MAX_WINDOW: u64 = 1 << 16;
/// How often the end of the chain is read again after a put was refused there.
const READS_AGAIN: u32 = 3;

/// The name of a log and the key that signs it.
#[derive(Clone, Debug)]
pub struct Log {
    origin: Origin,
    signer: Arc<dyn Signer>,
}

/// Why a batch is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError<E> {
    /// The storage does not do an operation.
    #[error("{0}")]
    Storage(E),
    /// The key does not sign. The entries are in the log.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The log has another name.
    #[error(
        "this log is named {log}, and LOG_ORIGIN is {configured}; a log cannot be renamed, so set the \
         parameter LogOrigin to {log}, or use an empty tree table"
    )]
    Origin {
        /// The name that the table has.
        log: String,
        /// The name that this process was given.
        configured: String,
    },
    /// A run is missing.
    #[error(
        "no run has the entry {index} of the log, although later ones are there; restore the tree \
         table"
    )]
    Broken {
        /// The index of the first missing entry.
        index: u64,
    },
    /// A hash that was written before is missing.
    #[error(
        "a hash below node {index} of level {level} is missing in the log; restore the tree table"
    )]
    Incomplete {
        /// The level of the node.
        level: u8,
        /// The index of the node.
        index: u64,
    },
}

impl Log {
    /// The log with this name and this key.
    pub fn new(origin: Origin, signer: Arc<dyn Signer>) -> Log {
        Log { origin, signer }
    }

    /// The key with which others verify the log.
    pub fn key(&self) -> VerifierKey {
        VerifierKey::new(self.origin.clone(), self.signer.public_key())
    }

    /// Gives the log in a storage this name, or checks that it has it.
    ///
    /// # Errors
    ///
    /// [`SealError::Origin`] if it has another one.
    pub async fn claim<S: Storage>(&self, storage: &S) -> Result<(), SealError<S::Error>> {
        let configured = self.origin.as_str();
        loop {
            match storage.origin().await.map_err(SealError::Storage)? {
                Some(log) if log == configured => return Ok(()),
                Some(log) => {
                    let configured = configured.to_owned();
                    return Err(SealError::Origin { log, configured });
                }
                // The first invocation gives the name. It is read again in any case.
                None => storage
                    .put_origin(configured)
                    .await
                    .map_err(SealError::Storage)?,
            };
        }
    }

    /// Adds the entries that are not in the log, and writes all items up to its end. `pending` says
    /// at any time what is left, also if this future is dropped.
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub async fn seal<S: Storage>(
        &self,
        storage: &S,
        pending: &mut Pending,
    ) -> Result<Chain, SealError<S::Error>> {
        let read = try_join(storage.head(), storage.checkpoint());
        let (head, newest) = read.await.map_err(SealError::Storage)?;
        let (begin, mut chain) = self.window(storage, head, newest).await?;

        // 1. What is in the log already. An item of a leaf was there when the head was read.
        pending.remove(chain.entries());
        let found = sealed_before(storage, &chain, pending).await?;
        pending.remove(&found);

        // 2. The rest, at the end of the chain.
        while !pending.is_empty() {
            let end = chain.end();
            let run = pending.first(TILE_WIDTH - end % TILE_WIDTH);
            if storage
                .put_run(end, run)
                .await
                .map_err(SealError::Storage)?
            {
                log_run(end, run);
                chain.extend(run);
                pending.added_first(run.len());
                continue;
            }
            // Another sealer was faster, or this one was and did not learn of it.
            let more = more(storage, end).await?;
            log_run(end, &more);
            pending.remove(&more);
            chain.extend(&more);
        }

        // 3. The items, and the head above them.
        put_items(storage, &chain, begin).await?;
        if head < chain.end() {
            let raised = storage.raise_head(chain.end()).await;
            raised.map_err(SealError::Storage)?;
        }
        Ok(chain)
    }

    /// Reads the part of the chain whose items may be missing, and where it begins.
    async fn window<S: Storage>(
        &self,
        storage: &S,
        head: u64,
        newest: Option<Published>,
    ) -> Result<(u64, Chain), SealError<S::Error>> {
        // A checkpoint was signed above all items, and no other program can sign one.
        let signed = self.verify(newest.as_ref()).ok().flatten();
        let mut begin = signed.map_or(head, |checkpoint| checkpoint.size.max(head));
        loop {
            let chain = Chain::read(storage, begin, MAX_WINDOW).await?;
            if chain.since(begin).len() as u64 >= MAX_WINDOW {
                tracing::warn!(begin, "the items of a long window are written again");
                put_items(storage, &chain, begin).await?;
                begin = chain.end();
                let raised = storage.raise_head(begin).await;
                raised.map_err(SealError::Storage)?;
                continue;
            }
            if !chain.since(begin).is_empty() {
                log_run(begin, chain.since(begin));
            }
            return Ok((begin, chain));
        }
    }
}

/// The pending entries that are in the log before `chain`, by the items of their leaves. The chain
/// itself must have them, because an item may be planted.
async fn sealed_before<S: Storage>(
    storage: &S,
    chain: &Chain,
    pending: &Pending,
) -> Result<Vec<Entry>, SealError<S::Error>> {
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let indexes = storage.leaf_indexes(&pending.leaves()).await;
    let indexes = indexes.map_err(SealError::Storage)?;
    let mut by_bundle: BTreeMap<u64, Vec<(u64, Hash)>> = BTreeMap::new();
    for (leaf, index) in indexes {
        let is_before = index < chain.end() && chain.bundle(index / TILE_WIDTH).is_none();
        if is_before {
            let of_bundle = by_bundle.entry(index / TILE_WIDTH).or_default();
            of_bundle.push((index % TILE_WIDTH, leaf));
        }
    }
    let mut found = Vec::new();
    for (bundle, leaves) in by_bundle {
        let entries = read_bundle(storage, bundle, TILE_WIDTH).await?;
        for (at, leaf) in leaves {
            let entry = entries.get(at as usize);
            found.extend(entry.filter(|entry| entry.leaf() == leaf));
        }
    }
    Ok(found)
}

/// The entries from `end` on, where a run begins.
async fn more<S: Storage>(storage: &S, end: u64) -> Result<Vec<Entry>, SealError<S::Error>> {
    for again in 1..=READS_AGAIN {
        let chain = Chain::read(storage, end, u64::MAX).await?;
        let more = chain.since(end);
        if !more.is_empty() {
            return Ok(more.to_vec());
        }
        storage.pause(again).await;
    }
    Err(SealError::Broken { index: end })
}

/// With these lines, a run that was lost can be put back: its entries follow from the events.
fn log_run(start: u64, entries: &[Entry]) {
    for (bundle, run) in entries.chunks(TILE_WIDTH as usize).enumerate() {
        let start = start + bundle as u64 * TILE_WIDTH;
        let ids: Vec<String> = run.iter().map(|entry| entry.id.to_string()).collect();
        tracing::info!(start, ids = ids.join(" "), "run");
    }
}
