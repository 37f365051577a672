//! Metrics for CloudWatch, in its embedded metric format: JSON lines on standard output, which
//! CloudWatch extracts metrics from.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! The namespace and the dimension `service` follow the conventions of Powertools for AWS Lambda.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::event::Timestamp;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AuditLog";

/// A metric of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// New events were recorded.
    EventsRecorded,
    /// Events were sent again that were recorded before.
    EventsReplayed,
    /// Events that are late or ahead were acknowledged before they were counted. The stream counts
    /// them later.
    LateEventsUncounted,
    /// A request, or an event of a batch, got an error, by the `code` of the error.
    RequestsRefused,
    /// Milliseconds from the write of the oldest event of a batch until it is in the count index.
    IndexLag,
    /// A batch of the stream, or a part of it, will be redelivered.
    IndexBatchesFailed,
    /// New events were added to the transparency log.
    EventsSealed,
    /// Milliseconds from the write of the oldest event of a batch until a checkpoint has it.
    SealLag,
    /// A batch of the stream, or a part of it, will be redelivered to be sealed.
    SealBatchesFailed,
    /// Items of the events table were changed or removed, or are not events.
    EventsTampered,
    /// The transparency log contradicts its newest checkpoint, or lacks a part of itself.
    TreeContradicted,
}

impl Metric {
    /// The name in CloudWatch, as alarms and dashboards use it.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::EventsRecorded => "EventsRecorded",
            Metric::EventsReplayed => "EventsReplayed",
            Metric::LateEventsUncounted => "LateEventsUncounted",
            Metric::RequestsRefused => "RequestsRefused",
            Metric::IndexLag => "IndexLag",
            Metric::IndexBatchesFailed => "IndexBatchesFailed",
            Metric::EventsSealed => "EventsSealed",
            Metric::SealLag => "SealLag",
            Metric::SealBatchesFailed => "SealBatchesFailed",
            Metric::EventsTampered => "EventsTampered",
            Metric::TreeContradicted => "TreeContradicted",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Metric::IndexLag | Metric::SealLag => "Milliseconds",
            _ => "Count",
        }
    }
}

/// A sink for metrics.
#[derive(Clone)]
pub struct Metrics {
    service: Arc<str>,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Metrics {
    /// Drops all metrics.
    pub fn none() -> Metrics {
        Metrics::to("", |_| {})
    }

    /// Writes the metrics of `service` to standard output. Lambda requires each metric on a line of
    /// its own that is not a log line.
    pub fn standard_output(service: &str) -> Metrics {
        // A function does not fail because a line cannot be written.
        Metrics::to(service, |line| drop(writeln!(std::io::stdout(), "{line}")))
    }

    /// Passes the metrics of `service` to `sink`, line by line.
    pub fn to(service: &str, sink: impl Fn(&str) + Send + Sync + 'static) -> Metrics {
        Metrics {
            service: service.into(),
            sink: Arc::new(sink),
        }
    }

    /// Counts `times` occurrences of `metric` at `now`.
    pub fn count(&self, now: Timestamp, metric: Metric, times: usize) {
        self.emit(now, metric, times as f64, None);
    }

    /// Counts one request, or one event of a batch, that got an error with this code.
    pub fn refused(&self, now: Timestamp, code: &str) {
        self.emit(now, Metric::RequestsRefused, 1.0, Some(code));
    }

    /// Reports that `metric` had `value` at `now`.
    pub fn gauge(&self, now: Timestamp, metric: Metric, value: f64) {
        self.emit(now, metric, value, None);
    }

    fn emit(&self, now: Timestamp, metric: Metric, value: f64, code: Option<&str>) {
        let line = Line {
            now,
            metric,
            value,
            service: &self.service,
            code,
        };
        // Every value has a form in JSON, so this cannot fail.
        if let Ok(line) = serde_json::to_string(&line) {
            (self.sink)(&line);
        }
    }
}

/// A metric with one value.
struct Line<'a> {
    now: Timestamp,
    metric: Metric,
    value: f64,
    service: &'a str,
    code: Option<&'a str>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Metadata<'a> {
            timestamp: u64,
            cloud_watch_metrics: [Directive<'a>; 1],
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Directive<'a> {
            namespace: &'a str,
            dimensions: [&'a [&'a str]; 1],
            metrics: [Definition<'a>; 1],
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Definition<'a> {
            name: &'a str,
            unit: &'a str,
        }

        // A refused request is counted for its error code.
        let dimensions: &[&str] = match self.code {
            Some(_) => &["service", "code"],
            None => &["service"],
        };
        let definition = Definition {
            name: self.metric.name(),
            unit: self.metric.unit(),
        };
        let directive = Directive {
            namespace: NAMESPACE,
            dimensions: [dimensions],
            metrics: [definition],
        };
        let metadata = Metadata {
            timestamp: self.now.millis(),
            cloud_watch_metrics: [directive],
        };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &metadata)?;
        line.serialize_entry("service", self.service)?;
        if let Some(code) = self.code {
            line.serialize_entry("code", code)?;
        }
        line.serialize_entry(self.metric.name(), &self.value)?;
        line.end()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_is_one_value_in_the_embedded_metric_format() {
        let lines = Arc::new(Mutex::new(Vec::<Value>::new()));
        let sink = lines.clone();
        let metrics = Metrics::to("audit", move |line| {
            let line = serde_json::from_str(line).unwrap();
            sink.lock().unwrap().push(line);
        });
        let now = Timestamp::parse("2024-01-01T00:00:00.123Z").unwrap();
        metrics.count(now, Metric::EventsRecorded, 2);
        metrics.gauge(now, Metric::IndexLag, 0.5);
        metrics.refused(now, "event_too_large");

        let metadata = |name: &str, unit: &str, dimensions: Value| {
            json!({
                "Timestamp": 1_704_067_200_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "AuditLog",
                    "Dimensions": [dimensions],
                    "Metrics": [{ "Name": name, "Unit": unit }],
                }],
            })
        };
        let expected = [
            json!({
                "_aws": metadata("EventsRecorded", "Count", json!(["service"])),
                "service": "audit",
                "EventsRecorded": 2.0,
            }),
            json!({
                "_aws": metadata("IndexLag", "Milliseconds", json!(["service"])),
                "service": "audit",
                "IndexLag": 0.5,
            }),
            json!({
                "_aws": metadata("RequestsRefused", "Count", json!(["service", "code"])),
                "service": "audit",
                "code": "event_too_large",
                "RequestsRefused": 1.0,
            }),
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }
}
