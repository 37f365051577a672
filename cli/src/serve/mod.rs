//! The audit log on one machine: `cargo run` starts it, and the tests call it.
//!
//! A request takes the same path as on AWS. [`gateway`] turns it into an API Gateway payload,
//! [`functions`] passes the payload to the handler, and the handler's DynamoDB client calls
//! [`engine`] through a [`connector`]. The response waits until the [`disk`] has what was written.
//! [`stream`] then delivers the recorded event to the count index and to the transparency log, which
//! [`log_key`] signs. Routes, functions, environments and tables come from `template.yaml`, which
//! [`template`] reads.

pub mod connector;
mod cors;
pub mod disk;
pub mod engine;
pub mod functions;
pub mod gateway;
pub mod log_key;
mod records;
pub mod service;
pub mod stream;
pub mod tables;
pub mod template;
mod turns;

pub use service::{Options, Service, StartError};
