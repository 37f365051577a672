//! The command `audit-log`: it parses the arguments and runs the command that they name.

mod completions;
mod demo;
mod export;
mod filters;
mod import;
mod list;
mod man;
mod reading;
mod rebuild;
mod report;
mod row;
mod seal;
mod start;
mod tail;
mod verify;
mod view;
mod vkey;
mod witness;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The project's own template.
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The exit code for a problem that the user can fix: an option, a port, a folder or a file.
const EXIT_USAGE: u8 = 2;

/// The audit log on one machine: POST and GET /events, on the real handlers and an embedded
/// DynamoDB engine.
#[derive(Parser)]
#[command(name = "audit-log", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: start::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the log on this machine. It is the default.
    Serve(start::Arguments),
    Report(report::Arguments),
    Import(import::Arguments),
    Rebuild(rebuild::Arguments),
    Demo(demo::Arguments),
    Verify(verify::Arguments),
    List(list::Arguments),
    Export(export::Arguments),
    Tail(tail::Arguments),
    Witness(witness::Arguments),
    View(view::Arguments),
    Vkey(vkey::Arguments),
    Seal(seal::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    log_to_standard_error();
    match command_line.command {
        None => start::run(command_line.start).await,
        Some(Command::Serve(arguments)) => start::run(arguments).await,
        Some(Command::Report(arguments)) => report::run(arguments).await,
        Some(Command::Import(arguments)) => import::run(arguments).await,
        Some(Command::Rebuild(arguments)) => rebuild::run(arguments).await,
        Some(Command::Demo(arguments)) => demo::run(arguments).await,
        Some(Command::Verify(arguments)) => verify::run(arguments).await,
        Some(Command::List(arguments)) => list::run(arguments).await,
        Some(Command::Export(arguments)) => export::run(arguments).await,
        Some(Command::Tail(arguments)) => tail::run(arguments).await,
        Some(Command::Witness(arguments)) => witness::run(arguments).await,
        Some(Command::View(arguments)) => view::run(arguments).await,
        Some(Command::Vkey(arguments)) => vkey::run(arguments).await,
        Some(Command::Seal(arguments)) => seal::run(arguments).await,
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Man(arguments)) => man::run(&arguments),
    }
}

/// Writes log lines to standard error. The variable `RUST_LOG` selects them.
fn log_to_standard_error() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,audit_log=info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .compact()
        .init();
}

/// A progress bar for `events` events, in the form of this template of indicatif.
fn progress_bar(events: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(events);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Prints a line to standard output. The reader may have closed the pipe, as `| head` does.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints bytes to standard output. The reader may have closed the pipe.
fn print_bytes(bytes: &[u8]) {
    let _ = std::io::stdout().write_all(bytes);
}
