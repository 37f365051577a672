//! The time runs out: DynamoDB takes connections and never answers. The answer is still the
//! function's own, because without one API Gateway answers a bare 503 or 504, and Lambda delivers a
//! batch again from its beginning.

use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_cli::serve::template::Template;
use audit_log_testing::faulty::{Fault, Plan};
use audit_log_testing::tables::{events, stream_batch};
use audit_log_testing::{Faulty, RuntimeApi, Tables, payload, repo_path};
use futures_util::future::join_all;
use serde_json::{Value, json};

const CREATE: &str = env!("CARGO_BIN_EXE_create-event");
const LIST: &str = env!("CARGO_BIN_EXE_list-events");
const INDEX: &str = env!("CARGO_BIN_EXE_index-events");

/// Tables of which one, or both, are silent.
async fn silent(table: Option<&'static str>) -> (Tables, Faulty) {
    let tables = Tables::start().await;
    let faulty = Faulty::start(&tables.dynamodb, 1).await;
    faulty.fail(Plan {
        faults: vec![Fault::Silent],
        puts: 1.0,
        others: 1.0,
        table,
    });
    (tables, faulty)
}

/// The `Timeout` that the template gives a function.
fn timeout(binary: &str) -> Duration {
    let template = Template::read(&repo_path("template.yaml")).unwrap();
    let function = template
        .functions
        .into_values()
        .find(|function| binary.ends_with(&function.binary))
        .unwrap();
    Duration::from_secs(function.timeout)
}

/// The answer of a function that is given this much time, and takes less.
async fn response(faulty: &Faulty, binary: &str, time: Duration, payload: &Value) -> Value {
    let mut api = RuntimeApi::with_timeout(time).await;
    let _function = api.spawn(binary, &faulty.address);
    let (response, took) = api.invoke(payload).await;
    assert!(took < time, "{binary} took {took:?} of {time:?}");
    response
}

#[tokio::test]
async fn a_silent_database_is_our_503_before_the_function_is_stopped() {
    let (_tables, faulty) = silent(None).await;
    let mut cases = Vec::new();
    for (binary, file, sentence) in [
        (
            CREATE,
            "create-event.json",
            "not known whether the event was recorded",
        ),
        (
            CREATE,
            "create-event-idempotent.json",
            "not known whether the event was recorded",
        ),
        (LIST, "list-events.json", "try again"),
        (LIST, "list-events-by-user.json", "try again"),
        (LIST, "get-event.json", "try again"),
    ] {
        for time in [
            Duration::from_secs(1),
            Duration::from_secs(3),
            timeout(binary),
        ] {
            cases.push((binary, file, sentence, time));
        }
    }
    let responses = cases
        .into_iter()
        .map(async |(binary, file, sentence, time)| {
            let response = response(&faulty, binary, time, &payload(file)).await;
            assert_eq!(response["statusCode"], 503, "{file}: {response}");
            assert_eq!(
                response["headers"]["retry-after"], "1",
                "{file}: {response}"
            );
            let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["code"], "temporarily_unavailable");
            assert!(body["error"].as_str().unwrap().contains(sentence), "{body}");
        });
    join_all(responses).await;
}

/// The users of a batch are added a few at a time, so that many of them take many timeouts of the
/// client.
#[tokio::test]
async fn a_silent_database_returns_the_batch_in_time() {
    let (_tables, faulty) = silent(None).await;
    let events = events(600, Duration::from_secs(600));
    let cases = [
        (600, Duration::from_secs(1)),
        (600, Duration::from_secs(3)),
        (1, timeout(INDEX)),
    ];
    let responses = cases.map(async |(count, time)| {
        let response = response(&faulty, INDEX, time, &stream_batch(&events[..count])).await;
        assert_eq!(
            response,
            json!({"batchItemFailures": [{"itemIdentifier": "0"}]}),
            "{count} events in {time:?}"
        );
    });
    join_all(responses).await;
}

/// It is in the log whatever becomes of the index, so the caller is not told that this is not
/// known.
#[tokio::test]
async fn a_late_event_is_acknowledged_though_the_index_is_silent() {
    let (tables, faulty) = silent(Some("CountsTable")).await;
    let times = [
        Duration::from_secs(1),
        Duration::from_secs(3),
        timeout(CREATE),
    ];
    let responses = times.map(async |time| {
        let response = response(&faulty, CREATE, time, &payload("create-event.json")).await;
        assert_eq!(response["statusCode"], 201, "{time:?}: {response}");
    });
    join_all(responses).await;
    let (list, _) = tables
        .get("", Timestamp::parse("2024-03-01T00:00:00Z").unwrap())
        .await;
    assert_eq!(list["total"], times.len());
}
