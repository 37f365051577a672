//! `audit-log report`: reports the events of a file.

pub mod batches;
pub mod input;
pub mod json;
pub mod keys;
pub mod send;
pub mod split;
pub mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit_log_client::{Document, Log, MAX_DOCUMENT_BYTES};
use futures_util::stream::{Stream, StreamExt};
use serde_json::value::RawValue;

use self::batches::{Batch, Entry, batches};
use self::json::string;
use self::keys::Keys;
use self::send::{Sent, probe, send};
use self::split::{Part, Parts};
use self::tally::Tally;
use crate::reading::ServiceArguments;

/// Reports events: one JSON document, an array of them, or one a line (NDJSON).
///
/// Each event is recorded as it is spelled, under a key that is made from its text. So you can
/// repeat the command after an interruption, or when the file has grown, and nothing is recorded
/// twice. An element {"key": "…", "event": {…}} has a key of its own.
///
/// Exit code: 0 if every event is recorded, 1 if some were refused, 2 if the input cannot be read
/// or the log does not respond.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to read, or - for standard input. It may be compressed with gzip.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The number of requests that run at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// Print a line of JSON for each event, with its line in the file, and its ID or its problem.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArguments,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match report(arguments).await {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("audit-log: {problem}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

async fn report(arguments: Arguments) -> Result<ExitCode, String> {
    let log = arguments.service.client().await.map_err(text)?;
    let file = arguments.file;
    let input = input::open(&file).map_err(|error| unreadable(&file, &error))?;
    probe(&log).await.map_err(text)?;

    let mut keys = Keys::new().map_err(text)?;
    let mut parts =
        Parts::new(input.reader, MAX_DOCUMENT_BYTES).map_err(|error| unreadable(&file, &error))?;
    let next = move || match parts.next() {
        Ok(Some(part)) => Ok(Some(entry(part, &mut keys)?)),
        Ok(None) => Ok(None),
        Err(error) => Err(unreadable(&file, &error)),
    };
    let mut tally = Tally::new(input.bar, arguments.json);
    let batches = batches(usize::MAX, next);
    let end = send_all(&log, batches, arguments.connections, &mut tally).await;
    tally.finish();
    match end {
        Ok(()) => Ok(tally.exit_code()),
        Err(Stopped::Input(problem)) => Err(problem),
        Err(Stopped::Log(failure)) => Err(format!(
            "{failure}; run the same command again, which records nothing twice"
        )),
    }
}

/// Why events were left that were not sent.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The rest of the input cannot be read.
    #[error("{0}")]
    Input(String),
    /// The log does not respond, or refuses the caller.
    #[error(transparent)]
    Log(audit_log_client::Error),
}

/// Sends all batches, some of them at the same time.
///
/// # Errors
///
/// [`Stopped`], if some were not sent.
pub async fn send_all(
    log: &Log,
    batches: impl Stream<Item = Result<Batch, String>>,
    connections: u16,
    tally: &mut Tally,
) -> Result<(), Stopped> {
    let sent = batches
        .map(async |batch| Ok::<Sent, String>(send(log, batch?).await))
        .buffered(usize::from(connections));
    let mut sent = std::pin::pin!(sent);
    while let Some(batch) = sent.next().await {
        let batch = batch.map_err(Stopped::Input)?;
        tally.add(&batch);
        if let Some(failure) = batch.failure {
            return Err(Stopped::Log(failure));
        }
    }
    Ok(())
}

fn entry(part: Part, keys: &mut Keys) -> Result<Entry, String> {
    let document = match part.text.and_then(|text| checked(&text).map(|()| text)) {
        Ok(text) => Ok(under_a_key(text, keys)?),
        Err(problem) => Err(problem),
    };
    Ok(Entry {
        line: part.line,
        document,
    })
}

/// A batch could not be split again if a part of it was no JSON object.
fn checked(text: &str) -> Result<(), String> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) if text.starts_with('{') => Ok(()),
        Ok(_) => Err("it is not a JSON object; an event is one object".to_owned()),
        Err(error) => Err(format!(
            "it is not a JSON document ({error}); correct it, or leave it out"
        )),
    }
}

/// The document under the key that it brings, or under the key of its text.
fn under_a_key(text: String, keys: &mut Keys) -> Result<Document, String> {
    if let Some((key, event)) = with_its_key(&text) {
        return Ok(Document::new(event).with_key(key));
    }
    let key = keys.next(&text).map_err(|error| {
        format!("cannot write a temporary file: {error}; make room where TMPDIR points")
    })?;
    Ok(Document::new(text).with_key(key))
}

/// The two members of `{"key": "…", "event": {…}}`, in either order.
fn with_its_key(text: &str) -> Option<(String, String)> {
    let members = json::members(text)?;
    let [one, two] = members.0[..] else {
        return None;
    };
    let (key, event) = match (string(one.0.get())?.as_str(), string(two.0.get())?.as_str()) {
        ("key", "event") => (one.1, two.1),
        ("event", "key") => (two.1, one.1),
        _ => return None,
    };
    Some((string(key.get())?, event.get().to_owned()))
}

/// What failed while a file was read.
pub fn unreadable(file: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", file.display())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Result<Document, String> {
        let part = Part {
            line: 1,
            text: Ok(text.to_owned()),
        };
        entry(part, &mut Keys::new().unwrap()).unwrap().document
    }

    #[test]
    fn an_event_may_bring_its_key() {
        for element in [
            r#"{"key":"k","event":{"a": 1.0}}"#,
            r#"{"event": {"a": 1.0} , "key": "k"}"#,
        ] {
            let document = document(element).unwrap();
            assert_eq!(document.key(), Some("k"));
            assert_eq!(document.text(), r#"{"a": 1.0}"#);
        }
        let plain = r#"{"key":"k","event":{},"a":1}"#;
        assert_eq!(document(plain).unwrap().text(), plain);
        assert_eq!(document(plain).unwrap().key().unwrap().len(), 64);
    }

    #[test]
    fn text_that_is_no_object_cannot_be_sent() {
        for text in ["7", "[{}]", "", "{", "{},{}", "{}}\n{", r#"{"a":1},"b":{}"#] {
            assert!(document(text).is_err(), "{text}");
        }
    }
}
