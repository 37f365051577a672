//! `audit-log completions`: completes commands and options in a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{CommandLine, print_bytes};

/// Prints a script with which a shell completes commands and options, such as:
/// source <(audit-log completions bash)
#[derive(clap::Args)]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    let mut command = CommandLine::command();
    generate(arguments.shell, &mut command, "audit-log", &mut script);
    print_bytes(&script);
    ExitCode::SUCCESS
}
