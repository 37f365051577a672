//! A log that was copied into a folder is verified there.

use std::path::Path;

use audit_log_cli::log::export::{ExportError, Exported, export};
use audit_log_cli::log::{Bundle, Log};
use indicatif::ProgressBar;

use crate::fake::{FakeLog, NOW};
use crate::{audit_log, options};

async fn copy(log: &FakeLog, folder: &Path) -> Result<Exported, ExportError> {
    let service = log.service();
    let keys = options(log).keys;
    export(service, folder, &keys, &ProgressBar::hidden()).await
}

/// What an audit says about a folder.
async fn findings(log: &FakeLog, folder: &Path) -> Vec<String> {
    let bundle = Log::Bundle(Bundle::new(folder));
    audit_log(&bundle, &options(log)).await.1
}

#[tokio::test]
async fn a_copy_of_a_clean_log_is_clean_at_any_size() {
    for size in [1, 256, 257, 1_300] {
        let log = FakeLog::with(size).await;
        let folder = tempfile::tempdir().unwrap();
        let exported = copy(&log, folder.path()).await.unwrap();
        let events = size;
        let entries = size;
        assert_eq!(exported, Exported { entries, events });
        assert_eq!(findings(&log, folder.path()).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_copy_has_the_tiles_as_the_log_serves_them() {
    let log = FakeLog::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    let paths = [
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ];
    for path in paths {
        let copied = std::fs::read(folder.path().join(path)).unwrap();
        assert_eq!(Some(copied), log.content().tile_bytes(path), "{path}");
    }
}

#[tokio::test]
async fn a_later_copy_reads_only_new_bundles() {
    let log = FakeLog::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    for _ in 0..10 {
        log.content().record();
    }
    log.content().seal();
    log.content().requests.clear();
    copy(&log, folder.path()).await.unwrap();
    let requests = log.content().requests.clone();
    let tiles: Vec<&String> = requests
        .iter()
        .filter(|path| path.contains("tile"))
        .collect();
    assert_eq!(tiles, ["/log/tile/entries/002.p/98"]);
    assert_eq!(findings(&log, folder.path()).await, [""; 0]);
}

#[tokio::test]
async fn a_copy_tells_what_was_changed_or_is_missing() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    let folder = tempfile::tempdir().unwrap();
    log.content().event(5).by = Some("somebody".to_owned());
    copy(&log, folder.path()).await.unwrap();
    let expected = format!("changed: {id} is not what was sealed as entry 5");
    assert_eq!(findings(&log, folder.path()).await, [expected]);

    log.content().events.remove(&id.to_bits());
    copy(&log, folder.path()).await.unwrap();
    let expected = format!("missing: {id}, which was sealed as entry 5");
    assert_eq!(findings(&log, folder.path()).await, [expected]);
}

#[tokio::test]
async fn the_newest_events_of_an_old_copy_are_pending() {
    let log = FakeLog::with(10).await;
    // Long ago for the audit, but not for the copy.
    let newest = log.content().events.values().last().unwrap().at;
    log.content().record_at(newest + 1000);
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    let expected = "pending: 1 new event is not in the log yet";
    assert_eq!(findings(&log, folder.path()).await, [expected]);
    // The copy took a long time.
    log.content().record_at(NOW);
    copy(&log, folder.path()).await.unwrap();
    let expected = "pending: 2 new events are not in the log yet";
    assert_eq!(findings(&log, folder.path()).await, [expected]);
}

#[tokio::test]
async fn an_old_event_of_a_copy_that_is_not_sealed_is_unsealed() {
    let log = FakeLog::with(10).await;
    let newest = log.content().events.values().last().unwrap().at;
    let id = log.content().record_at(newest - 601_000);
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    let expected = format!("unsealed: {id} was recorded, and the log lacks it");
    assert_eq!(findings(&log, folder.path()).await, [expected]);
}

#[tokio::test]
async fn a_second_text_of_an_event_in_a_copy_is_changed() {
    let log = FakeLog::with(10).await;
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    let file = folder.path().join("events.json-seq");
    let mut events = std::fs::read_to_string(&file).unwrap();
    let altered = events.split('\u{1e}').nth(3).unwrap();
    let altered = altered.replace("type-", "typo-");
    events.push_str(&format!("\u{1e}{altered}"));
    std::fs::write(&file, events).unwrap();
    let lines = findings(&log, folder.path()).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("changed: "), "{lines:?}");
}

#[tokio::test]
async fn a_folder_of_another_log_is_left_alone() {
    let log = FakeLog::with(20).await;
    let folder = tempfile::tempdir().unwrap();
    copy(&log, folder.path()).await.unwrap();
    let shorter = FakeLog::with(10).await;
    let error = copy(&shorter, folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("with 20 entries"), "{error}");
    assert_eq!(findings(&log, folder.path()).await, [""; 0]);
}

#[tokio::test]
async fn a_damaged_log_gives_no_complete_copy() {
    let log = FakeLog::with(600).await;
    log.content().entries.swap(3, 4);
    let folder = tempfile::tempdir().unwrap();
    let error = copy(&log, folder.path()).await.unwrap_err();
    assert!(matches!(error, ExportError::Damaged), "{error}");
    assert!(!folder.path().join("checkpoint").exists());
}
