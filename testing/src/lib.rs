//! What the tests, benches and fuzz targets of the whole workspace share.
//!
//! - [`App`] is a log behind its HTTP API: a service of the test's own, or one that is deployed.
//! - [`Tables`] are the DynamoDB tables below that API, filled and indexed as a test asks for it.
//! - [`Faulty`] is a DynamoDB that fails on purpose.
//! - [`Ledger`] records what clients were promised, and checks every list against it.
//! - [`RuntimeApi`] starts the binary of a function as Lambda does.
//! - [`Rounds`] answer the calls to DynamoDB round by round.
//! - [`properties`] hold for any input. The fuzz targets and `tests/hostile` check the same ones.
//! - [`leaf_of`] is the hash that the transparency log has of an event, computed a second time.
//! - [`report`] prints what a bench has measured, and writes it into the documentation.
//! - [`tree`] has keys and events for the transparency log, and a storage in memory.
//! - [`trie`] has a storage in memory for the count index, and runs futures turn by turn.
//!
//! Without the feature `service` only the properties, the report, the [documents](event) and the
//! [leaf hash](leaf) remain.
//!
//! Unit tests within `functions/` cannot use this crate: it is built on another copy of that
//! library, whose types are not theirs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod documents;
mod leaf;
pub mod properties;
pub mod report;
mod repository;

pub use documents::{event, event_with, readme_event};
pub use leaf::{leaf, leaf_of};
pub use repository::{payload, payload_with, read_file, repo_path};

#[cfg(feature = "service")]
mod app;
#[cfg(feature = "service")]
mod engine;
#[cfg(feature = "service")]
pub mod faulty;
#[cfg(feature = "service")]
mod ledger;
#[cfg(all(feature = "service", target_os = "linux"))]
pub mod memory;
#[cfg(feature = "service")]
mod requests;
#[cfg(feature = "service")]
mod response;
#[cfg(feature = "service")]
mod rounds;
#[cfg(feature = "service")]
mod runtime_api;
#[cfg(feature = "service")]
pub mod tables;
#[cfg(feature = "service")]
pub mod tree;
#[cfg(feature = "service")]
pub mod trie;

#[cfg(feature = "service")]
pub use app::App;
#[cfg(feature = "service")]
pub use engine::{options, start_engine, storage};
#[cfg(feature = "service")]
pub use faulty::Faulty;
#[cfg(feature = "service")]
pub use ledger::{Claim, Ledger, Planned};
#[cfg(feature = "service")]
pub use requests::{
    checkpoint_request, feed_request, get_request, histogram_request, list_request, post_request,
    proof_request, settings, tile_request, usage,
};
#[cfg(feature = "service")]
pub use response::{Response, ids, levels};
#[cfg(feature = "service")]
pub use rounds::Rounds;
#[cfg(feature = "service")]
pub use runtime_api::{ALLOCATOR, RuntimeApi};
#[cfg(feature = "service")]
pub use tables::Tables;
