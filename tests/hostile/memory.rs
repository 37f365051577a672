//! How much memory the functions' binaries take up at most, by the kernel's own account of each
//! process.
//!
//! Lambda gives a function 256 MB as the template has it (`MemorySize`), and ends the process that
//! takes more.
#![cfg(target_os = "linux")]

use std::io::{BufReader, Read};

use audit_log_testing::{event_with, payload, payload_with};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::bufread::GzEncoder;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::binary::{Binary, CREATE, LIST};

const AT: &str = "2024-01-01T00:00:00Z";
const KIB: usize = 1024;

/// A debug build needs a whole processor to handle the largest payloads in the time of a request.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A document of 256 KiB: with `unit` repeated between `start` and `end`, and a string that fills
/// it up.
fn largest(start: &str, unit: impl Fn(usize) -> String, end: &str) -> String {
    let mut data = start.to_owned();
    for number in 0.. {
        let unit = unit(number);
        if event_with("1", AT, "").len() + data.len() + unit.len() + end.len() > 256 * KIB {
            break;
        }
        data.push_str(&unit);
    }
    event_with("1", AT, &(data + end))
}

/// What takes a reader the most for each byte.
fn largest_documents() -> [String; 5] {
    [
        largest("\"", |_| "x".to_owned(), "\""),
        largest("\"", |_| r#"\""#.to_owned(), "\""),
        largest("{\"\":0", |number| format!(",\"{number:x}\":0"), "}"),
        largest("[0", |_| ",{}".to_owned(), "]"),
        // Members of the document itself, each of which is looked at.
        largest("0", |number| format!(",\"{number:x}\":0"), ""),
    ]
}

/// `POST /events` with this body.
fn create_event(body: String, encoded: bool) -> Value {
    payload_with("create-event.json", |p| {
        p["body"] = json!(body);
        p["isBase64Encoded"] = json!(encoded);
    })
}

/// `POST /events` with this body under `Content-Encoding: gzip`.
fn compressed(stream: &[u8]) -> Value {
    payload_with("create-event.json", |p| {
        p["headers"]["content-encoding"] = json!("gzip");
        p["body"] = json!(BASE64.encode(stream));
        p["isBase64Encoded"] = json!(true);
    })
}

/// A gzip stream of this many zeros, which is a thousandth of their size.
fn zeros(bytes: u64) -> Vec<u8> {
    let zeros = BufReader::new(std::io::repeat(0).take(bytes));
    let mut stream = Vec::new();
    let mut encoder = GzEncoder::new(zeros, Compression::best());
    encoder.read_to_end(&mut stream).unwrap();
    stream
}

#[tokio::test]
async fn the_largest_payloads_fit_into_a_small_function() {
    let _alone = ALONE.lock().await;
    let mut create = Binary::start(
        CREATE,
        |_, _| json!({"Count": 0, "ScannedCount": 0, "Items": []}),
    )
    .await;
    let first = create.response(&payload("create-event.json")).await;
    assert_eq!(first["status"], 201);
    let at_rest = create.peak_memory();
    for document in largest_documents() {
        for encoded in [false, true] {
            let body = if encoded {
                BASE64.encode(&document)
            } else {
                document.clone()
            };
            let payload = create_event(body, encoded);
            let response = create.response(&payload).await;
            assert_eq!(response["status"], 201, "{response}");
        }
    }
    // A batch of 4 MB, and one that takes 5 MB after it is decompressed.
    let batch = |events: usize| {
        let [document, ..] = largest_documents();
        let events = vec![document; events];
        format!("[{}]", events.join(","))
    };
    let payload = create_event(BASE64.encode(batch(15)), true);
    let response = create.response(&payload).await;
    assert_eq!(response["body"]["recorded"], 15, "{response}");
    let mut stream = Vec::new();
    GzEncoder::new(batch(19).as_bytes(), Compression::best())
        .read_to_end(&mut stream)
        .unwrap();
    let response = create.response(&compressed(&stream)).await;
    assert_eq!(response["body"]["recorded"], 19, "{response}");
    let accepted = create.peak_memory();
    // Lambda takes no payload above 6 MB: functions/http/response.rs.
    for (body, encoded, code) in [
        ("x".repeat(5_900 * KIB), false, "event_too_large"),
        ("eHh4".repeat(1_475 * KIB), true, "event_too_large"),
        ("!".repeat(5_900 * KIB), true, "invalid_request"),
    ] {
        let payload = create_event(body, encoded);
        let response = create.response(&payload).await;
        assert_eq!(response["body"]["code"], code, "{response}");
    }
    let bomb = create
        .response(&compressed(&zeros(1 << 20).repeat(200)))
        .await;
    assert_eq!(bomb["body"]["code"], "event_too_large", "{bomb}");
    let refused = create.peak_memory();
    println!(
        "MB: {at_rest} after one event, {accepted} after the largest, {refused} after the largest payloads"
    );
    assert!(
        accepted < at_rest + ACCEPTED_MB,
        "{at_rest} MB became {accepted}"
    );
    assert!(
        refused < at_rest + REFUSED_MB,
        "{at_rest} MB became {refused}"
    );
}

/// What the largest events may add.
const ACCEPTED_MB: u64 = 24;
/// What payloads of 6 MB may add.
const REFUSED_MB: u64 = 48;

/// What the function may have for the largest page: the hundred events of a batch, 26 MB, and the
/// answer's 6 MB, each more than once.
const PAGE_MB: u64 = 128;

/// A DynamoDB with a thousand events of one user's, each with this document, but for the newest,
/// which are small: after them as many of the others are read at once as ever are.
fn events_of_a_user(document: &str, operation: &str, request: &Value) -> Value {
    let id = |number: usize| format!("018cc251-{:04x}-7000-8000-000000000000", 0xffff - number);
    let keys = || {
        (0..1000)
            .map(|number| json!({"id": {"S": id(number)}}))
            .collect::<Vec<_>>()
    };
    let small = event_with("1", AT, "{}");
    let item = |key: &Value| {
        let document = if key["S"].as_str().unwrap() >= id(24).as_str() {
            small.as_str()
        } else {
            document
        };
        json!({"id": key, "user_id": {"S": "1"}, "recorded_at": {"S": AT}, "event": {"S": document}})
    };
    match operation {
        "Query" if request["TableName"] == "events" && request["Select"] == "COUNT" => {
            json!({"Count": 1000})
        }
        "Query" if request["TableName"] == "events" => json!({"Count": 1000, "Items": keys()}),
        "BatchGetItem" => {
            // DynamoDB gives 16 MB at once, which takes a debug build longer than a request has. So
            // less, and the rest when it is asked for again.
            let keys = request["RequestItems"]["events"]["Keys"]
                .as_array()
                .unwrap();
            let (now, later) = keys.split_at(keys.len().min(8));
            let items: Vec<Value> = now.iter().map(|key| item(&key["id"])).collect();
            let rest = if later.is_empty() {
                json!({})
            } else {
                json!({"events": {"Keys": later}})
            };
            json!({"Responses": {"events": items}, "UnprocessedKeys": rest})
        }
        _ => json!({"Count": 0, "Items": []}),
    }
}

/// The response to a request for the largest page, with some changes to its payload. Making it takes
/// less than [`PAGE_MB`].
async fn largest_page(change: impl FnOnce(&mut Value)) -> Value {
    let _alone = ALONE.lock().await;
    let document = largest("\"", |_| r#"\""#.to_owned(), "\"");
    let dynamodb =
        move |operation: &str, request: &Value| events_of_a_user(&document, operation, request);
    let mut list = Binary::start(LIST, dynamodb).await;
    let query = "user_id=1&per_page=1000&cursor=018cc252-0000-7000-8000-000000000000";
    let payload = payload_with("list-events.json", |p| {
        p["rawQueryString"] = json!(query);
        change(p);
    });
    let response = list.response(&payload).await;
    assert_eq!(response["status"], 200);
    let memory = list.peak_memory();
    println!("MB: {memory} after a page");
    assert!(memory < PAGE_MB, "{memory} MB");
    response
}

#[tokio::test]
async fn a_page_of_1000_large_events_fits_into_a_function() {
    let response = largest_page(|_| {}).await;
    // What fits into 6 MB, once each quote and backslash is escaped again.
    assert!(response["body"]["events"].as_array().unwrap().len() >= 25 + 7);
}

#[tokio::test]
async fn a_compressed_page_of_csv_fits_into_a_function() {
    let response = largest_page(|p| {
        p["headers"]["accept"] = json!("text/csv");
        p["headers"]["accept-encoding"] = json!("gzip");
    })
    .await;
    assert_eq!(response["headers"]["content-encoding"], "gzip");
}
