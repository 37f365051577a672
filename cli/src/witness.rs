//! `audit-log witness`: has the newest checkpoint cosigned by a witness.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit_log_cli::audit::state::write_whole;
use audit_log_cli::log::cosignature::CosignerKey;
use audit_log_cli::log::witness::{Cosigned, Witness};
use audit_log_cli::log::{Log, SignedCheckpoint};

use crate::reading::{ServiceArguments, keys_of};
use crate::say;

/// Has the newest checkpoint cosigned by a witness, which then refuses any other history of the log.
/// Prints the checkpoint with the cosignature.
///
/// Exit code: 0 if it is cosigned, 1 if the log does not continue what the witness has seen, 2 if
/// this could not be found out.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    /// The submission prefix of the witness.
    #[arg(long, value_name = "URL")]
    witness: String,
    /// The key that signs the log, as "audit-log vkey" prints it, or a file that has it.
    #[arg(long, value_name = "KEY", required = true)]
    vkey: Vec<String>,
    /// The key of the witness. Without it, the cosignature is not checked.
    #[arg(long, value_name = "KEY")]
    witness_vkey: Option<String>,
    /// The folder for the newest cosigned checkpoint.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// The file of the cosigned checkpoint, in the state's folder.
const COSIGNED: &str = "cosigned";

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match feed(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

/// Returns whether the checkpoint is cosigned.
async fn feed(arguments: Arguments) -> Result<bool, Failure> {
    let keys = keys_of(&arguments.vkey)?;
    let witness_key = arguments
        .witness_vkey
        .as_deref()
        .map(CosignerKey::parse)
        .transpose()?;
    let is_checked = witness_key.is_some();
    let witness = Witness::at(&arguments.witness, witness_key)?;
    let log = Log::from(arguments.log.open().await?);
    let file = arguments.state.map(|folder| folder.join(COSIGNED));
    let earlier = file.as_deref().and_then(|file| read(file, &keys));
    let seen = earlier.map_or(0, |earlier| earlier.checkpoint.size);

    let (size, note) = match witness.feed(&log, &keys, seen).await? {
        Cosigned::Note { size, note } => (size, note),
        Cosigned::RolledBack { seen, size } => {
            say(&format!(
                "rolled back: the log has {size} entries, and the witness has seen {seen}"
            ));
            return Ok(false);
        }
        Cosigned::Forked { seen, size } => {
            say(&format!(
                "forked: the witness refuses the checkpoint of {size} entries, because it does not \
                 continue that of {seen} entries, which it has seen"
            ));
            return Ok(false);
        }
        Cosigned::Forged(reason) => {
            say(&format!("forged: the checkpoint is not genuine: {reason}"));
            return Ok(false);
        }
    };
    if let Some(file) = &file {
        write_whole(file, note.as_bytes())
            .map_err(|error| format!("cannot write to {}: {error}", file.display()))?;
    }
    if !is_checked {
        eprintln!(
            "audit-log: the cosignature of {size} entries was not checked; give the key of the \
             witness with --witness-vkey."
        );
    }
    say(note.trim_end_matches('\n'));
    Ok(true)
}

/// The cosigned checkpoint of before. Without one, the witness says how far it is.
fn read(file: &Path, keys: &[audit_log::tree::VerifierKey]) -> Option<SignedCheckpoint> {
    let note = std::fs::read_to_string(file).ok()?;
    SignedCheckpoint::read(&note, keys).ok()
}
