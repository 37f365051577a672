//! An event of the demo, as the services of the company report it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// An event, in the order of its members.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The account, or nothing if a program acted by itself.
    pub user_id: Option<String>,
    /// What happened.
    pub event_type: &'static str,
    /// When it happened, with milliseconds.
    pub timestamp: String,
    /// The service that reports it.
    pub src_service: &'static str,
    /// From where, as every service of the company reports it.
    pub invariant_data: Value,
    /// What the type of the event has.
    pub app_data: Value,
}

/// From where a person works.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address.
    pub ip: String,
    /// The device.
    pub device: String,
    /// The browser.
    pub user_agent: String,
}

impl Origin {
    /// The `invariant_data` of a request from here.
    pub fn with_trace(&self, trace: u64) -> Value {
        json!({
            "ip": self.ip,
            "device": self.device,
            "user_agent": self.user_agent,
            "trace": format!("{trace:016x}"),
        })
    }
}

/// RFC 3339 with exactly three digits, as most services write it.
pub fn spelled(at: Timestamp) -> String {
    format!("{at:.3}")
}
