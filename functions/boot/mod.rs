//! What a function is started with: its settings, its DynamoDB client, the clock and chance.

mod client;
mod settings;
mod sources;
mod usage;

pub use client::{client, client_from};
pub use settings::{COUNTS_TABLE, EVENTS_TABLE, SHARDS, Settings, SettingsError};
pub use sources::Sources;
pub use usage::{Units, Usage};
