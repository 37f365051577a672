//! What nobody sends who means well: to the handlers, and to the functions' binaries.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod unreadable;

mod binary;
#[path = "../support/runtime_api.rs"]
#[allow(dead_code, reason = "shared with the bench of the functions")]
mod runtime_api;
