//! Checkpoints, and the keys that sign them.

use audit_log::tree::{Checkpoint, Note, VerifierKey};

use super::{Log, LogError};

/// A checkpoint with a signature of a known key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The note as it was served.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// What a log shows as its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// A genuine one.
    Signed(SignedCheckpoint),
    /// None, as before the first event is sealed.
    Absent,
    /// A text that none of the keys signed, and why it is not genuine.
    Forged(String),
}

impl SignedCheckpoint {
    /// Reads a note that one of the keys signed, for the log that has the name of the key.
    ///
    /// # Errors
    ///
    /// Why it is not genuine.
    pub fn read(note: &str, keys: &[VerifierKey]) -> Result<SignedCheckpoint, String> {
        let parsed: Note = note.parse().map_err(|error| format!("{error}"))?;
        let checkpoint: Checkpoint = parsed.text().parse().map_err(|error| format!("{error}"))?;
        let origin = &checkpoint.origin;
        let mut of_log = keys.iter().filter(|key| key.name() == origin).peekable();
        if of_log.peek().is_none() {
            return Err(format!(
                "it is of the log {origin}, and no key has this name"
            ));
        }
        if !of_log.any(|key| parsed.is_signed_by(key)) {
            return Err(format!("no known key of {origin} signed it"));
        }
        Ok(SignedCheckpoint {
            note: note.to_owned(),
            checkpoint,
        })
    }

    /// The text that is signed, with its last line feed.
    pub fn text(&self) -> &str {
        match self.note.rfind("\n\n") {
            Some(end) => &self.note[..=end],
            None => &self.note,
        }
    }

    /// Reads the newest checkpoint of a log.
    ///
    /// # Errors
    ///
    /// [`LogError`], if the log cannot be read.
    pub async fn of(log: &Log, keys: &[VerifierKey]) -> Result<Checked, LogError> {
        let Some(note) = log.checkpoint().await? else {
            return Ok(Checked::Absent);
        };
        Ok(match SignedCheckpoint::read(&note, keys) {
            Ok(signed) => Checked::Signed(signed),
            Err(reason) => Checked::Forged(reason),
        })
    }
}
