//! The file of an export that is not complete.
//!
//! Its name has a hash of the log, the filters and the format, so that another export to the same
//! file does not continue it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use audit_log_cli::audit::state::folder_of;
use sha2::{Digest, Sha256};

use super::Failure;
use super::records::Records;

/// How much of a file is read at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// A file that is not complete.
pub struct Part {
    file: File,
    name: PathBuf,
    /// The file once it is complete.
    complete: PathBuf,
}

impl Part {
    /// Opens the file of this export, and reads its events. Half an event at its end is cut off.
    pub fn open(complete: &Path, identity: &str, records: &mut Records) -> Result<Part, Failure> {
        let name = name_of(complete, identity);
        let failed = |error: std::io::Error| format!("cannot write to {}: {error}", name.display());
        std::fs::create_dir_all(folder_of(complete)).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&name).map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(format!("another export writes to {}", name.display()).into());
        }
        read(&mut file, records).map_err(|problem| {
            format!(
                "{} is not a part of an export: {problem}; remove it",
                name.display()
            )
        })?;
        file.set_len(records.end).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Part {
            file,
            name,
            complete: complete.to_owned(),
        })
    }

    /// The name of the file.
    pub fn name(&self) -> String {
        self.name.display().to_string()
    }

    /// Gives the file its name.
    pub fn finish(self) -> Result<(), Failure> {
        let renamed = || {
            self.file.sync_all()?;
            std::fs::rename(&self.name, &self.complete)?;
            // The new name is on the disk once the folder is.
            File::open(folder_of(&self.complete))?.sync_all()
        };
        let complete = self.complete.display();
        renamed().map_err(|error| format!("cannot write {complete}: {error}").into())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn name_of(complete: &Path, identity: &str) -> PathBuf {
    let hash = Sha256::digest(identity.as_bytes());
    let hash: String = hash
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut name = OsString::from(complete);
    name.push(format!(".{hash}.part"));
    PathBuf::from(name)
}

fn read(file: &mut File, records: &mut Records) -> Result<(), String> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = file.read(&mut piece).map_err(|error| error.to_string())?;
        if bytes == 0 {
            return Ok(());
        }
        records.read(&piece[..bytes])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_log_client::Format;

    const LINE: &str = "{\"id\":\"018cc251-f400-7000-803e-38b8163c9160\",\"recorded\":{}}\n";

    fn open(file: &Path, identity: &str) -> Result<(Part, u64), String> {
        let mut records = Records::new(Format::Ndjson);
        let part = Part::open(file, identity, &mut records);
        part.map(|part| (part, records.events))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn half_a_line_is_cut_off_and_the_rest_follows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let (mut part, _) = open(&file, "a").unwrap();
        write!(part, "{LINE}{LINE}{}", &LINE[..20]).unwrap();
        drop(part);
        let (mut part, events) = open(&file, "a").unwrap();
        assert_eq!(events, 2);
        write!(part, "{LINE}").unwrap();
        assert!(!file.exists());
        part.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), LINE.repeat(3));
    }

    #[test]
    fn an_export_of_other_events_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let (mut part, _) = open(&file, "a").unwrap();
        write!(part, "{LINE}").unwrap();
        assert!(open(&file, "a").is_err_and(|error| error.contains("another export")));
        assert_eq!(open(&file, "b").unwrap().1, 0);
    }
}
