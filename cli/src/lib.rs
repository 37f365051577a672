//! The command `audit-log`: the service on one machine, and tools for an audit log that is running.
//!
//! [`serve`] is the service. Each command has a file next to `main.rs`.

pub mod serve;

pub use serve::{Options, Service, StartError};
