//! The size and the root of the log, as <https://c2sp.org/tlog-checkpoint> writes them.

use std::fmt;
use std::str::FromStr;

use super::hash::Hash;
use super::note::Origin;

/// What a log says about itself, and signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: Origin,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A text that is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a checkpoint: its lines are the name of a log, a size in decimal and a root in base64"
)]
pub struct CheckpointError;

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a note. Lines behind the third are extensions, which this log does not
    /// write.
    fn from_str(text: &str) -> Result<Checkpoint, CheckpointError> {
        let parse = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            let origin = lines.next()?.parse().ok()?;
            let size_text = lines.next()?;
            let size: u64 = size_text.parse().ok()?;
            let root = Hash::parse(lines.next()?)?;
            let is_canonical = size.to_string() == size_text;
            let checkpoint = Checkpoint { origin, size, root };
            is_canonical.then_some(checkpoint)
        };
        parse().ok_or(CheckpointError)
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_as_it_is_written() {
        let text = "localhost/log\n5\nMQBXomgmrqVMBI4swWeGLquDhqKhO7lKwNbLe6kbh0Q=\n";
        let checkpoint: Checkpoint = text.parse().unwrap();
        assert_eq!(checkpoint.size, 5);
        assert_eq!(checkpoint.to_string(), text);

        let extended = format!("{text}extension\n");
        assert_eq!(extended.parse(), Ok(checkpoint));

        let wrong = [
            String::new(),
            text.replace("\n5\n", "\n05\n"),
            text.replace("\n5\n", "\n+5\n"),
            text.replace("\n5\n", "\n-5\n"),
            text.replace("\n5\n", "\n18446744073709551616\n"),
            text.replace("0Q=\n", "0R=\n"),
            text.replace("0Q=\n", "0Q\n"),
            text.replace("0Q=\n", "0Q="),
            text.replace("localhost", "local host"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<Checkpoint>(), Err(CheckpointError), "{text:?}");
        }
    }
}
