//! Signed text, as <https://c2sp.org/signed-note> defines it, and the Ed25519 keys that sign it.

use std::fmt;
use std::str::FromStr;

use aws_smithy_types::base64;
use futures_util::future::BoxFuture;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::hash::Hash;

/// The length of an Ed25519 public key in bytes (RFC 8032 §5.1.5).
pub const PUBLIC_KEY_BYTES: usize = 32;
/// The length of an Ed25519 signature in bytes (RFC 8032 §5.1.6).
pub const SIGNATURE_BYTES: usize = 64;

/// The type of a key that signs the text as it is with Ed25519.
const ED25519_TYPE: u8 = 1;
const KEY_ID_BYTES: usize = 4;
/// What a signature line begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";
/// What separates the text from the signatures. The first line feed belongs to the text.
const SEPARATOR: &str = "\n\n";
/// Longer notes are refused before they are parsed. A checkpoint with 16 witnesses has 3 KB.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The name of a log, which is the name of its key: the host and path of the log, by convention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that cannot be the name of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a log: a name is not empty, and has no white space, no plus sign and no control character"
)]
pub struct OriginError(String);

impl Origin {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Origin, OriginError> {
        let is_wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.contains(is_wrong) {
            return Err(OriginError(text.to_owned()));
        }
        Ok(Origin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that signs notes, and that may be out of reach of this program.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public key.
    fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES];

    /// The Ed25519 signature of a message (RFC 8032 §5.1.6).
    fn sign<'a>(
        &'a self,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<[u8; SIGNATURE_BYTES], SignError>>;
}

/// A key that does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of the log does not sign: {0}")]
pub struct SignError(pub String);

/// A public key under a name. Its text is a verifier key, or "vkey": the name, the key's id and the
/// key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: Origin,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

/// A text that is not a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a verifier key: one has a name, 8 hexadecimal digits and base64, with a plus sign between them, and is of type Ed25519"
)]
pub struct VerifierKeyError(String);

impl VerifierKey {
    /// The key with this name.
    pub fn new(name: Origin, public_key: [u8; PUBLIC_KEY_BYTES]) -> VerifierKey {
        VerifierKey { name, public_key }
    }

    /// The name of the key, which is that of its log.
    pub fn name(&self) -> &Origin {
        &self.name
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public_key
    }

    /// The id of the key: the beginning of the SHA-256 of its name, type and bytes.
    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let name = self.name.as_str().as_bytes();
        let digest = Hash::digest([name, b"\n", &[ED25519_TYPE], &self.public_key]);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest.as_bytes()[..KEY_ID_BYTES]);
        id
    }

    /// Whether this key made a signature of a text.
    fn made(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut key = vec![ED25519_TYPE];
        key.extend(self.public_key);
        write!(f, "{}+{id:08x}+{}", self.name, base64::encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<VerifierKey, VerifierKeyError> {
        let parse = || {
            let mut parts = text.splitn(3, '+');
            let name = parts.next()?.parse().ok()?;
            let _id = parts.next()?;
            let key = base64::decode(parts.next()?).ok()?;
            let public_key = key.strip_prefix(&[ED25519_TYPE])?.try_into().ok()?;
            Some(VerifierKey { name, public_key })
        };
        parse()
            // A wrong id does not come back as it was.
            .filter(|key: &VerifierKey| key.to_string() == text)
            .ok_or_else(|| VerifierKeyError(text.to_owned()))
    }
}

/// A text with signatures. Its own text is what <https://c2sp.org/signed-note> defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; KEY_ID_BYTES],
    bytes: Vec<u8>,
}

