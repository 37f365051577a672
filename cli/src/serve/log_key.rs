//! The key that signs the transparency log of the local service. On AWS, KMS keeps it.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit_log::tree::note::{OriginError, PUBLIC_KEY_BYTES, SIGNATURE_BYTES};
use audit_log::tree::{Origin, SignError, Signer, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::{BoxFuture, ready};
use ring::error::KeyRejected;
use ring::rand::{SystemRandom, generate};
use ring::signature::{Ed25519KeyPair, KeyPair};
use tempfile::NamedTempFile;

/// The name of a local log.
const NAME: &str = "localhost/log";
/// The file of the key, in the folder of the data.
const FILE: &str = "log.key";
/// What the text of a key begins with. The text is that of Go's `sumdb/note`: this word, the name
/// and the id of the verifier key, and the type of the key before its seed.
const PREFIX: &str = "PRIVATE+KEY+";
/// The type of an Ed25519 key in the text.
const ED25519_TYPE: u8 = 1;
/// The length of an Ed25519 seed in bytes (RFC 8032 §5.1.5).
const SEED_BYTES: usize = 32;

/// A key in this process, and the name of the log that it signs.
#[derive(Clone)]
pub struct LogKey {
    name: Origin,
    seed: [u8; SEED_BYTES],
    pair: Arc<Ed25519KeyPair>,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogKeyError {
    /// The file cannot be read or written.
    #[error("cannot keep the key of the log in {file}: {error}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file has something else.
    #[error(
        "{file} is not a key that signs a log; restore it, or start with another folder (--data), \
        because no other key can continue the log",
        file = file.display()
    )]
    NotAKey {
        /// The file.
        file: PathBuf,
    },
    /// A new key cannot be made.
    #[error("cannot make the key of the log: {0}")]
    New(String),
}

/// The file of the key that signs the log in a data folder.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

impl LogKey {
    /// A new key that is gone with this process.
    ///
    /// # Errors
    ///
    /// [`LogKeyError::New`].
    pub fn generate() -> Result<LogKey, LogKeyError> {
        let failed = |problem: &dyn fmt::Display| LogKeyError::New(problem.to_string());
        let seed = generate(&SystemRandom::new())
            .map_err(|_| failed(&"the system gives no random numbers"))?
            .expose();
        let name = NAME.parse().map_err(|error: OriginError| failed(&error))?;
        LogKey::new(name, seed).map_err(|error| failed(&error))
    }

    /// The key in a file. The file is created with a new key if it does not exist, and only its
    /// owner can read it.
    ///
    /// # Errors
    ///
    /// [`LogKeyError`], in one sentence.
    pub fn open(file: &Path) -> Result<LogKey, LogKeyError> {
        let failed = |error| LogKeyError::File {
            file: file.into(),
            error,
        };
        if !file.try_exists().map_err(failed)? {
            create(file, &LogKey::generate()?.text()).map_err(failed)?;
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        LogKey::parse(text.trim_end()).ok_or_else(|| LogKeyError::NotAKey { file: file.into() })
    }

    /// The name of the log.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The key with which others verify what this key signs.
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(self.name.clone(), self.public_key())
    }

    fn new(name: Origin, seed: [u8; SEED_BYTES]) -> Result<LogKey, KeyRejected> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)?;
        Ok(LogKey {
            name,
            seed,
            pair: Arc::new(pair),
        })
    }

    /// The text of the key, without a line feed.
    fn text(&self) -> String {
        let verifier_key = self.verifier_key().to_string();
        // The name and the id have no plus sign, and the last part may have some.
        let mut parts = verifier_key.splitn(3, '+');
        let name = parts.next().unwrap_or_default();
        let id = parts.next().unwrap_or_default();
        let mut key = vec![ED25519_TYPE];
        key.extend(self.seed);
        format!("{PREFIX}{name}+{id}+{}", BASE64.encode(key))
    }

    fn parse(text: &str) -> Option<LogKey> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, '+');
        let name = parts.next()?.parse().ok()?;
        let _id = parts.next()?;
        let key = BASE64.decode(parts.next()?).ok()?;
        let seed = key.strip_prefix(&[ED25519_TYPE])?.try_into().ok()?;
        // A wrong id does not come back as it was.
        LogKey::new(name, seed)
            .ok()
            .filter(|key| key.text() == text)
    }
}

/// Creates a file with all of its text at once, unless another process has just created it.
fn create(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Only the owner can read a temporary file.
    let mut temporary = NamedTempFile::new_in(folder)?;
    writeln!(temporary, "{text}")?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(file) {
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

impl Signer for LogKey {
    fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES] {
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        bytes
    }

    fn sign<'a>(
        &'a self,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<[u8; SIGNATURE_BYTES], SignError>> {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        Box::pin(ready(Ok(bytes)))
    }
}

/// Without the seed.
impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.verifier_key())
    }
}

#[cfg(test)]
mod tests {
    use audit_log::tree::Note;

    use super::*;

    #[tokio::test]
    async fn a_note_is_signed_by_the_key_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = key_file(folder.path());
        let created = LogKey::open(&file).unwrap();
        let opened = LogKey::open(&file).unwrap();
        assert_eq!(opened.verifier_key(), created.verifier_key());
        let text = "localhost/log\n1\n";
        let note = Note::sign(text.to_owned(), opened.name(), &opened).await;
        let note = note.unwrap();
        assert!(note.is_signed_by(&created.verifier_key()));
        let other = LogKey::generate().unwrap();
        assert!(!note.is_signed_by(&other.verifier_key()));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file_of_the_key() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = key_file(&folder.path().join("new"));
        LogKey::open(&file).unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_has_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = key_file(folder.path());
        let key = LogKey::open(&file).unwrap();
        let text = key.text();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{text}\n"));
        let wrong = [
            String::new(),
            "x".to_owned(),
            text.replacen("localhost", "elsewhere", 1),
            text[..text.len() - 4].to_owned(),
            key.verifier_key().to_string(),
        ];
        for text in wrong {
            std::fs::write(&file, &text).unwrap();
            let error = LogKey::open(&file).unwrap_err().to_string();
            assert!(error.contains("is not a key that signs a log"), "{error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_key_in_a_log_line_has_no_secret() {
        let key = LogKey::generate().unwrap();
        let secret = key.text();
        // The fifth part is Base64, which can contain a plus itself.
        let secret = secret.splitn(5, '+').last().unwrap();
        assert!(!format!("{key:?}").contains(secret));
    }
}
