//! `audit-log verify` and the other tools of an auditor, on logs that lie.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod backfill;
mod bundle;
mod clean;
mod fake;
mod service;
mod tables;
mod verdicts;
mod witness;

use std::path::Path;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log_cli::audit::{self, Lists, Options, Outcome};
use audit_log_cli::log::Log;
use fake::{FakeLog, NOW};
use indicatif::ProgressBar;

/// How an audit of this log is done.
fn options(log: &FakeLog) -> Options {
    let clock = || Timestamp::from_millis(NOW);
    Options {
        keys: vec![log.content().key.verifier_key()],
        state: None,
        lists: Lists::All,
        delay: Duration::from_secs(600),
        pause: Duration::ZERO,
        effects: Effects::system().with_clock(clock),
    }
}

/// The same, with a folder for what is kept.
fn with_state(log: &FakeLog, folder: &Path) -> Options {
    Options {
        state: Some(folder.to_owned()),
        ..options(log)
    }
}

/// Audits a log, and returns each line that it printed.
async fn audit(log: &FakeLog, options: &Options) -> (Outcome, Vec<String>) {
    audit_log(&log.reader().await, options).await
}

async fn audit_log(log: &Log, options: &Options) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let mut report = |finding: &audit::finding::Finding| lines.push(finding.to_string());
    let bar = ProgressBar::hidden();
    let outcome = audit::audit(log, options, &bar, &mut report).await.unwrap();
    (outcome, lines)
}

/// What an audit of this log says.
async fn findings(log: &FakeLog) -> Vec<String> {
    let (outcome, lines) = audit(log, &options(log)).await;
    let faults = lines.iter().filter(|line| {
        let is_note = line.starts_with("pending") || line.starts_with("late");
        !is_note
    });
    assert_eq!(outcome.faults, faults.count() as u64);
    lines
}
