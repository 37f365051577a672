//! Copies a log into a folder: see [`bundle`](super::bundle).

use std::io::{BufWriter, Write};
use std::path::Path;

use audit_log::tree::tile::encode_hashes;
use audit_log::tree::{Checkpoint, Hash, Note, TILE_WIDTH, Tile, TileKind, VerifierKey};
use audit_log_client::MAX_PER_PAGE;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use indicatif::ProgressBar;
use tempfile::NamedTempFile;

use super::bundle::{CHECKPOINT, EVENTS, RECORD_SEPARATOR, VKEY};
use super::service::{List, Service, first_id};
use super::{Checked, Log, LogError, SignedCheckpoint};
use crate::audit::entries::split;
use crate::audit::state::write_whole;
use crate::audit::tree::GrowingTree;

/// How many bundles are read at a time.
const BUNDLES_AT_ONCE: usize = 8;

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The entries.
    pub entries: u64,
    /// The events. More than the entries, if some are not sealed yet.
    pub events: u64,
}

/// A log that cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be written.
    #[error("cannot write to {file}: {error}")]
    File {
        /// The file.
        file: String,
        /// The cause.
        error: std::io::Error,
    },
    /// The log has no checkpoint.
    #[error("the log has no checkpoint yet; seal its first event, and repeat this")]
    NoCheckpoint,
    /// The checkpoint is not genuine.
    #[error("the checkpoint of the log is not genuine: {0}")]
    Forged(String),
    /// The entries do not have the root of the checkpoint.
    #[error(
        "the entries of the log, or those in the folder, are not those that its checkpoint signs; \
         \"audit-log verify\" says what is wrong"
    )]
    Damaged,
    /// The folder has another log, or a longer one.
    #[error("the folder has a bundle of {0}, which this log does not continue; choose another")]
    OtherLog(String),
}

/// Copies a log into a folder. Files are written as a whole, and the checkpoint last, so that a copy
/// that was interrupted is not taken for a complete one. Bundles of entries that the folder has are
/// not read again.
///
/// # Errors
///
/// [`ExportError`].
pub async fn export(
    service: Service,
    folder: &Path,
    keys: &[VerifierKey],
    bar: &ProgressBar,
) -> Result<Exported, ExportError> {
    let log = Log::from(service);
    let (note, checkpoint) = read_checkpoint(&log, keys).await?;
    check_folder(folder, &checkpoint)?;
    copy_tree(&log, folder, &checkpoint, bar).await?;
    let events = copy_events(&log, folder, bar).await?;
    if !keys.is_empty() {
        let keys: String = keys.iter().map(|key| format!("{key}\n")).collect();
        write(folder, VKEY, keys.as_bytes())?;
    }
    write(folder, CHECKPOINT, note.as_bytes())?;
    Ok(Exported {
        entries: checkpoint.size,
        events,
    })
}

async fn read_checkpoint(
    log: &Log,
    keys: &[VerifierKey],
) -> Result<(String, Checkpoint), ExportError> {
    if !keys.is_empty() {
        return match SignedCheckpoint::of(log, keys).await? {
            Checked::Signed(signed) => Ok((signed.note, signed.checkpoint)),
            Checked::Absent => Err(ExportError::NoCheckpoint),
            Checked::Forged(reason) => Err(ExportError::Forged(reason)),
        };
    }
    let note = log.checkpoint().await?.ok_or(ExportError::NoCheckpoint)?;
    let checkpoint = checkpoint_of(&note).map_err(ExportError::Forged)?;
    Ok((note, checkpoint))
}

fn checkpoint_of(note: &str) -> Result<Checkpoint, String> {
    let note: Note = note.parse().map_err(|error| format!("{error}"))?;
    note.text().parse().map_err(|error| format!("{error}"))
}

