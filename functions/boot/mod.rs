//! What a function is started with: its settings, its DynamoDB client, the clock and chance, its log and its metrics.

mod client;
mod logs;
mod metrics;
mod settings;
mod sources;
mod usage;
mod whole;

pub use client::{client, client_from, connect};
pub use logs::log_to_standard_output;
pub use metrics::{Metric, Metrics, NAMESPACE};
pub use settings::{
    Access, COUNTS_TABLE, EVENTS_TABLE, Identity, KEYS_TABLE, SERVICE, SHARDS, Settings, SettingsError,
};
pub use sources::{Sources, jitter};
pub use usage::{Units, Usage};
