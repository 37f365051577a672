//! Signed notes and keys that other implementations have made.

use audit_log::tree::{Note, VerifierKey};

/// The key and the note of the documentation of Go's `sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";
/// The other key of the tests of `sumdb/note`.
const GO_OTHER_KEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
/// A key whose base64 has a plus sign.
const PLUS_KEY: &str = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6";

#[test]
fn keys_of_other_programs_read_as_they_are_written() {
    for text in [GO_KEY, GO_OTHER_KEY, PLUS_KEY] {
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
    }
}

#[test]
fn a_note_of_another_program_is_verified() {
    let key: VerifierKey = GO_KEY.parse().unwrap();
    let other: VerifierKey = GO_OTHER_KEY.parse().unwrap();
    let note: Note = GO_NOTE.parse().unwrap();
    assert!(note.is_signed_by(&key));
    assert!(!note.is_signed_by(&other));
    assert_eq!(note.to_string(), GO_NOTE);

    let changed: Note = GO_NOTE.replace("answer", "Answer").parse().unwrap();
    assert!(!changed.is_signed_by(&key));
    let renamed: Note = GO_NOTE
        .replace("PeterNeumann", "PeterNewmann")
        .parse()
        .unwrap();
    assert!(!renamed.is_signed_by(&key));
}
