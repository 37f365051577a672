//! Hostile input: through the same properties as the fuzzer's, the handlers, and
//! the functions' binaries.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bounds;
mod corpus;
mod documents;
mod generated;
mod logs;
mod memory;
mod references;
mod unreadable;

mod binary;
