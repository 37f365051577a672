//! The metrics: lines in CloudWatch's embedded metric format, as the handlers note them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::index_events::IndexEvents;
use audit_log::list_events::ListEvents;
use audit_log::telemetry::{Metrics, NAMESPACE};
use audit_log_testing::tables::{events, stream_batch};
use audit_log_testing::{Tables, event, list_request};
use serde_json::{Value, json};

const SERVICE: &str = "audit-log-test";
const AT: &str = "2024-01-01T00:00:00Z";

/// Keeps the lines, and gives each one's metric, value, service and code.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Value>>>);

impl Lines {
    fn effects(&self) -> Effects {
        let lines = self.0.clone();
        let metrics = Metrics::to(SERVICE, move |line| {
            lines
                .lock()
                .unwrap()
                .push(serde_json::from_str(line).unwrap());
        });
        let now = Timestamp::parse(AT)
            .unwrap()
            .saturating_add(Duration::from_secs(3));
        Effects::system()
            .with_clock(move || now)
            .with_metrics(metrics)
    }

    fn take(&self) -> Vec<(String, f64, String, Option<String>)> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let noted = lines.iter().map(|line| {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(
                (&directive["Namespace"], &line["_aws"]["Timestamp"]),
                (&json!(NAMESPACE), &json!(1_704_067_203_000_u64))
            );
            for dimension in directive["Dimensions"][0].as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{line}");
            }
            let name = text(&directive["Metrics"][0]["Name"]).unwrap();
            (
                name.clone(),
                line[&name].as_f64().unwrap(),
                text(&line["service"]).unwrap(),
                text(&line["code"]),
            )
        });
        noted.collect()
    }
}

fn noted(name: &str, value: f64, code: Option<&str>) -> (String, f64, String, Option<String>) {
    (
        name.to_owned(),
        value,
        SERVICE.to_owned(),
        code.map(str::to_owned),
    )
}

#[tokio::test]
async fn what_happens_is_counted_and_content_is_not_in_it() {
    let tables = Tables::start().await;
    let lines = Lines::default();
    let post = |document: String| tables.post_with(Some("k"), document, lines.effects());
    post(event("1", AT)).await;
    assert_eq!(lines.take(), [noted("EventsRecorded", 1.0, None)]);
    post(event("1", AT)).await;
    assert_eq!(lines.take(), [noted("EventsReplayed", 1.0, None)]);
    post(event("2", AT)).await;
    assert_eq!(
        lines.take(),
        [noted(
            "RequestsRefused",
            1.0,
            Some("idempotency_key_reused")
        )]
    );
    let list = ListEvents::new(tables.deps().with_effects(lines.effects()));
    list.handle(list_request("")).await;
    assert_eq!(lines.take(), [], "a page is no event");

    let index = IndexEvents::new(tables.deps().with_effects(lines.effects()));
    let mut batch = stream_batch(&events(2, Duration::from_secs(2)));
    batch["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = json!(1_704_067_201);
    batch["Records"][1]["dynamodb"]["ApproximateCreationDateTime"] = json!(1_704_067_202.5);
    let deadline = Timestamp::parse("2024-01-01T00:01:00Z").unwrap();
    index
        .handle(serde_json::from_value(batch).unwrap(), deadline)
        .await;
    assert_eq!(lines.take(), [noted("IndexLag", 2000.0, None)]);
}

#[tokio::test]
async fn an_uncounted_late_event_is_acknowledged_and_reported() {
    let tables = Tables::start().await;
    let lines = Lines::default();
    tables
        .client
        .delete_table()
        .table_name("CountsTable")
        .send()
        .await
        .unwrap();
    let response = tables
        .post_with(None, event("1", "2023-12-31T00:00:00Z"), lines.effects())
        .await;
    assert_eq!(response.status(), 201);
    let expected = ["EventsRecorded", "LateEventsUncounted"].map(|name| noted(name, 1.0, None));
    assert_eq!(lines.take(), expected);
}
