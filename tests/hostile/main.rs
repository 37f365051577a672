//! What nobody sends who means well: through the same properties as the fuzzer's, the handlers, and the functions' binaries.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod corpus;
mod documents;
mod generated;
mod logs;
mod memory;
mod references;
mod unreadable;

mod binary;
mod properties;
#[path = "../support/runtime_api.rs"]
#[allow(dead_code, reason = "shared with the bench of the functions")]
mod runtime_api;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the service")]
mod support;
