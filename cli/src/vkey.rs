//! `audit-log vkey`: prints the key with which anyone can verify the log.

use std::path::PathBuf;
use std::process::ExitCode;

use audit_log_cli::serve::log_key::{LogKey, key_file};

use crate::{EXIT_USAGE, say};

/// Prints the verifier key of a local log, as <https://c2sp.org/signed-note> writes it.
///
/// Exit code: 0, or 2 if the key cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder with the data of the local service.
    #[arg(long, default_value = ".audit-log")]
    data: PathBuf,
}

/// Runs the command.
pub fn run(arguments: Arguments) -> ExitCode {
    let file = key_file(&arguments.data);
    if !file.exists() {
        eprintln!(
            "There is no log in {}. Start the service there first, or give its folder with --data.",
            arguments.data.display()
        );
        return ExitCode::from(EXIT_USAGE);
    }
    match LogKey::open(&file) {
        Ok(key) => {
            say(&key.verifier_key().to_string());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}
