//! The DynamoDB client: how it is configured, what it uses, and the check of each response.

mod checksum;
mod client;
mod usage;

pub use client::{client, client_from, connect, http_client};
pub use usage::{Units, Usage};
