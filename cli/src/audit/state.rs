//! What an auditor keeps from one audit to the next: the checkpoint, the entries up to it, and the
//! evidence of a log that contradicts itself.
//!
//! | file | content |
//! |---|---|
//! | `checkpoint` | the newest checkpoint that was verified |
//! | `entries` | its entries, one after the other, so that only new ones are read |
//! | `evidence-…` | two notes that contradict each other, both signed by the log |

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use audit_log::tree::entry::ENTRY_BYTES;
use audit_log::tree::{Hash, VerifierKey};
use tempfile::NamedTempFile;

use super::tree::GrowingTree;
use crate::log::SignedCheckpoint;

const CHECKPOINT: &str = "checkpoint";
const ENTRIES: &str = "entries";

/// A folder with what is kept.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
}

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file cannot be read or written.
    #[error("cannot keep the state of the audit in {file}: {error}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The checkpoint that was kept is not one of this log.
    #[error(
        "the checkpoint in {file} is not one of this log: {reason}; give the keys with which it \
        was verified (--vkey), or another folder (--state)",
        file = file.display()
    )]
    OtherLog {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl StateFolder {
    /// The state in a folder, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StateError`], as for everything here.
    pub fn open(folder: &Path) -> Result<StateFolder, StateError> {
        let state = StateFolder {
            folder: folder.to_owned(),
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        Ok(state)
    }

    /// The checkpoint that was kept, if there is one.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn checkpoint(&self, keys: &[VerifierKey]) -> Result<Option<SignedCheckpoint>, StateError> {
        let file = self.folder.join(CHECKPOINT);
        let note = match std::fs::read_to_string(&file) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&file, error)),
        };
        SignedCheckpoint::read(&note, keys)
            .map(Some)
            .map_err(|reason| StateError::OtherLog { file, reason })
    }

    /// Passes the entries that were kept to `each`, with the hashes of their leaves, and returns
    /// their tree. `None` if they are not the entries of this root: they are only a copy, and the
    /// log has them.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn entries(
        &self,
        size: u64,
        root: Hash,
        mut each: impl FnMut(u64, &[u8], Hash),
    ) -> Result<Option<GrowingTree>, StateError> {
        let file = self.folder.join(ENTRIES);
        let opened = match File::open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&file, error)),
        };
        let mut reader = BufReader::new(opened);
        let mut tree = GrowingTree::default();
        let mut entry = [0; ENTRY_BYTES];
        while tree.size() < size {
            match reader.read_exact(&mut entry) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(failed(&file, error)),
            }
            let index = tree.size();
            let leaf = tree.push(&entry);
            each(index, &entry, leaf);
        }
        Ok((tree.root() == root).then_some(tree))
    }

    /// A file for the entries from `size` on. Entries behind it are cut off, because no checkpoint
    /// was kept for them.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn appender(&self, size: u64) -> Result<EntryFile, StateError> {
        let file = self.folder.join(ENTRIES);
        let open = || {
            let mut opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&file)?;
            opened.set_len(size * ENTRY_BYTES as u64)?;
            opened.seek(SeekFrom::End(0))?;
            Ok(BufWriter::new(opened))
        };
        let writer = open().map_err(|error| failed(&file, error))?;
        Ok(EntryFile { file, writer })
    }

    /// Keeps a checkpoint. All of its entries must be on the disk already.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn keep(&self, note: &str) -> Result<(), StateError> {
        self.write(CHECKPOINT, note)
    }

    /// Keeps two notes that contradict each other. They are evidence, because both are signed.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn keep_evidence(
        &self,
        kept: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<(), StateError> {
        for signed in [kept, shown] {
            let size = signed.checkpoint.size;
            // Several roots of one size are the evidence.
            let root = &signed.checkpoint.root.as_bytes()[..4];
            let root: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
            self.write(&format!("evidence-{size}-{root}"), &signed.note)?;
        }
        Ok(())
    }

    /// Writes a file as a whole, so that a crash leaves the old one or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let file = self.folder.join(name);
        write_whole(&file, text.as_bytes()).map_err(|error| failed(&file, error))
    }
}

/// Writes a file as a whole: a crash leaves the old one or the new one.
///
/// # Errors
///
/// Those of the file system.
pub fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = folder_of(file);
    std::fs::create_dir_all(folder)?;
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    // The new name is on the disk once the folder is.
    File::open(folder)?.sync_all()
}

/// The folder of a file. The parent of a bare name is an empty path, which no folder has.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file to which entries are added.
#[derive(Debug)]
pub struct EntryFile {
    file: PathBuf,
    writer: BufWriter<File>,
}

impl EntryFile {
    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn push(&mut self, entry: &[u8]) -> Result<(), StateError> {
        let written = self.writer.write_all(entry);
        written.map_err(|error| failed(&self.file, error))
    }

    /// Puts the entries on the disk.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn sync(&mut self) -> Result<(), StateError> {
        let synced = self
            .writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all());
        synced.map_err(|error| failed(&self.file, error))
    }
}

fn failed(file: &Path, error: std::io::Error) -> StateError {
    StateError::File {
        file: file.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(folder: &StateFolder, from: u64, to: u64) -> Hash {
        let mut tree = GrowingTree::default();
        let mut file = folder.appender(from).unwrap();
        for entry in 0..to {
            let entry = [entry as u8; ENTRY_BYTES];
            tree.push(&entry);
            if tree.size() > from {
                file.push(&entry).unwrap();
            }
        }
        file.sync().unwrap();
        tree.root()
    }

    fn read(folder: &StateFolder, size: u64, root: Hash) -> Option<u64> {
        let mut entries = 0;
        let tree = folder
            .entries(size, root, |_, _, _| entries += 1)
            .unwrap()?;
        assert_eq!(entries, tree.size());
        Some(entries)
    }

    #[test]
    fn entries_are_added_to_those_that_were_kept() {
        let directory = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&directory.path().join("state")).unwrap();
        let empty = Hash::of_empty_tree();
        assert_eq!(read(&folder, 0, empty), None);
        let three = push(&folder, 0, 3);
        assert_eq!(read(&folder, 3, three), Some(3));
        let five = push(&folder, 3, 5);
        assert_eq!(read(&folder, 5, five), Some(5));
        // Those behind the checkpoint are there after a crash. They are read again.
        assert_eq!(read(&folder, 3, three), Some(3));
        let four = push(&folder, 3, 4);
        assert_eq!(read(&folder, 5, five), None);
        assert_eq!(read(&folder, 4, four), Some(4));
    }

    #[test]
    fn a_damaged_copy_of_the_entries_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(directory.path()).unwrap();
        let root = push(&folder, 0, 3);
        let file = directory.path().join(ENTRIES);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[60] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(read(&folder, 3, root), None);
    }

    #[test]
    fn a_state_of_another_log_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(directory.path()).unwrap();
        assert!(folder.checkpoint(&[]).unwrap().is_none());
        folder.keep("something else").unwrap();
        let error = folder.checkpoint(&[]).unwrap_err().to_string();
        assert!(error.contains("is not one of this log"), "{error}");
    }
}
