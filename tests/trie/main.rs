//! The trie by itself: that it converges whatever happens to it, and what it costs, at a billion
//! events too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod convergence;
mod implicit;
mod intervals;
mod reading;
mod writing;
