//! `audit-log tail`: prints events in the order in which they were sealed.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit_log_cli::audit::state::write_whole;
use audit_log_client::{FeedEntry, FeedPage, Log, MAX_PER_PAGE, Retry};

use crate::reading::{ServiceArguments, hint};
use crate::{EXIT_USAGE, row};

/// Prints events in the order in which they were sealed, some 15 seconds after they were recorded.
/// No event is ever inserted before one that was printed.
///
/// Exit code: 0, 1 if an event is missing or was changed since it was sealed, 2 if the log cannot be
/// read.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    /// Wait for more events, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Leave out the first N entries.
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// Keep the number of entries that were printed in this file, and continue there. It is written
    /// after they are, so that a tail that is killed prints some again but leaves none out.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The format. The default is table on a terminal, and ndjson otherwise.
    #[arg(long, value_enum)]
    format: Option<TailFormat>,
    /// The same as --format ndjson.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The format of an entry.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TailFormat {
    /// Columns for a person.
    Table,
    /// One entry of the feed a line, with its index.
    Ndjson,
}

/// The exit code if an entry is not what was sealed.
const EXIT_TAMPERED: u8 = 1;

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match tail(arguments).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(problems) => {
            eprintln!(
                "audit-log: {problems} events are not what was sealed; \"audit-log verify\" says \
                 more."
            );
            ExitCode::from(EXIT_TAMPERED)
        }
        Err(error) => {
            eprintln!("audit-log: {error}{}.", hint(error.as_ref()));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Returns the number of entries without their event.
async fn tail(arguments: Arguments) -> Result<u64, Failure> {
    let log = arguments.log.client().await?;
    let format = match arguments.format {
        _ if arguments.json => TailFormat::Ndjson,
        Some(format) => format,
        None if std::io::stdout().is_terminal() => TailFormat::Table,
        None => TailFormat::Ndjson,
    };
    let state = arguments.state.as_deref();
    let mut after = match state {
        Some(file) => place_in(file)?.unwrap_or(arguments.after),
        None => arguments.after,
    };
    let mut problems = 0;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut is_first = true;
    loop {
        let page = tokio::select! {
            page = read(&log, after, is_first) => page?,
            _ = &mut interrupt => return Ok(problems),
        };
        is_first = false;
        match print(&page.entries, format) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(problems),
            Err(error) => return Err(format!("cannot write the events: {error}").into()),
        }
        problems += page
            .entries
            .iter()
            .filter(|entry| entry.event.is_err())
            .count() as u64;
        if let Some(file) = state
            && !page.entries.is_empty()
        {
            keep(file, page.next)?;
        }
        after = page.next;
        match page.wait {
            None => {}
            Some(_) if !arguments.follow => return Ok(problems),
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut interrupt => return Ok(problems),
            },
        }
    }
}

/// A log that cannot be reached at all is found at once. One that was reached may come back.
async fn read(log: &Log, after: u64, is_first: bool) -> Result<FeedPage, Failure> {
    let log = match is_first {
        true => log.clone().with_read_retry(Retry::NEVER),
        false => log.clone(),
    };
    Ok(log.feed_page(after, MAX_PER_PAGE).await?)
}

fn print(entries: &[FeedEntry], format: TailFormat) -> std::io::Result<()> {
    let mut lines = String::new();
    for entry in entries {
        lines.push_str(&line(entry, format));
        lines.push('\n');
    }
    let mut output = std::io::stdout().lock();
    output.write_all(lines.as_bytes())?;
    output.flush()
}

fn line(entry: &FeedEntry, format: TailFormat) -> String {
    match (format, &entry.event) {
        // Line breaks within a document can only be white space between its members.
        (TailFormat::Ndjson, _) => entry.text.replace(['\r', '\n'], " "),
        (TailFormat::Table, Ok(event)) => row::row(event),
        (TailFormat::Table, Err(problem)) => {
            format!("Entry {} ({}): {problem}.", entry.index, entry.id)
        }
    }
}

/// The number of entries that were printed. `None` if there is no such file yet.
fn place_in(file: &Path) -> Result<Option<u64>, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display()).into()),
    };
    match text.trim().parse() {
        Ok(place) => Ok(Some(place)),
        Err(_) => {
            let problem = format!(
                "{} does not have the number of entries that were printed; remove it",
                file.display()
            );
            Err(problem.into())
        }
    }
}

fn keep(file: &Path, place: u64) -> Result<(), Failure> {
    let written = write_whole(file, format!("{place}\n").as_bytes());
    written.map_err(|error| format!("cannot write to {}: {error}", file.display()).into())
}
