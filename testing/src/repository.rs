//! The files of the repository.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file or folder of the repository, by its path from the root.
pub fn repo_path(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path)
}

/// The text of a file of the repository.
pub fn read_file(path: &str) -> String {
    std::fs::read_to_string(repo_path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A payload of API Gateway's or of a stream's: a file of `events/`.
pub fn payload(file: &str) -> Value {
    serde_json::from_str(&read_file(&format!("events/{file}"))).unwrap()
}

/// The same, changed.
pub fn payload_with(file: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut payload = payload(file);
    change(&mut payload);
    payload
}
