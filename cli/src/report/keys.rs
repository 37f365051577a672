//! The Idempotency-Keys of documents that have none.

use std::fmt::Write;

use rusqlite::{Connection, Error, params};
use sha2::{Digest, Sha256};

/// Gives each document of an input a key: its SHA-256, and how many equal ones came before it.
///
/// The same input gives the same keys, and so does one that grew at its end. Two equal documents
/// have two keys, because each is an event.
pub struct Keys {
    /// How many documents have a hash. SQLite keeps in memory what fits into its cache, and the
    /// rest in a temporary file without a name, so an input can be larger than the memory.
    counts: Connection,
}

/// How much of the counts is in memory, in KiB, as SQLite spells it.
const CACHE: i64 = -64 * 1024;
/// Adds one to the count of a hash and returns it.
const COUNT: &str = "INSERT INTO counts VALUES (?1, 1) \
                     ON CONFLICT (hash) DO UPDATE SET count = count + 1 RETURNING count";

impl Keys {
    /// Keys for the documents of one input.
    ///
    /// # Errors
    ///
    /// If SQLite cannot create a temporary file.
    pub fn new() -> Result<Keys, Error> {
        let counts = Connection::open("")?;
        // The file ends with the process, so it needs neither a journal nor a commit.
        counts.pragma_update(None, "journal_mode", "OFF")?;
        counts.pragma_update(None, "cache_size", CACHE)?;
        counts.execute_batch(
            "BEGIN; CREATE TABLE counts (hash INTEGER PRIMARY KEY, count INTEGER NOT NULL)",
        )?;
        Ok(Keys { counts })
    }

    /// The key of the next document.
    ///
    /// # Errors
    ///
    /// If the disk is full.
    pub fn next(&mut self, text: &str) -> Result<String, Error> {
        let digest = Sha256::digest(text.as_bytes());
        // Eight bytes are enough: if two documents share them, their keys differ in the SHA-256.
        let hash = digest
            .iter()
            .take(8)
            .fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        let mut statement = self.counts.prepare_cached(COUNT)?;
        let count: i64 = statement.query_row(params![hash.cast_signed()], |row| row.get(0))?;
        let mut key = hex(&digest);
        if count > 1 {
            let _ = write!(key, "-{}", count - 1);
        }
        Ok(key)
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub fn key_of_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_documents_have_two_keys_in_every_run() {
        let documents = ["{}", "[]", "{}", "{}"];
        let run = || {
            let mut keys = Keys::new().unwrap();
            documents.map(|text| keys.next(text).unwrap())
        };
        let first = run();
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(first[0], empty);
        assert_eq!(first[2], format!("{empty}-1"));
        assert_eq!(first[3], format!("{empty}-2"));
        assert_ne!(first[0], first[1]);
        assert_eq!(first, run());
    }
}
