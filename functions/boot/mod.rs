//! What a function is started with: its settings, its DynamoDB client, the clock and chance, where its metrics go.

mod client;
mod metrics;
mod settings;
mod sources;
mod usage;

pub use client::{client, client_from};
pub use metrics::{Metric, Metrics, NAMESPACE};
pub use settings::{COUNTS_TABLE, EVENTS_TABLE, SHARDS, Settings, SettingsError};
pub use sources::Sources;
pub use usage::{Units, Usage};
