//! The command `audit-log`: the whole service on one machine, and the tools for a log that is
//! running.
//!
//! [`serve`] is the service. Each other command has a file next to `main.rs`.

pub mod serve;

pub use serve::{Options, Service, StartError};
