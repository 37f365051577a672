//! Cosignatures: a statement that somebody has checked a log up to a checkpoint, as
//! <https://c2sp.org/tlog-cosignature> defines it.

use std::fmt;
use std::path::{Path, PathBuf};

use audit_log::event::Timestamp;
use audit_log::tree::Origin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SystemRandom, generate};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::SignedCheckpoint;
use crate::audit::state::write_whole;

/// The type of a key that makes Ed25519 cosignatures.
const COSIGNATURE_TYPE: u8 = 4;
/// What the text of a key begins with, as in Go's `sumdb/note`.
const PREFIX: &str = "PRIVATE+KEY+";
/// The length of an Ed25519 seed in bytes (RFC 8032 §5.1.5).
const SEED_BYTES: usize = 32;
const PUBLIC_KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const KEY_ID_BYTES: usize = 4;
const TIMESTAMP_BYTES: usize = 8;

/// A key that cosigns.
pub struct Cosigner {
    name: Origin,
    seed: [u8; SEED_BYTES],
    pair: Ed25519KeyPair,
}

/// The public key of somebody who cosigns. Its text is a verifier key of type 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey {
    name: Origin,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CosignerError {
    /// A file cannot be read or written.
    #[error("cannot keep the cosigner's key in {file}: {error}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file has something else.
    #[error(
        "{file} does not have a cosigner's key; \"audit-log vkey --cosigner NAME --key FILE\" \
        creates one",
        file = file.display()
    )]
    NotAKey {
        /// The file.
        file: PathBuf,
    },
    /// The file has the key of another cosigner.
    #[error("{file} has the key of {name}", file = file.display())]
    OtherName {
        /// The file.
        file: PathBuf,
        /// The name of the key.
        name: Origin,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key")]
    NoRandomNumbers,
    /// A text that is no verifier key.
    #[error(
        "{0:?} is not the key of a cosigner: one has a name, 8 hexadecimal digits and base64, with \
        a plus sign between them, and is of type 4"
    )]
    NotAVerifierKey(String),
}

impl Cosigner {
    /// The key in a file.
    ///
    /// # Errors
    ///
    /// [`CosignerError`].
    pub fn read(file: &Path) -> Result<Cosigner, CosignerError> {
        let text = std::fs::read_to_string(file).map_err(|error| CosignerError::File {
            file: file.to_owned(),
            error,
        })?;
        Cosigner::parse(text.trim_end()).ok_or_else(|| CosignerError::NotAKey {
            file: file.to_owned(),
        })
    }

    /// The key of this name in a file. The file is created with a new key if it does not exist, and
    /// only its owner can read it.
    ///
    /// # Errors
    ///
    /// [`CosignerError`].
    pub fn open(file: &Path, name: &Origin) -> Result<Cosigner, CosignerError> {
        let failed = |error| CosignerError::File {
            file: file.to_owned(),
            error,
        };
        if !file.try_exists().map_err(failed)? {
            let seed = generate(&SystemRandom::new())
                .map_err(|_| CosignerError::NoRandomNumbers)?
                .expose();
            let cosigner = Cosigner::new(name.clone(), seed);
            let cosigner = cosigner.ok_or(CosignerError::NoRandomNumbers)?;
            let text = format!("{}\n", cosigner.text());
            // Only the owner can read a file that is written so.
            write_whole(file, text.as_bytes()).map_err(failed)?;
        }
        let cosigner = Cosigner::read(file)?;
        if cosigner.name != *name {
            return Err(CosignerError::OtherName {
                file: file.to_owned(),
                name: cosigner.name,
            });
        }
        Ok(cosigner)
    }

    fn new(name: Origin, seed: [u8; SEED_BYTES]) -> Option<Cosigner> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        Some(Cosigner { name, seed, pair })
    }

    /// The key with which others verify the cosignatures.
    pub fn key(&self) -> CosignerKey {
        let mut public_key = [0; PUBLIC_KEY_BYTES];
        public_key.copy_from_slice(self.pair.public_key().as_ref());
        CosignerKey {
            name: self.name.clone(),
            public_key,
        }
    }

    /// The line that a checkpoint gets, with its line feed.
    pub fn cosign(&self, signed: &SignedCheckpoint, now: Timestamp) -> String {
        let seconds = now.millis() / 1000;
        let signature = self.pair.sign(&message(signed, seconds));
        let mut bytes = self.key().id().to_vec();
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(signature.as_ref());
        format!("\u{2014} {} {}\n", self.name, BASE64.encode(bytes))
    }

    fn text(&self) -> String {
        let id = hex(&self.key().id());
        let mut key = vec![COSIGNATURE_TYPE];
        key.extend(self.seed);
        format!("{PREFIX}{}+{id}+{}", self.name, BASE64.encode(key))
    }

    fn parse(text: &str) -> Option<Cosigner> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, '+');
        let name = parts.next()?.parse().ok()?;
        let _id = parts.next()?;
        let key = BASE64.decode(parts.next()?).ok()?;
        let seed = key.strip_prefix(&[COSIGNATURE_TYPE])?.try_into().ok()?;
        // A wrong id does not come back as it was.
        Cosigner::new(name, seed).filter(|cosigner| cosigner.text() == text)
    }
}

