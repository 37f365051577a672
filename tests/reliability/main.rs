//! Nothing acknowledged is ever lost, whatever breaks: DynamoDB's faults, the time running out, and
//! very many requests. What load does to it: `tests/process/load.rs`.
//!
//! Each test has a short form, and a long one that an environment variable asks for: see
//! CONTRIBUTING.md.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod deadline;
mod faults;
mod sealing;
#[cfg(target_os = "linux")]
mod soak;
