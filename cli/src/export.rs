//! `audit-log export`: copies a log into a folder that can be verified without the service.

use std::path::PathBuf;
use std::process::ExitCode;

use audit_log_cli::log::export;

use crate::reading::{ServiceArguments, keys_of};
use crate::say;

/// Copies the transparency log and all events into a folder, which can be verified without the
/// service: with "audit-log verify --bundle", or with other tools for tlog-tiles.
///
/// A later copy into the same folder reads all events again, and only new entries. Exit code: 0, or
/// 2 if the folder has no complete copy.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    /// The folder.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// The key that signs the log, or a file that has it. It is checked, and copied too.
    #[arg(long, value_name = "KEY")]
    vkey: Vec<String>,
}

/// The form of the progress bar.
const PROGRESS: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}";

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match copy(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

async fn copy(arguments: Arguments) -> Result<(), Failure> {
    let keys = keys_of(&arguments.vkey)?;
    let service = arguments.log.open().await?;
    let bar = crate::progress_bar(0, PROGRESS);
    let exported = export::export(service, &arguments.bundle, &keys, &bar).await?;
    bar.finish_and_clear();
    say(&format!(
        "Copied {} entries and {} events into {}.",
        exported.entries,
        exported.events,
        arguments.bundle.display()
    ));
    Ok(())
}
