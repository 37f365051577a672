//! `audit-log man`: the manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::{Man, generate_to};

use crate::{CommandLine, EXIT_USAGE, print_bytes};

/// Prints the manual page, or writes that of each command into a folder.
///
/// Read it with: audit-log man | man -l -
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder, such as ~/.local/share/man/man1.
    folder: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> ExitCode {
    match write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: cannot write the manual: {error}.");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn write(arguments: &Arguments) -> std::io::Result<()> {
    let command = CommandLine::command();
    if let Some(folder) = &arguments.folder {
        std::fs::create_dir_all(folder)?;
        return generate_to(command, folder);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    print_bytes(&page);
    Ok(())
}
