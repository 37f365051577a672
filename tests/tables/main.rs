//! The tables below HTTP, on the engine: what lies in them, what is read and written for a request,
//! and that totals are right whatever is delivered when.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bounded;
mod cost;
mod filters;
mod histogram;
mod index;
mod leaf;
mod no_user;
mod racing;
mod seal;
mod stored;
