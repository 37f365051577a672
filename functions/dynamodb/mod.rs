//! The DynamoDB client: how it is configured, what it uses, and the check of each response.

mod checksum;
mod client;
mod usage;
mod user_agent;

pub use client::{client, client_from, connect, http_client};
pub(crate) use client::{credentials, retries, timeouts};
pub use usage::{Units, Usage};
