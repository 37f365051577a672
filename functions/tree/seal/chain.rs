//! The runs of the log, one after another.

use super::{SealError, Storage};
use crate::tree::table::Run;
use crate::tree::{Entry, TILE_WIDTH};

/// How often a bundle with a hole is read again. A Query is no snapshot: it may pass a place before
/// a run is put there, and then meet the run behind it.
const READS_AGAIN: u32 = 3;

/// A part of the log, from the beginning of a bundle on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    first: u64,
    entries: Vec<Entry>,
}

impl Chain {
    /// Reads the log from the bundle of the entry before `from` on, to its end, or until at least
    /// `limit` entries from `from` on are read.
    ///
    /// # Errors
    ///
    /// [`SealError::Broken`] if the runs before `from` are not complete, or do not follow one
    /// another.
    pub async fn read<S: Storage>(
        storage: &S,
        from: u64,
        limit: u64,
    ) -> Result<Chain, SealError<S::Error>> {
        let bundle = from.saturating_sub(1) / TILE_WIDTH;
        let mut chain = Chain {
            first: bundle * TILE_WIDTH,
            entries: Vec::new(),
        };
        loop {
            let end = chain.end();
            let must_have = from.saturating_sub(end).min(TILE_WIDTH);
            let entries = read_bundle(storage, end / TILE_WIDTH, must_have).await?;
            let is_full = entries.len() as u64 == TILE_WIDTH;
            chain.entries.extend(entries);
            if !is_full || chain.end() >= from.saturating_add(limit) {
                return Ok(chain);
            }
        }
    }

    /// The index of the first entry that was read.
    pub fn begin(&self) -> u64 {
        self.first
    }

    /// The number of entries of the log, as far as it was read.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// All entries that were read.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries from this index of the log on.
    pub fn since(&self, index: u64) -> &[Entry] {
        let skipped = index.saturating_sub(self.first) as usize;
        self.entries.get(skipped..).unwrap_or_default()
    }

    /// The entries of a bundle, if the part has its beginning.
    pub fn bundle(&self, bundle: u64) -> Option<&[Entry]> {
        let begin = bundle.checked_mul(TILE_WIDTH)?;
        if begin < self.first || begin >= self.end() {
            return None;
        }
        let rest = self.since(begin);
        Some(rest.get(..TILE_WIDTH as usize).unwrap_or(rest))
    }

    /// Adds entries that follow the last one.
    pub fn extend(&mut self, entries: &[Entry]) {
        self.entries.extend(entries);
    }
}

/// Reads a bundle, which has at least this many entries.
///
/// # Errors
///
/// As [`Chain::read`].
pub async fn read_bundle<S: Storage>(
    storage: &S,
    bundle: u64,
    must_have: u64,
) -> Result<Vec<Entry>, SealError<S::Error>> {
    let mut again = 0;
    loop {
        let runs = storage.runs(bundle).await.map_err(SealError::Storage)?;
        let (entries, is_whole) = join_runs(runs);
        let count = entries.len() as u64;
        if is_whole && count >= must_have {
            return Ok(entries);
        }
        if again == READS_AGAIN {
            let index = bundle.saturating_mul(TILE_WIDTH).saturating_add(count);
            return Err(SealError::Broken { index });
        }
        again += 1;
        storage.pause(again).await;
    }
}

/// The entries of the runs that follow one another, and whether these are all runs.
fn join_runs(runs: Vec<Run>) -> (Vec<Entry>, bool) {
    let mut entries = Vec::new();
    for run in runs {
        let end = run.at.saturating_add(run.entries.len() as u64);
        if run.at != entries.len() as u64 || run.entries.is_empty() || end > TILE_WIDTH {
            return (entries, false);
        }
        entries.extend(run.entries);
    }
    (entries, true)
}
