//! What a response of the local service waits for.

use std::io;

use audit_log_cli::serve::disk::Disk;
use audit_log_cli::serve::functions::Function;
use audit_log_cli::serve::template::Template;
use audit_log_testing::{App, payload, repo_path};

/// The function for lists, on a disk that cannot be synced.
fn on_a_broken_disk(app: &App) -> (Function, Disk) {
    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let declared = &template.functions["ListEventsFunction"];
    let service = app.service();
    let function = Function::new(declared, &service.client, &service.log_key).unwrap();
    let disk = Disk::new(|| Err(io::Error::other("input/output error")));
    (function.with_disk(disk.clone()), disk)
}

#[tokio::test]
async fn a_response_waits_for_the_disk() {
    let app = App::start().await;
    let (function, disk) = on_a_broken_disk(&app);
    let list = payload("list-events.json").to_string();
    // There is nothing to sync.
    assert!(function.invoke(list.clone()).await.is_ok());
    // A request commits. Even a list can show what it wrote.
    disk.committed();
    let error = function.invoke(list).await.unwrap_err().to_string();
    assert!(error.contains("cannot be synced"), "{error}");
    assert!(error.contains("input/output error"), "{error}");
}
