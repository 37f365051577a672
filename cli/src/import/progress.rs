//! How far an import has come, in a file next to the imported one.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// What is appended to the name of the imported file.
const EXTENSION: &str = "import-progress";

/// The file that says how far an import has come.
pub struct Progress {
    path: PathBuf,
    log: String,
}

/// How far an import has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The log to which the documents went.
    log: String,
    /// How many documents of the file are settled: recorded or refused.
    pub documents: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// The SHA-256 of the last of them, which tells another file from this one.
    pub last: String,
}

/// A batch that is recorded or refused.
#[derive(Debug)]
pub struct Settled {
    /// Its documents.
    pub documents: u64,
    /// Those that were refused.
    pub refused: u64,
    /// The SHA-256 of the last one.
    pub last: String,
}

impl Place {
    /// Moves behind a batch.
    pub fn advance(&mut self, batch: Settled) {
        self.documents += batch.documents;
        self.refused += batch.refused;
        self.last = batch.last;
    }
}

impl Progress {
    /// The progress of importing a file into a log. `path` replaces the usual name.
    pub fn of(file: &Path, log: &str, path: Option<PathBuf>) -> Progress {
        let usual = || {
            let mut name = file.as_os_str().to_owned();
            name.push(format!(".{EXTENSION}"));
            PathBuf::from(name)
        };
        Progress {
            path: path.unwrap_or_else(usual),
            log: log.to_owned(),
        }
    }

    /// Where an earlier run has stopped. The beginning, if it imported into another log.
    ///
    /// # Errors
    ///
    /// A sentence, if the file cannot be read.
    pub fn read(&self) -> Result<Place, String> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::default()),
            Err(error) => return Err(self.problem(&error)),
        };
        let place: Place = serde_json::from_str(&text).map_err(|error| self.problem(&error))?;
        if place.log != self.log {
            return Ok(Place::default());
        }
        Ok(place)
    }

    /// Remembers a place. The file is complete at any time, also after a kill.
    ///
    /// # Errors
    ///
    /// A sentence, if the file cannot be written.
    pub fn write(&self, place: &Place) -> Result<(), String> {
        let place = Place {
            log: self.log.clone(),
            ..place.clone()
        };
        self.replace(&place).map_err(|error| {
            format!(
                "cannot write {}: {error}; name another file with --progress",
                self.path.display()
            )
        })
    }

    fn replace(&self, place: &Place) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| *folder != Path::new(""));
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer(&mut file, place)?;
        file.write_all(b"\n")?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// Removes the file, because the import is complete.
    pub fn remove(&self) {
        // A file that stays does no harm: its keys record nothing twice.
        let _ = fs::remove_file(&self.path);
    }

    /// The name of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn problem(&self, error: &dyn std::error::Error) -> String {
        format!(
            "cannot read {}: {error}; remove it to begin again, which records nothing twice",
            self.path.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_one_file_in_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.json");
        let progress = Progress::of(&file, "http://one", None);
        assert_eq!(progress.read(), Ok(Place::default()));
        let place = Place {
            documents: 7,
            refused: 1,
            last: "abc".to_owned(),
            log: "http://one".to_owned(),
        };
        progress.write(&place).unwrap();
        assert_eq!(progress.read(), Ok(place));
        let other = Progress::of(&file, "http://other", None);
        assert_eq!(other.read(), Ok(Place::default()));
        progress.remove();
        assert_eq!(progress.read(), Ok(Place::default()));

        fs::write(progress.path(), "{").unwrap();
        assert!(progress.read().unwrap_err().contains("remove it"));
    }
}
