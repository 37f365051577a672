//! A proof that an entry is in the log, as <https://c2sp.org/tlog-proof> writes it.

use std::fmt;

use aws_smithy_types::base64;

use super::entry::Entry;
use super::hash::Hash;

/// The first line of a proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that can be verified with the key of the log and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// The entry, which is the extra data of the proof. A verifier computes its commitment again.
    pub entry: Entry,
    /// The index of the entry.
    pub index: u64,
    /// The hashes from the leaf's sibling up to the child of the root (RFC 6962 §2.1.1).
    pub hashes: &'a [Hash],
    /// The signed checkpoint whose root the hashes lead to.
    pub checkpoint: &'a str,
}

impl fmt::Display for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra = base64::encode(self.entry.to_bytes());
        writeln!(f, "{HEADER}\nextra {extra}\nindex {}", self.index)?;
        for hash in self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
