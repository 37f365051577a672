//! The transparency log by itself: its formats against other implementations, and that sealing is
//! right whatever happens on the way.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attacks;
mod broken;
mod checker;
mod kms;
mod notes;
mod racing;
mod rfc6962;
