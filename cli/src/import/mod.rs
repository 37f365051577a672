//! `audit-log import`: reports the events of the old service, which kept them in MongoDB.

pub mod extended;
pub mod old_event;
pub mod progress;
pub mod rate;
pub mod timestamps;

use std::io::BufRead;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use audit_log_client::{Document, Log};
use futures_util::stream::{Stream, StreamExt};
use jiff::Zoned;
use jiff::tz::TimeZone;

use self::progress::{Place, Progress, Settled};
use self::rate::Rate;
use crate::reading::ServiceArguments;
use crate::report::batches::{Batch, Entry, batches};
use crate::report::keys::key_of_text;
use crate::report::send::{probe, send};
use crate::report::split::{Part, Parts};
use crate::report::tally::{Tally, events};
use crate::report::{Stopped, input, unreadable};

/// Imports the events of the old service from a file of mongoexport.
///
/// The _id of a document is its key, so each is recorded once, however often you import. Documents
/// are sent in the order of the file. An import that was interrupted continues where it stopped.
///
/// Exit code: 0 if every event is recorded, 1 if some were refused, 2 if the file cannot be read or
/// the log does not respond.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file: one document a line, or an array. It may be compressed with gzip.
    file: PathBuf,
    /// The time zone of timestamps without an offset, such as Europe/Berlin or +01:00.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    zone: TimeZone,
    /// The largest number of events a second. The default is as fast as the log is.
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Keep the place in this file. The default is FILE.import-progress.
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// Print a line of JSON for each event, with its line in the file, and its ID or its problem.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArguments,
}

/// A document of the old service can be larger than the event that it becomes, because extended
/// JSON spells the type of each number.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match import(arguments).await {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("audit-log: {problem}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

async fn import(arguments: Arguments) -> Result<ExitCode, String> {
    let log = arguments.service.client().await.map_err(text)?;
    let file = arguments.file;
    let input = input::open(&file).map_err(|error| unreadable(&file, &error))?;
    probe(&log).await.map_err(text)?;

    // 1. Skip what an earlier run has settled.
    let progress = Progress::of(&file, log.url().as_str(), arguments.progress);
    let mut place = progress.read()?;
    let parts = Parts::new(input.reader, MAX_LINE_BYTES);
    let mut entries = Entries {
        parts: parts.map_err(|error| unreadable(&file, &error))?,
        zone: arguments.zone,
        file,
    };
    entries.skip(&place, &progress)?;
    if place.documents > 0 {
        eprintln!("Continuing after the first {}.", events(place.documents));
    }
    // 2. Send the rest, one batch after the other, because their order matters.
    let mut rate = Rate::new(arguments.rate);
    let batches = batches(rate.max_batch(), move || entries.next());
    let mut tally = Tally::new(input.bar, arguments.json);
    let end = send_in_order(&log, batches, &mut rate, &mut tally, |settled| {
        place.advance(settled);
        progress.write(&place)
    })
    .await;
    tally.finish();
    match end {
        Ok(()) => progress.remove(),
        Err(Stopped::Input(problem)) => return Err(problem),
        Err(Stopped::Log(failure)) => {
            return Err(format!(
                "{failure}; run the same command again, which continues here"
            ));
        }
    }
    if place.refused > tally.refused {
        let earlier = events(place.refused - tally.refused);
        eprintln!("audit-log: earlier runs of this import had {earlier} refused.");
        return Ok(ExitCode::from(1));
    }
    Ok(tally.exit_code())
}

/// Sends the batches one after the other. `settle` keeps the place after each.
async fn send_in_order(
    log: &Log,
    batches: impl Stream<Item = Result<Batch, String>>,
    rate: &mut Rate,
    tally: &mut Tally,
    mut settle: impl FnMut(Settled) -> Result<(), String>,
) -> Result<(), Stopped> {
    let mut batches = pin!(batches);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(Stopped::Input)?;
        let Some(last) = batch.last() else {
            continue;
        };
        let mut settled = Settled {
            documents: batch.len() as u64,
            refused: 0,
            last: mark(last),
        };
        rate.wait(batch.len()).await;
        let refused = tally.refused;
        let sent = send(log, batch).await;
        tally.add(&sent);
        if let Some(failure) = sent.failure {
            return Err(Stopped::Log(failure));
        }
        settled.refused = tally.refused - refused;
        settle(settled).map_err(Stopped::Input)?;
    }
    Ok(())
}

/// The documents of a file, as events.
struct Entries<R> {
    parts: Parts<R>,
    zone: TimeZone,
    file: PathBuf,
}

impl<R: BufRead> Entries<R> {
    fn next(&mut self) -> Result<Option<Entry>, String> {
        match self.parts.next() {
            Ok(part) => Ok(part.map(|part| entry(part, &self.zone))),
            Err(error) => Err(unreadable(&self.file, &error)),
        }
    }

    /// Skips what is settled. The last of it must be the document that it was.
    fn skip(&mut self, place: &Place, progress: &Progress) -> Result<(), String> {
        let mut last = None;
        for _ in 0..place.documents {
            last = self.next()?;
        }
        let is_same = place.documents == 0 || last.is_some_and(|last| mark(&last) == place.last);
        if is_same {
            return Ok(());
        }
        Err(format!(
            "{} is not the file whose import was interrupted; remove {} to import it from the \
             beginning, which records nothing twice",
            self.file.display(),
            progress.path().display()
        ))
    }
}

fn entry(part: Part, zone: &TimeZone) -> Entry {
    let event = part.text.and_then(|text| old_event::read(&text, zone));
    Entry {
        line: part.line,
        document: event.map(|event| Document::new(event.document).with_key(event.key)),
    }
}

/// What tells an entry from others: the hash of its key, or of its problem.
fn mark(entry: &Entry) -> String {
    match &entry.document {
        Ok(document) => key_of_text(document.key().unwrap_or_default()),
        Err(problem) => key_of_text(problem),
    }
}

/// A zone of the IANA database such as `Europe/Berlin`, or an offset such as `+01:00`.
fn zone(text: &str) -> Result<TimeZone, String> {
    let midnight = format!("1970-01-02T00:00:00{text}[{text}]");
    if let Ok(zoned) = midnight.parse::<Zoned>() {
        return Ok(zoned.time_zone().clone());
    }
    TimeZone::get(text).map_err(|_| {
        "write a time zone such as Europe/Berlin, or an offset such as +01:00".to_owned()
    })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_a_name_or_an_offset() {
        for (text, name) in [
            ("UTC", Some("UTC")),
            ("Europe/Berlin", Some("Europe/Berlin")),
        ] {
            assert_eq!(zone(text).unwrap().iana_name(), name);
        }
        let offset = zone("+01:30").unwrap().to_fixed_offset().unwrap();
        assert_eq!(offset.seconds(), 5400);
        for text in ["", "Nowhere/Here", "+26:00", "1"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }
}
