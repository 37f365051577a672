//! What the client sends when the service fails: a fake service has a list of responses.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod batch;
mod fake;
mod reading;
mod report;