impl CosignerKey {
    /// The name of the cosigner.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// Reads a verifier key of type 4.
    ///
    /// # Errors
    ///
    /// [`CosignerError::NotAVerifierKey`].
    pub fn parse(text: &str) -> Result<CosignerKey, CosignerError> {
        let parse = || {
            let mut parts = text.splitn(3, '+');
            let name = parts.next()?.parse().ok()?;
            let _id = parts.next()?;
            let key = BASE64.decode(parts.next()?).ok()?;
            let public_key = key.strip_prefix(&[COSIGNATURE_TYPE])?.try_into().ok()?;
            Some(CosignerKey { name, public_key })
        };
        parse()
            .filter(|key: &CosignerKey| key.to_string() == text)
            .ok_or_else(|| CosignerError::NotAVerifierKey(text.to_owned()))
    }

    /// When this cosigner signed the checkpoint, in seconds since 1970, if a line is its
    /// cosignature.
    pub fn verify(&self, signed: &SignedCheckpoint, line: &str) -> Option<u64> {
        let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = BASE64.decode(bytes).ok()?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let (seconds, signature) = rest.split_first_chunk::<TIMESTAMP_BYTES>()?;
        if name != self.name.as_str() || *id != self.id() || signature.len() != SIGNATURE_BYTES {
            return None;
        }
        let seconds = u64::from_be_bytes(*seconds);
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(&message(signed, seconds), signature)
            .ok()?;
        Some(seconds)
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let mut digest = Sha256::new();
        digest.update(self.name.as_str());
        digest.update([b'\n', COSIGNATURE_TYPE]);
        digest.update(self.public_key);
        let digest = digest.finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        id
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![COSIGNATURE_TYPE];
        key.extend(self.public_key);
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex(&self.id()),
            BASE64.encode(key)
        )
    }
}

/// Without the seed.
impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.key())
    }
}

/// What a cosigner signs: two lines, and the text of the checkpoint with all of its lines.
fn message(signed: &SignedCheckpoint, seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{}", signed.text()).into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::log_key::LogKey;

    const SIZE_1: &str = "localhost/log\n1\nMQBXomgmrqVMBI4swWeGLquDhqKhO7lKwNbLe6kbh0Q=\n";

    async fn signed() -> SignedCheckpoint {
        let key = LogKey::generate().unwrap();
        let text = SIZE_1.to_owned();
        let note = audit_log::tree::Note::sign(text, key.name(), &key).await;
        let note = note.unwrap().to_string();
        SignedCheckpoint::read(&note, &[key.verifier_key()]).unwrap()
    }

    #[tokio::test]
    async fn a_cosignature_is_of_one_checkpoint_and_one_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let name = "example.org/auditor".parse().unwrap();
        let cosigner = Cosigner::open(&file, &name).unwrap();
        let key = CosignerKey::parse(&cosigner.key().to_string()).unwrap();
        let signed = signed().await;
        let line = cosigner.cosign(&signed, Timestamp::from_millis(1_700_000_000_999));
        let line = line.trim_end();
        assert_eq!(key.verify(&signed, line), Some(1_700_000_000));

        let mut other = signed.clone();
        other.note = other.note.replacen("\n1\n", "\n2\n", 1);
        assert_eq!(key.verify(&other, line), None);
        let stranger = Cosigner::open(&folder.path().join("other"), &name).unwrap();
        assert_eq!(stranger.key().verify(&signed, line), None);
        // The note with the line is still the note of the log.
        let note: audit_log::tree::Note = format!("{}{line}\n", signed.note).parse().unwrap();
        assert_eq!(note.text(), SIZE_1);
    }

    #[test]
    fn the_key_of_a_file_stays_and_is_of_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let name = "example.org/auditor".parse().unwrap();
        let created = Cosigner::open(&file, &name).unwrap();
        assert_eq!(Cosigner::open(&file, &name).unwrap().key(), created.key());
        let other = "example.org/other".parse().unwrap();
        assert!(Cosigner::open(&file, &other).is_err());
        std::fs::write(&file, "PRIVATE+KEY+x").unwrap();
        assert!(Cosigner::read(&file).is_err());
        assert!(CosignerKey::parse("example.org/auditor+00000000+AQ==").is_err());
    }
}
