//! The stream of the events table has two readers: the count index and the transparency log.

use std::path::Path;

use audit_log_cli::Service;
use audit_log_cli::serve::engine::Storage;
use audit_log_testing::{App, event, options};

/// The position of a function in the stream, as the folder of the data keeps it.
fn position(folder: &Path, function: &str) -> String {
    let file = folder.join(format!("EventsTable.{function}.position"));
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn each_reader_of_the_stream_keeps_its_own_position() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(Storage::Folder(folder.path().into()));
    let service = Service::start(&options).await.unwrap();
    let app = App::at(&service.url());
    app.record(event("1", "2024-01-01T00:00:00Z")).await;
    service.indexed().await;
    let first = position(folder.path(), "index-events");
    service.sealed().await;
    assert_eq!(position(folder.path(), "seal-events"), first);
    service.stop().await;

    // A reader that has lost its position begins again, and the other one continues.
    std::fs::remove_file(folder.path().join("EventsTable.seal-events.position")).unwrap();
    let service = Service::start(&options).await.unwrap();
    service.sealed().await;
    assert_eq!(position(folder.path(), "seal-events"), first);
    let app = App::at(&service.url());
    app.record(event("1", "2024-01-01T00:00:01Z")).await;
    service.indexed().await;
    let second = position(folder.path(), "index-events");
    assert_ne!(second, first);
    service.sealed().await;
    assert_eq!(position(folder.path(), "seal-events"), second);
    service.stop().await;
}

#[tokio::test]
async fn a_restarted_service_signs_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(Storage::Folder(folder.path().into()));
    let mut keys = Vec::new();
    for _ in 0..2 {
        let service = Service::start(&options).await.unwrap();
        keys.push(service.log_key.verifier_key().to_string());
        service.stop().await;
    }
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0].starts_with("localhost/log+"), "{keys:?}");
}
