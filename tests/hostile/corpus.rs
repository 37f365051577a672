//! Every file of the kept corpus: what a fuzzer once found, and the seeds it started from.

use std::path::Path;

use crate::properties;

/// More is not kept: the corpus is read on every run of the tests.
const CORPUS_BYTES_MAX: u64 = 300 * 1024;

#[test]
fn every_property_holds_for_every_file_of_the_corpus() {
    let mut bytes = 0;
    for (target, property) in properties::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            // A test shows what is printed before it fails.
            println!("{}", file.display());
            let input = std::fs::read(&file).unwrap();
            property(&input);
            bytes += input.len() as u64;
            files += 1;
        }
        assert!(files >= 5, "{target} has {files} files");
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}
