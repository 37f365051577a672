//! The HTTP contract, as any client sees it.
//!
//! By default, each test starts a service of its own. `AUDIT_LOG_URL` points the tests at one that
//! runs, such as `https://abc.execute-api.eu-west-1.amazonaws.com`: requests are then signed with
//! the AWS credentials in the environment, or carry the token in `AUDIT_LOG_TOKEN`. That log may
//! hold anything, and keeps what the tests write: each test writes to, and looks at, a stretch of
//! time of its own. The tests of [`refused`] write nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod batch;
mod cases;
mod create;
mod filter;
mod get;
mod histogram;
mod idempotency;
mod leaf;
mod list;
mod log;
mod paging;
mod refused;
