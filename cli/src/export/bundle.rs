//! Copies a log into a folder that can be verified without the service.

use std::path::Path;

use audit_log_cli::log::export;

use super::Failure;
use crate::reading::{ServiceArguments, keys_of};
use crate::say;

/// The form of the progress bar.
const PROGRESS: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}";

/// Copies a log into a folder.
pub async fn copy(log: &ServiceArguments, folder: &Path, keys: &[String]) -> Result<(), Failure> {
    let keys = keys_of(keys)?;
    let service = log.open().await?;
    let bar = crate::progress_bar(0, PROGRESS);
    let exported = export::export(service, folder, &keys, &bar).await?;
    bar.finish_and_clear();
    say(&format!(
        "Copied {} entries and {} events into {}.",
        exported.entries,
        exported.events,
        folder.display()
    ));
    Ok(())
}
