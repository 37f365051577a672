//! The release artifacts' own wiring: each binary, as Lambda starts it, polling a Runtime API.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::time::Duration;

use audit_log::event::Timestamp;
use audit_log_testing::tables::{events, stream_batch};
use audit_log_testing::{App, RuntimeApi, Tables, ids, payload, payload_with};
use serde_json::{Value, json};

/// The status and the body of the response to a payload of API Gateway.
async fn request(api: &mut RuntimeApi, payload: Value) -> Value {
    let (response, _) = api.invoke(&payload).await;
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    json!({"status": response["statusCode"], "body": body})
}

#[tokio::test]
async fn the_binaries_handle_payloads_through_the_lambda_runtime() {
    let app = App::start().await;
    let mut create_api = RuntimeApi::start().await;
    let mut list_api = RuntimeApi::start().await;
    let _create = create_api.spawn(env!("CARGO_BIN_EXE_create-event"), &app.service().dynamodb);
    let _list = list_api.spawn(env!("CARGO_BIN_EXE_list-events"), &app.service().dynamodb);

    let created = request(&mut create_api, payload("create-event.json")).await;
    assert_eq!(created["status"], 201);
    let refused = request(&mut create_api, payload("create-event-invalid.json")).await;
    assert_eq!(
        (&refused["status"], &refused["body"]["code"]),
        (&json!(400), &json!("invalid_event"))
    );
    let listed = request(&mut list_api, payload("list-events.json")).await;
    assert_eq!(
        (&listed["status"], &listed["body"]["total"]),
        (&json!(200), &json!(1))
    );
    assert_eq!(listed["body"]["events"][0]["id"], created["body"]["id"]);
}

/// As in ministackorg/ministack#1035, aws/aws-lambda-rust-runtime#461 and
/// aws/aws-lambda-rust-runtime#515, where such a query ends the process.
#[tokio::test]
async fn a_query_that_no_url_can_have_is_refused_without_a_crash() {
    let app = App::start().await;
    let mut api = RuntimeApi::start().await;
    let mut list = api.spawn(env!("CARGO_BIN_EXE_list-events"), &app.service().dynamodb);
    let by_user = |query: Value| {
        payload_with("list-events-by-user.json", |payload| {
            payload["rawQueryString"] = query;
        })
    };
    for wrong in ["user_id=a b", "user_id=a\tb", "user_id=<a", "user_id=\"a\""] {
        let response = request(&mut api, by_user(json!(wrong))).await;
        assert_eq!(response["status"], 400, "{wrong}: {response}");
        assert_eq!(response["body"]["code"], "invalid_request");
    }
    for absent in [json!(""), Value::Null] {
        let response = request(&mut api, by_user(absent)).await;
        assert_eq!(response["status"], 200, "{response}");
    }
    assert_eq!(list.try_wait().unwrap(), None, "the process has ended");
}

#[tokio::test]
async fn index_events_killed_during_a_batch_counts_each_event_once() {
    let tables = Tables::start().await;
    let events = events(3600, Duration::from_secs(3600));
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    // The lanes are ready before there is any event, so that totals come from them.
    tables.index(now).await;
    tables.write(&events).await;
    for batch in events.chunks(900) {
        let api = RuntimeApi::start().await;
        let mut function = api.spawn(env!("CARGO_BIN_EXE_index-events"), &tables.dynamodb);
        let before = tables.index_writes().await;
        api.send(&stream_batch(batch)).await;
        let some_written = async { while tables.index_writes().await == before {} };
        tokio::time::timeout(Duration::from_secs(60), some_written)
            .await
            .expect("the function writes");
        function.kill().await.unwrap();
    }
    let mut api = RuntimeApi::start().await;
    let _function = api.spawn(env!("CARGO_BIN_EXE_index-events"), &tables.dynamodb);
    for batch in events.chunks(900) {
        assert_eq!(
            api.invoke(&stream_batch(batch)).await.0,
            json!({"batchItemFailures": []})
        );
    }
    let (list, usage) = tables.get("page=360", now).await;
    let oldest: Vec<String> = events
        .iter()
        .take(10)
        .rev()
        .map(|event| event.id.to_string())
        .collect();
    assert_eq!((&list["total"], ids(&list)), (&json!(3600), oldest));
    assert!(usage.read.total() < 40.0, "by the index: {usage:?}");
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_says_which() {
    let api = RuntimeApi::start().await;
    let all = [
        ("EVENTS_TABLE", "events"),
        ("KEYS_TABLE", "keys"),
        ("COUNTS_TABLE", "counts"),
        ("TREE_TABLE", "tree"),
        ("SHARDS", "4"),
        ("FILTERS", "none"),
    ];
    let wrong = [("SHARDS", "17"), ("FILTERS", "user_id")];
    let without = all.iter().map(|(name, _)| (*name, ""));
    for (named, value) in without.chain(wrong) {
        let environment =
            all.map(|(name, usual)| (name, if name == named { value } else { usual }));
        for binary in [
            env!("CARGO_BIN_EXE_create-event"),
            env!("CARGO_BIN_EXE_list-events"),
            env!("CARGO_BIN_EXE_index-events"),
        ] {
            let output = api.function(binary, &environment).output().await.unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && error.contains(named), "{error}");
        }
    }
}
