//! The engine on which a test keeps its tables.

use std::net::Ipv4Addr;

use audit_log_cli::Options;
use audit_log_cli::serve::disk::Durability;
use audit_log_cli::serve::engine::{Address, Engine, Storage};
use audit_log_cli::serve::log_key::key_file;
use tokio::net::TcpListener;

use crate::repo_path;

/// Where a test keeps its tables: in memory. If `AUDIT_LOG_TEST_DYNAMODB` has the URL of a DynamoDB
/// Local, they are there.
pub fn storage() -> Storage {
    match std::env::var("AUDIT_LOG_TEST_DYNAMODB") {
        Ok(url) => {
            // Without -sharedDb, each access key has tables of its own.
            let access_key_id = format!("test{:016x}", rand::random::<u64>());
            Storage::Elsewhere(Address { url, access_key_id })
        }
        Err(_) => Storage::Memory,
    }
}

/// An engine of the test's own, which lives as long as the test.
pub async fn start_engine() -> Address {
    if let Storage::Elsewhere(address) = storage() {
        return address;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new(format!("http://{}", listener.local_addr().unwrap()));
    Engine::open(None)
        .unwrap()
        .serve(listener, std::future::pending());
    address
}

/// A service on this machine, on free ports, by the template of the repository.
pub fn options(storage: Storage) -> Options {
    Options {
        host: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        dynamodb_port: 0,
        log_key: storage.folder().map(key_file),
        storage,
        durability: Durability::default(),
        template: repo_path("template.yaml"),
        filters: None,
        allowed_origin: None,
        lambda_url: None,
    }
}