/// A folder may have an earlier copy of the same log.
fn check_folder(folder: &Path, checkpoint: &Checkpoint) -> Result<(), ExportError> {
    let Ok(note) = std::fs::read_to_string(folder.join(CHECKPOINT)) else {
        return Ok(());
    };
    let is_earlier = |earlier: &Checkpoint| {
        earlier.origin == checkpoint.origin && earlier.size <= checkpoint.size
    };
    match checkpoint_of(&note) {
        Ok(earlier) if is_earlier(&earlier) => Ok(()),
        Ok(earlier) => Err(ExportError::OtherLog(format!(
            "{} with {} entries",
            earlier.origin, earlier.size
        ))),
        Err(_) => Err(ExportError::OtherLog("another kind".to_owned())),
    }
}

/// Copies the bundles of entries, and computes the hashes of all tiles from them.
async fn copy_tree(
    log: &Log,
    folder: &Path,
    checkpoint: &Checkpoint,
    bar: &ProgressBar,
) -> Result<(), ExportError> {
    let size = checkpoint.size;
    bar.set_message("Entries");
    bar.set_length(size);
    let mut tree = GrowingTree::default();
    let mut bundles = iter(0..size.div_ceil(TILE_WIDTH))
        .map(|index| async move {
            let tile = tile_at(TileKind::Entries, index, size);
            match std::fs::read(folder.join(tile.to_string())) {
                Ok(bytes) => Ok((tile, Some(bytes))),
                Err(_) => log.tile(tile).await.map(|bytes| (tile, bytes)),
            }
        })
        .buffered(BUNDLES_AT_ONCE);
    while let Some((tile, bytes)) = bundles.try_next().await? {
        let bytes = bytes.ok_or(ExportError::Damaged)?;
        let entries = split(&bytes).ok_or(ExportError::Damaged)?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| tree.push(entry)).collect();
        if leaves.len() as u64 != tile.width {
            return Err(ExportError::Damaged);
        }
        write_once(folder, tile, &bytes)?;
        let hashes = tile_at(TileKind::Hashes(0), tile.index, size);
        write_once(folder, hashes, &encode_hashes(&leaves))?;
        bar.inc(tile.width);
    }
    if tree.root() != checkpoint.root {
        return Err(ExportError::Damaged);
    }
    for (level, hashes) in (1..).zip(tree.tiles()) {
        for (index, hashes) in (0..).zip(hashes.chunks(TILE_WIDTH as usize)) {
            let tile = tile_at(TileKind::Hashes(level), index, size);
            write_once(folder, tile, &encode_hashes(hashes))?;
        }
    }
    Ok(())
}

/// Copies all events, oldest first.
async fn copy_events(log: &Log, folder: &Path, bar: &ProgressBar) -> Result<u64, ExportError> {
    let Log::Service(service) = log else {
        return Ok(0);
    };
    bar.set_message("Events");
    bar.set_position(0);
    let file = folder.join(EVENTS);
    let failed = |error| ExportError::File {
        file: file.display().to_string(),
        error,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let temporary = NamedTempFile::new_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(temporary);
    let mut events = 0;
    let mut next = Some(first_id());
    while let Some(after) = next {
        let page = service.page(&List::All, after, MAX_PER_PAGE).await?;
        next = page.next;
        for event in &page.events {
            write_event(&mut writer, event).map_err(failed)?;
        }
        events += page.events.len() as u64;
        bar.inc(page.events.len() as u64);
    }
    let temporary = writer
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&file)
        .map_err(|error| failed(error.error))?;
    Ok(events)
}

/// One text of a JSON sequence (RFC 7464).
fn write_event(writer: &mut impl Write, event: &str) -> std::io::Result<()> {
    writer.write_all(&[RECORD_SEPARATOR])?;
    writer.write_all(event.as_bytes())?;
    writer.write_all(b"\n")
}

fn tile_at(kind: TileKind, index: u64, size: u64) -> Tile {
    let width = Tile::width_at(kind, index, size);
    Tile { kind, index, width }
}

/// A tile never changes.
fn write_once(folder: &Path, tile: Tile, bytes: &[u8]) -> Result<(), ExportError> {
    let name = tile.to_string();
    if folder.join(&name).exists() {
        return Ok(());
    }
    write(folder, &name, bytes)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
    let file = folder.join(name);
    write_whole(&file, bytes).map_err(|error| ExportError::File {
        file: file.display().to_string(),
        error,
    })
}
