//! The command `audit-log`: the service on one machine, and tools for an audit log that is running.
//!
//! | module | subject |
//! |---|---|
//! | [`serve`] | the service |
//! | [`log`] | how a log is read, over HTTP or from a folder |
//! | [`audit`] | whether a log keeps what it promised |
//! | [`viewer`] | the page that shows a log |
//!
//! Each command has a file next to `main.rs`.

pub mod audit;
pub mod log;
pub mod serve;
pub mod viewer;

pub use serve::{Options, Service, StartError};
