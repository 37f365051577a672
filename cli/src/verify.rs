//! `audit-log verify`: proves that nothing was changed, removed or left out, or says what was.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Field;
use audit_log::tree::VerifierKey;
use audit_log_cli::audit::{self, Lists, Options, Outcome};
use audit_log_cli::log::cosignature::Cosigner;
use serde_json::json;

use crate::reading::{LogArguments, keys_of};
use crate::say;

/// Proves that nothing was changed, removed or left out of a log, or says what was.
///
/// Compares each entry of the transparency log with each event, and with every list. Prints one
/// line for each finding. Exit code: 0 if the log keeps what it promised, 1 if it does not, 2 if
/// this could not be found out.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: LogArguments,
    /// The key that signs the log, as "audit-log vkey" prints it, or a file that has it. Give two
    /// while one replaces the other.
    #[arg(long, value_name = "KEY", required = true)]
    vkey: Vec<String>,
    /// The folder for the last checkpoint. A log that is rolled back, or that shows everyone
    /// another history, is found out only with it. The next run then reads new entries only.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The lists to compare besides everyone's: all (of users, types and services), none, or those
    /// of these users.
    #[arg(long, value_name = "USER", default_value = "all", num_args = 1..)]
    users: Vec<String>,
    /// How many seconds it may take until an event is in the log.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    delay: u64,
    /// Cosign the checkpoint with the key in this file if the log is found to be right, and print
    /// it: "audit-log vkey --cosigner" creates the file.
    #[arg(long, value_name = "FILE")]
    cosign: Option<PathBuf>,
    /// Print each finding as JSON.
    #[arg(long)]
    json: bool,
}

/// The form of the progress bar.
const PROGRESS: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left";
/// The pause before something that lacks is asked for again.
const PAUSE: Duration = Duration::from_secs(2);

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match verify(arguments).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("audit-log: could not finish: {error}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

/// Returns the number of faults.
async fn verify(arguments: Arguments) -> Result<u64, Failure> {
    let keys = keys_of(&arguments.vkey)?;
    let cosigner = arguments
        .cosign
        .as_deref()
        .map(Cosigner::read)
        .transpose()?;
    let log = arguments.log.open().await?;
    let options = Options {
        keys,
        state: arguments.state,
        lists: lists(arguments.users),
        delay: Duration::from_secs(arguments.delay),
        pause: PAUSE,
        effects: Effects::system(),
    };
    let bar = crate::progress_bar(0, PROGRESS);
    let is_json = arguments.json;
    let mut report = |finding: &audit::finding::Finding| {
        if is_json {
            say(&json!(finding).to_string());
        } else {
            say(&finding.to_string());
        }
    };
    let outcome = audit::audit(&log, &options, &bar, &mut report).await?;
    summarize(&outcome, arguments.log.is_bundle(), is_json, &options.keys);
    if let Some(cosigner) = cosigner {
        cosign(
            &cosigner,
            &outcome,
            &options.lists,
            arguments.log.is_bundle(),
        )?;
    }
    Ok(outcome.faults)
}

fn lists(users: Vec<String>) -> Lists {
    match users.as_slice() {
        [all] if all == "all" => Lists::All,
        [none] if none == "none" => Lists::None,
        _ => Lists::Users(users),
    }
}

fn summarize(outcome: &Outcome, is_bundle: bool, is_json: bool, keys: &[VerifierKey]) {
    let size = outcome
        .checkpoint
        .as_ref()
        .map_or(0, |signed| signed.checkpoint.size);
    let unfiltered: Vec<&str> = outcome
        .unfiltered
        .iter()
        .copied()
        .map(Field::name)
        .collect();
    if is_json {
        let summary = json!({
            "faults": outcome.faults,
            "entries": size,
            "events": outcome.events,
            "lists": outcome.lists,
            "not_compared": unfiltered,
        });
        say(&summary.to_string());
        return;
    }
    let name = keys
        .first()
        .map(|key| key.name().as_str())
        .unwrap_or_default();
    let verdict = match outcome.faults {
        0 => "no fault".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    say(&format!(
        "Compared {size} entries of {name} with {} events and {} lists: {verdict}.",
        outcome.events, outcome.lists
    ));
    if is_bundle {
        say("A bundle has no lists. Whether a list shows every event, only the service can tell.");
    }
    for field in unfiltered {
        say(&format!("This log has no lists by {field}."));
    }
}

/// A cosignature states that everything was compared, and right.
fn cosign(
    cosigner: &Cosigner,
    outcome: &Outcome,
    lists: &Lists,
    is_bundle: bool,
) -> Result<(), Failure> {
    let Some(signed) = &outcome.checkpoint else {
        return Err("there is no checkpoint to cosign".into());
    };
    if outcome.faults > 0 {
        return Ok(());
    }
    if *lists != Lists::All || is_bundle {
        return Err(
            "the checkpoint is not cosigned, because not every list was compared; leave out \
             --users, and read the log with --log"
                .into(),
        );
    }
    let now = Effects::system().now();
    let line = cosigner.cosign(signed, now);
    say(format!("\n{}{line}", signed.note).trim_end_matches('\n'));
    Ok(())
}
