//! Metrics for CloudWatch, in its embedded metric format: a JSON line on standard output, of which Lambda's log
//! pipeline makes metrics. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! Namespace and the dimension `service` follow the conventions of Powertools for AWS Lambda.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::event::Timestamp;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AuditLog";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// An event was recorded that was not there.
    EventsRecorded,
    /// A request repeated one whose event was there.
    EventsReplayed,
    /// An event that is late or ahead was acknowledged before it was counted: the stream will count it.
    LateEventsUncounted,
    /// A request was answered with an error, by the error's `code`.
    RequestsRefused,
    /// Milliseconds from the write of a batch's oldest event to its being in the index.
    IndexLag,
    /// A batch of the stream, or a part of it, is to be delivered again.
    IndexBatchesFailed,
}

/// Where metrics go.
#[derive(Clone)]
pub struct Metrics {
    service: Arc<str>,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Metrics {
    /// Nowhere.
    pub fn none() -> Metrics {
        Metrics::to("", |_| {})
    }

    /// Those of `service` to standard output, as Lambda wants them: each a line of its own, not one of the log's.
    pub fn standard_output(service: &str) -> Metrics {
        // A line that nobody reads is no reason to fail.
        Metrics::to(service, |line| drop(writeln!(std::io::stdout(), "{line}")))
    }

    /// Those of `service` to `sink`, line by line.
    pub fn to(service: &str, sink: impl Fn(&str) + Send + Sync + 'static) -> Metrics {
        Metrics { service: service.into(), sink: Arc::new(sink) }
    }

    /// Notes that `metric` had `value` at `now`. A `code` is a dimension of its own.
    pub fn note(&self, now: Timestamp, metric: Metric, value: f64, code: Option<&str>) {
        let unit = if metric == Metric::IndexLag { "Milliseconds" } else { "Count" };
        let name = format!("{metric:?}");
        let dimensions = if code.is_some() { vec!["service", "code"] } else { vec!["service"] };
        let mut line = json!({
            "_aws": {
                "Timestamp": now.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [dimensions],
                    "Metrics": [{ "Name": name, "Unit": unit }],
                }],
            },
            "service": &*self.service,
        });
        line[name] = value.into();
        if let Some(code) = code {
            line["code"] = Value::from(code);
        }
        (self.sink)(&line.to_string());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
