//! POST /events with a batch: a JSON array, or NDJSON.

use audit_log_testing::{App, Response};
use reqwest::Method;
use serde_json::{Value, json};

async fn post_as(app: &App, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = app.request(Method::POST, "/events");
    let request = request.header("content-type", content_type).body(body);
    app.send(request).await
}

/// The results of a batch that could be read.
fn results(response: &Response) -> Vec<Value> {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["results"].as_array().unwrap().clone()
}

fn statuses(response: &Response) -> Vec<u64> {
    let results = results(response);
    let status = |result: &Value| result["status"].as_u64().unwrap();
    results.iter().map(status).collect()
}

fn array(documents: &[String]) -> String {
    format!("[{}]", documents.join(","))
}

/// As in fluent/fluent-bit#680, kubernetes/kubernetes#45919, cloudevents/spec#910 and
/// cloudevents/sdk-javascript#440.
#[tokio::test]
async fn an_array_and_lines_record_each_event_in_the_order_sent() {
    let app = App::open().await;
    let documents: Vec<String> = (0..6)
        .map(|n| app.event("1", n, &format!("{{\"n\": {n}.0}}")))
        .collect();
    let lines = format!("{}\r\n\n  \n{}", documents[3], documents[4..].join("\n"));
    let batches = [
        app.post(format!(" {} ", array(&documents[..3]))).await,
        post_as(&app, "application/x-ndjson", lines).await,
    ];
    let mut ids = Vec::new();
    for batch in &batches {
        assert_eq!(statuses(batch), [201, 201, 201]);
        assert_eq!(batch.json()["recorded"], 3);
        let batch = results(batch);
        ids.extend(
            batch
                .iter()
                .map(|result| result["id"].as_str().unwrap().to_owned()),
        );
    }
    ids.reverse();
    assert_eq!(app.list("").await.ids(), ids);
    for (n, document) in documents.iter().enumerate() {
        let shown = app.get(&format!("/events/{}", ids[5 - n])).await;
        assert!(shown.text.ends_with(&document[1..]), "{shown:?}");
    }
}

#[tokio::test]
async fn each_element_has_its_own_result() {
    let app = App::open().await;
    let good = app.event("1", 0, "{}");
    let surrogate = app.event("1", 1, "\"\\ud83d\"");
    let large = app.event("1", 2, &format!("\"{}\"", "x".repeat(256 << 10)));
    let elements = [
        good.clone(),
        "{}".to_owned(),
        "7".to_owned(),
        surrogate,
        large,
        good,
    ];
    let response = app.post(array(&elements)).await;
    assert_eq!(statuses(&response), [201, 400, 400, 400, 413, 201]);
    assert_eq!(response.json()["recorded"], 2);
    let results = results(&response);
    let codes: Vec<&Value> = results.iter().map(|result| &result["code"]).collect();
    let expected = json!([
        null,
        "invalid_event",
        "invalid_json",
        "invalid_json",
        "event_too_large",
        null
    ]);
    assert_eq!(json!(codes), expected);
    assert_eq!(results[1]["fields"].as_array().unwrap().len(), 6);
    for result in &results[1..5] {
        assert!(
            result["error"].is_string() && result["id"].is_null(),
            "{result}"
        );
    }
    assert_eq!(app.total().await, 2);
}

#[tokio::test]
async fn a_broken_line_spoils_no_other_and_a_broken_array_all() {
    let app = App::open().await;
    let good = app.event("1", 0, "{}");
    let lines = [
        good.as_bytes(),
        b"{\"user_id\":",
        b"\"\xff\"",
        good.as_bytes(),
    ]
    .join(&b'\n');
    let response = post_as(&app, "application/x-ndjson", lines).await;
    assert_eq!(statuses(&response), [201, 400, 400, 201]);
    let response = app.post(format!("[{good},{{\"user_id\":}}]")).await;
    assert_eq!(response.error(), (400, "invalid_json".to_owned()));
    assert!(
        response.json()["error"]
            .as_str()
            .unwrap()
            .contains("line 1 column")
    );
    assert_eq!(app.total().await, 2);
}

