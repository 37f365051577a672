//! The whole audit log on one machine: what `cargo run` starts, and what the tests talk to.
//!
//! A request takes the way it takes on AWS: [`gateway`] makes an API Gateway event of it, [`functions`] passes that to
//! the handler as its binary does, and the handler's DynamoDB client talks HTTP to [`engine`]. Routes, functions, their
//! environments and the tables come from `template.yaml`, which [`template`] reads.

pub mod engine;
pub mod functions;
pub mod gateway;
pub mod service;
pub mod stream;
pub mod tables;
pub mod template;

pub use service::{Options, Service, StartError};
