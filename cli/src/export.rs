//! `audit-log export`: writes everything that matches to a file, or copies a log into a folder that
//! can be verified without the service.

mod bundle;
mod events;
mod part;
mod records;

use std::path::PathBuf;
use std::process::ExitCode;

use audit_log_client::Format;

use crate::EXIT_USAGE;
use crate::filters::FilterArguments;
use crate::reading::{ServiceArguments, hint};

/// Writes all events that match to a file or to standard output, oldest first: as they were sent,
/// with "id" and "recorded" in front.
///
/// An export to a file that was interrupted continues when the command is repeated. The file has its
/// name once it is complete. Until then it has a name that ends with .part.
///
/// With --bundle, copies the transparency log and all events into a folder, which can be verified
/// without the service: with "audit-log verify --bundle", or with other tools for tlog-tiles. A
/// later copy into the same folder reads all events again, and only new entries.
///
/// Exit code: 0, or 2 if the file or the folder is not complete.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    #[command(flatten)]
    filters: FilterArguments,
    /// The format. Line breaks of a document become spaces in NDJSON.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: ExportFormat,
    /// The file. Without it, or with "-", the events go to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Copy the complete log into this folder.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["output", "format", "user", "type", "service", "from", "to", "order"]
    )]
    bundle: Option<PathBuf>,
    /// The key that signs the log, or a file that has it. It is checked, and copied too.
    #[arg(long, value_name = "KEY", requires = "bundle")]
    vkey: Vec<String>,
}

/// The format of an export.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExportFormat {
    /// One event a line.
    Ndjson,
    /// A table (RFC 4180).
    Csv,
}

/// Why an export is not complete.
type Failure = Box<dyn std::error::Error>;

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Format {
        match format {
            ExportFormat::Ndjson => Format::Ndjson,
            ExportFormat::Csv => Format::Csv,
        }
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    let exported = match &arguments.bundle {
        Some(folder) => bundle::copy(&arguments.log, folder, &arguments.vkey).await,
        None => events::export(&arguments).await,
    };
    match exported {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: {error}{}.", hint(error.as_ref()));
            ExitCode::from(EXIT_USAGE)
        }
    }
}
