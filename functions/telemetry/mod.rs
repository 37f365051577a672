//! What a function says about itself: log lines and metrics, both on standard output.

mod logs;
mod metrics;

pub use logs::log_to_standard_output;
pub use metrics::{Metric, Metrics, NAMESPACE};
