//! Every file of the kept corpus: the seeds that a fuzzer starts from, and what it found.

use std::path::PathBuf;

use audit_log_testing::properties::{self, Property};
use audit_log_testing::repo_path;

/// More is not kept: the corpus is read on every run of the tests.
const MAX_CORPUS_BYTES: u64 = 300 * 1024;

fn files(target: &str) -> Vec<PathBuf> {
    let folder = repo_path("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn check(target: &str, property: Property) {
    let files = files(target);
    assert!(files.len() >= 20, "{target} has {} files", files.len());
    for file in files {
        // Shown where it fails.
        println!("{}", file.display());
        property(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn every_document_of_the_corpus_is_kept_to_the_byte_or_refused() {
    check("document", properties::document);
}

#[test]
fn every_instant_of_the_corpus_is_read_or_refused() {
    check("instant", properties::instant);
}

#[test]
fn every_payload_of_the_corpus_is_answered() {
    check("payload", properties::payload);
}

#[test]
fn every_query_of_the_corpus_is_linked_or_refused() {
    check("query", properties::query);
}

#[test]
fn every_note_of_the_corpus_is_read_or_refused() {
    check("note", properties::note);
}

#[test]
fn every_path_of_a_tile_in_the_corpus_is_read_or_refused() {
    check("tile_path", properties::tile_path);
}

#[test]
fn the_corpus_stays_small() {
    let targets = [
        "document",
        "instant",
        "note",
        "payload",
        "query",
        "tile_path",
    ];
    let files = targets.into_iter().flat_map(files);
    let bytes: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= MAX_CORPUS_BYTES, "{bytes} bytes");
}