#[tokio::test]
async fn a_batch_has_1_to_100_events() {
    let app = App::open().await;
    let good = app.event("1", 0, "{}");
    let empty = post_as(&app, "application/x-ndjson", "\n \r\n").await;
    for refused in [
        app.post("[]").await,
        empty,
        app.post(array(&vec![good.clone(); 101])).await,
    ] {
        assert_eq!(refused.error(), (400, "invalid_batch".to_owned()));
    }
    assert_eq!(app.total().await, 0);
    let full = app.post(array(&vec![good; 100])).await;
    assert_eq!(statuses(&full), [201; 100]);
    assert_eq!(app.total().await, 100);
}

#[tokio::test]
async fn any_part_of_a_batch_with_keys_may_be_sent_again() {
    let app = App::open().await;
    let keyed: Vec<String> = (0..4)
        .map(|n| {
            let event = app.event("1", n, "{}");
            format!(
                "{{\"key\":\"{}\",\"event\":{event}}}",
                app.key(&format!("k{n}"))
            )
        })
        .collect();
    let first = app.post(array(&keyed[..3])).await;
    assert_eq!(statuses(&first), [201, 201, 201]);
    // Split otherwise, in another order, in another form.
    let again = [keyed[3].clone(), keyed[1].clone(), keyed[2].clone()].join("\n");
    let again = post_as(&app, "application/x-ndjson", again).await;
    assert_eq!(statuses(&again), [201, 200, 200]);
    assert_eq!(again.json()["recorded"], 3);
    assert_eq!(results(&again)[1]["id"], results(&first)[1]["id"]);
    // Alone, under the header.
    let alone = app.post_under("k0", app.event("1", 0, "{}")).await;
    assert_eq!(
        (alone.status, alone.id()),
        (200, results(&first)[0]["id"].as_str().unwrap().to_owned())
    );
    // The same key with another document, and twice in one batch.
    let other = keyed[0].replace("{}", "{\"other\":1}");
    let fresh = format!(
        "{{\"event\":{},\"key\":\"{}\"}}",
        app.event("1", 5, "{}"),
        app.key("k5")
    );
    let mixed = app.post(array(&[other, fresh.clone(), fresh])).await;
    let mut found = statuses(&mixed);
    found[1..].sort_unstable();
    assert_eq!(found, [422, 200, 201]);
    assert_eq!(app.total().await, 5);
}

#[tokio::test]
async fn a_batch_takes_no_key_in_its_header() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    let response = app.post_under("k", format!("[{document}]")).await;
    assert_eq!(
        response.error(),
        (400, "invalid_idempotency_key".to_owned())
    );
    assert!(
        response.json()["error"]
            .as_str()
            .unwrap()
            .contains("\"key\"")
    );
    for key in ["7", "\"a,b\"", "null"] {
        let element = format!("{{\"key\":{key},\"event\":{document}}}");
        let response = app.post(format!("[{element}]")).await;
        assert_eq!(results(&response)[0]["code"], "invalid_idempotency_key");
    }
    assert_eq!(app.total().await, 0);
}

#[tokio::test]
async fn late_and_early_events_of_a_batch_count_at_once() {
    let app = App::open().await;
    let documents: Vec<String> = (0..100).map(|n| app.event("1", n % 50, "{}")).collect();
    let response = app.post(array(&documents)).await;
    assert_eq!(statuses(&response), [201; 100]);
    let list = app.list("").await.json();
    assert_eq!(
        (&list["total"], &list["total_exact"]),
        (&json!(100), &json!(true))
    );
    assert_eq!(
        app.list("user_id=1&event_type=test").await.json()["total"],
        100
    );
}

#[tokio::test]
async fn a_batch_may_have_4_mb_and_no_more() {
    let app = App::open().await;
    let large = app.event("1", 0, &format!("\"{}\"", "x".repeat(200_000)));
    let fits = app.post(array(&vec![large.clone(); 20])).await;
    assert_eq!(statuses(&fits), [201; 20]);
    let response = app.post(array(&vec![large; 22])).await;
    assert_eq!(response.status, 413, "{response:?}");
    assert!(
        response.json()["error"]
            .as_str()
            .unwrap()
            .contains("4194304")
    );
}