/// A text that is not a note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a signed note: {0}")]
pub struct NoteError(&'static str);

impl Note {
    /// Signs a text, which must end with a line feed.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the key does not sign, or if what it returns is not its signature.
    pub async fn sign(text: String, name: &Origin, signer: &dyn Signer) -> Result<Note, SignError> {
        let key = VerifierKey::new(name.clone(), signer.public_key());
        let bytes = signer.sign(text.as_bytes()).await?;
        if !key.made(&text, &bytes) {
            return Err(SignError("its signature is not valid".to_owned()));
        }
        let signature = Signature {
            name: name.to_string(),
            key_id: key.id(),
            bytes: bytes.to_vec(),
        };
        Ok(Note {
            text,
            signatures: vec![signature],
        })
    }

    /// The text that is signed, with its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a key signed the text. A signature of that key that is not valid says no, whatever
    /// other signatures say.
    pub fn is_signed_by(&self, key: &VerifierKey) -> bool {
        let mut own = self
            .signatures
            .iter()
            .filter(|signature| signature.name == key.name.as_str() && signature.key_id == key.id())
            .peekable();
        own.peek().is_some() && own.all(|signature| key.made(&self.text, &signature.bytes))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Note, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError("it is longer than 64 KB"));
        }
        if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
            return Err(NoteError("it has a control character"));
        }
        let separator = note
            .rfind(SEPARATOR)
            .ok_or(NoteError("no empty line is before the signatures"))?;
        let (text, lines) = note.split_at(separator + 1);
        let lines = lines
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError("its last line has no line feed"))?;
        let signatures: Option<Vec<Signature>> = lines.split('\n').map(Signature::parse).collect();
        Ok(Note {
            text: text.to_owned(),
            signatures: signatures.ok_or(NoteError("a line of its signatures is none"))?,
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            let mut bytes = signature.key_id.to_vec();
            bytes.extend(&signature.bytes);
            let name = &signature.name;
            writeln!(f, "{SIGNATURE_PREFIX}{name} {}", base64::encode(bytes))?;
        }
        Ok(())
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Signature> {
        let (name, bytes) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let name: Origin = name.parse().ok()?;
        let bytes = base64::decode(bytes).ok()?;
        let (key_id, bytes) = bytes.split_first_chunk()?;
        if bytes.is_empty() {
            return None;
        }
        Some(Signature {
            name: name.0,
            key_id: *key_id,
            bytes: bytes.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://c2sp.org/signed-note>, and its key.
    const EXAMPLE: &str = "\
This is an example message.

\u{2014} example.com/foo tPSKTaHJHrK6Qbb4mlAzURU0xhjR7k+ZkYIBRtDmpRYJdvZRkE1kWHRMCs5BBTOB8bb/3W31KAoTLAhHFk6DSqhMyQY=
";

    fn key() -> VerifierKey {
        let name = "localhost/log".parse().unwrap();
        VerifierKey::new(name, [7; PUBLIC_KEY_BYTES])
    }

    #[test]
    fn a_verifier_key_reads_as_it_is_written() {
        let text = key().to_string();
        assert_eq!(text.parse(), Ok(key()));
        let wrong = [
            String::new(),
            text.replacen('l', "m", 1),
            text.replacen("localhost", "local host", 1),
            format!("{text}A"),
            text.replace("+AQ", "+AB"),
            "localhost/log+00000000+AQ==".to_owned(),
        ];
        for text in wrong {
            assert!(text.parse::<VerifierKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_note_reads_as_it_is_written() {
        let note: Note = EXAMPLE.parse().unwrap();
        assert_eq!(note.text(), "This is an example message.\n");
        assert_eq!(note.to_string(), EXAMPLE);
        assert!(!note.is_signed_by(&key()));
    }

    #[test]
    fn a_text_that_is_no_note_is_refused() {
        let wrong = [
            "",
            "\n",
            "\n\n",
            "text\n",
            "text\n\n",
            "text\n\n\u{2014} name AAAAAAA=",
            "text\n\n- name AAAAAAA=\n",
            "text\n\n\u{2014} name\n",
            "text\n\n\u{2014} a+b AAAAAAA=\n",
            "text\n\n\u{2014} name AAAA\n",
            "text\n\n\u{2014} name !\n",
            "te\rxt\n\n\u{2014} name AAAAAAA=\n",
        ];
        for text in wrong {
            assert!(text.parse::<Note>().is_err(), "{text:?}");
        }
        assert!("text\n\n\u{2014} name AAAAAAA=\n".parse::<Note>().is_ok());
    }
}
