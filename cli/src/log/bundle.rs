//! A log in a folder, as `audit-log export` writes it. Its layout is that of a static log of
//! <https://c2sp.org/tlog-tiles>, with the events next to it.
//!
//! | file | content |
//! |---|---|
//! | `checkpoint` | the signed checkpoint |
//! | `tile/…` | the tiles of hashes and of entries up to the checkpoint |
//! | `vkey` | the verifier key, for those who have no copy of it yet |
//! | `events.json-seq` | the events as they were sent (RFC 7464): 0x1E, the text, a line feed |

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use audit_log::tree::Tile;

use super::{LogError, RecordedEvent};

/// The name of the checkpoint's file.
pub const CHECKPOINT: &str = "checkpoint";
/// The name of the verifier key's file.
pub const VKEY: &str = "vkey";
/// The name of the events' file.
pub const EVENTS: &str = "events.json-seq";
/// What each event begins with. It is not part of any JSON text.
pub const RECORD_SEPARATOR: u8 = 0x1e;
/// A longer text is no event: 256 KiB of document, and what was recorded about it.
const MAX_EVENT_BYTES: u64 = 1024 * 1024;

/// A folder with a log.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
}

/// The events of a bundle, in the order of the file.
pub struct Events {
    file: PathBuf,
    reader: BufReader<File>,
    is_at_start: bool,
    /// Whether a separator was read, which an event must follow.
    is_in_event: bool,
}

impl Bundle {
    /// The bundle in a folder.
    pub fn new(folder: &Path) -> Bundle {
        Bundle {
            folder: folder.to_owned(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The checkpoint.
    ///
    /// # Errors
    ///
    /// [`LogError::File`], as for every read here.
    pub fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let file = self.folder.join(CHECKPOINT);
        match std::fs::read_to_string(&file) {
            Ok(note) => Ok(Some(note)),
            Err(error) => Err(unreadable(&file, error)),
        }
    }

    /// A tile.
    ///
    /// # Errors
    ///
    /// [`LogError::File`].
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LogError> {
        let file = self.folder.join(tile.to_string());
        match std::fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&file, error)),
        }
    }

    /// The events.
    ///
    /// # Errors
    ///
    /// [`LogError::File`].
    pub fn events(&self) -> Result<Events, LogError> {
        let file = self.folder.join(EVENTS);
        let opened = File::open(&file).map_err(|error| unreadable(&file, error))?;
        Ok(Events {
            file,
            reader: BufReader::new(opened),
            is_at_start: true,
            is_in_event: false,
        })
    }
}

impl Events {
    /// The next event, or `None` at the end.
    fn read(&mut self) -> Result<Option<RecordedEvent>, LogError> {
        if self.is_at_start {
            self.is_at_start = false;
            match self.record()?.as_deref() {
                None => return Ok(None),
                Some([]) => {}
                Some(_) => return Err(unreadable(&self.file, "it does not begin with 0x1E")),
            }
        }
        let Some(record) = self.record()? else {
            return Ok(None);
        };
        let text = record
            .strip_suffix(b"\n")
            .ok_or("an event has no line feed at its end: the file was cut");
        text.and_then(|text| std::str::from_utf8(text).map_err(|_| "an event is not UTF-8"))
            .and_then(RecordedEvent::parse)
            .map(Some)
            .map_err(|problem| unreadable(&self.file, problem))
    }

    /// The bytes up to the next separator, without it. `None` at the end.
    fn record(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        let mut record = Vec::new();
        let read = (&mut self.reader)
            .take(MAX_EVENT_BYTES)
            .read_until(RECORD_SEPARATOR, &mut record)
            .map_err(|error| unreadable(&self.file, error))?;
        if read as u64 == MAX_EVENT_BYTES {
            return Err(unreadable(&self.file, "an event is longer than 1 MB"));
        }
        if read == 0 && self.is_in_event {
            return Err(unreadable(
                &self.file,
                "its last event is missing: the file was cut",
            ));
        }
        if read == 0 {
            return Ok(None);
        }
        self.is_in_event = record.pop_if(|last| *last == RECORD_SEPARATOR).is_some();
        Ok(Some(record))
    }
}

impl Iterator for Events {
    type Item = Result<RecordedEvent, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn unreadable(file: &Path, problem: impl ToString) -> LogError {
    LogError::File {
        file: file.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"018cc251-f400-7000-803e-38b8163c9160","recorded":{"at":"2026-11-23T17:59:05.908Z","by":null,"from":null},"user_id":"1",
 "event_type":"a"}"#;

    fn read(content: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(EVENTS), content).unwrap();
        let events = Bundle::new(folder.path()).events().unwrap();
        let events: Result<Vec<RecordedEvent>, LogError> = events.collect();
        events
            .map(|events| events.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_event_with_line_feeds_is_one_event() {
        assert_eq!(read(""), Ok(0));
        assert_eq!(read(&format!("\u{1e}{EVENT}\n")), Ok(1));
        assert_eq!(read(&format!("\u{1e}{EVENT}\n\u{1e}{EVENT}\n")), Ok(2));
    }

    #[test]
    fn a_file_that_was_cut_is_not_read_as_complete() {
        for content in [
            format!("\u{1e}{EVENT}"),
            format!("\u{1e}{EVENT}\n\u{1e}{}", &EVENT[..50]),
            format!("\u{1e}{EVENT}\n\u{1e}"),
            format!("{EVENT}\n"),
            "\n".to_owned(),
        ] {
            assert!(read(&content).is_err(), "{content:?}");
        }
    }
}
