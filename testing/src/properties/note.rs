//! A signed note, the checkpoint in it, and the key that it is verified with.

use audit_log::tree::{Checkpoint, Note, VerifierKey};

/// The key of Go's examples.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// The only text in the corpus that the key has signed.
const SIGNED: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";

/// What is read is written as it can be read again, and nothing but the signed text verifies.
pub fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    let Ok(note) = text.parse::<Note>() else {
        return;
    };
    assert_eq!(note.to_string().parse(), Ok(note.clone()));
    assert!(text.starts_with(note.text()) && note.text().ends_with('\n'));
    if note.is_signed_by(&KEY.parse().unwrap()) {
        assert_eq!(note.text(), SIGNED);
    }
    if let Ok(checkpoint) = note.text().parse::<Checkpoint>() {
        let written = checkpoint.to_string();
        assert!(note.text().starts_with(&written));
        assert_eq!(written.parse(), Ok(checkpoint));
    }
}
