//! The service through HTTP, API Gateway's payloads and the Lambda runtime, each test on an engine
//! of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod counting;
mod create;
mod engine;
mod facets;
mod feed;
mod formats;
mod gateway;
mod large;
mod log;
mod manners;
mod metrics;
mod payloads;
mod permissions;
mod proof;
mod responses;
mod routes;
mod runtime;
mod streams;
mod unavailable;
mod verbatim;
