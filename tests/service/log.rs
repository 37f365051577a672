//! GET /log/checkpoint and GET /log/{path+}: the transparency log as tlog-tiles defines it.

use std::collections::HashMap;

use audit_log::dynamodb::{Units, Usage};
use audit_log::http::{Payload, invoke};
use audit_log::list_events::ListEvents;
use audit_log::tree::tile::{decode_entries, decode_hashes};
use audit_log::tree::{Checkpoint, Entry, Hash, Note};
use audit_log_testing::tables::{Log, entries as entries_of};
use audit_log_testing::{Tables, checkpoint_request, payload_with, tile_request, usage};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lambda_http::http::{Response, StatusCode};
use lambda_http::{Body, Context, LambdaEvent, RequestExt};
use serde_json::{Value, json};

/// Tables with a log of this many entries.
async fn sealed(count: usize) -> (Tables, Log) {
    let (tables, ids) = Tables::unsealed(count).await;
    let mut log = tables.log();
    log.seal(ids).await;
    (tables, log)
}

async fn checkpoint(tables: &Tables) -> Response<Body> {
    let function = ListEvents::new(tables.deps());
    function.handle(checkpoint_request()).await
}

async fn tile(tables: &Tables, path: &str) -> Response<Body> {
    let function = ListEvents::new(tables.deps());
    function.handle(tile_request(path)).await
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

fn error(response: &Response<Body>) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (response.status().as_u16(), text("code"), text("error"))
}

/// The hashes of a tile that is served.
async fn hashes(tables: &Tables, path: &str) -> Vec<Hash> {
    let response = tile(tables, path).await;
    assert_eq!(response.status(), 200, "{path}: {response:?}");
    decode_hashes(response.body()).unwrap()
}

/// The entries of a bundle that is served.
async fn entries(tables: &Tables, path: &str) -> Vec<Entry> {
    let response = tile(tables, path).await;
    assert_eq!(response.status(), 200, "{path}: {response:?}");
    decode_entries(response.body()).unwrap()
}

#[tokio::test]
async fn a_log_without_entries_has_no_checkpoint_yet() {
    let tables = Tables::start().await;
    let response = checkpoint(&tables).await;
    let (status, code, message) = error(&response);
    assert_eq!((status, code.as_str()), (404, "not_sealed"));
    assert!(message.contains("within a minute"), "{message}");
    assert_eq!(header(&response, "retry-after"), Some("10"));
    assert_eq!(header(&response, "cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_checkpoint_is_a_note_that_the_log_signed() {
    let (tables, log) = sealed(3).await;
    let response = checkpoint(&tables).await;
    assert_eq!(response.status(), 200);
    let content_type = Some("text/plain; charset=utf-8");
    assert_eq!(header(&response, "content-type"), content_type);
    assert_eq!(header(&response, "cache-control"), Some("no-cache"));
    assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));

    let text = std::str::from_utf8(response.body()).unwrap();
    let note: Note = text.parse().unwrap();
    assert!(note.is_signed_by(&log.verifier_key()));
    let checkpoint: Checkpoint = note.text().parse().unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (3, log.root()));
}

#[tokio::test]
async fn tiles_have_the_hashes_and_entries_of_the_log() {
    let (tables, ids) = Tables::unsealed(600).await;
    let mut log = tables.log();
    for size in [1, 2, 255, 256, 257, 600] {
        let new = ids[log.entries.len()..size].iter().copied();
        log.seal(new).await;
        let leaves: Vec<Hash> = log.entries.iter().map(Entry::leaf).collect();
        for (index, bundle) in log.entries.chunks(256).enumerate() {
            let path = match bundle.len() {
                256 => format!("{index:03}"),
                width => format!("{index:03}.p/{width}"),
            };
            let found = entries(&tables, &format!("tile/entries/{path}")).await;
            assert_eq!(found, bundle, "{path} of {size}");
            let found = hashes(&tables, &format!("tile/0/{path}")).await;
            assert_eq!(found, leaves[index * 256..][..bundle.len()], "{path}");
        }
    }
    // The beginning of a tile stays where it was when the log was that short.
    for width in [1, 255] {
        let first = entries(&tables, &format!("tile/entries/000.p/{width}")).await;
        assert_eq!(first, log.entries[..width]);
    }
    // A node is the root of a full tile.
    let level_1 = hashes(&tables, "tile/1/000.p/2").await;
    let root = |bundle: &[Entry]| {
        let mut row: Vec<Hash> = bundle.iter().map(Entry::leaf).collect();
        while row.len() > 1 {
            row = row
                .chunks(2)
                .map(|pair| Hash::node(&pair[0], &pair[1]))
                .collect();
        }
        row[0]
    };
    let roots = [root(&log.entries[..256]), root(&log.entries[256..512])];
    assert_eq!(level_1, roots);
}

#[tokio::test]
async fn a_tile_may_be_kept_for_ever_by_who_read_it() {
    let (tables, _) = sealed(1).await;
    for path in ["tile/0/000.p/1", "tile/entries/000.p/1"] {
        let response = tile(&tables, path).await;
        let content_type = Some("application/octet-stream");
        assert_eq!(header(&response, "content-type"), content_type);
        let cache_control = Some("private, max-age=31536000, immutable");
        assert_eq!(header(&response, "cache-control"), cache_control);
        assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));
        // The checkpoint, and the run.
        let read = Units {
            tables: 1.5,
            indexes: 0.0,
        };
        let expected = Usage {
            calls: 2,
            rounds: 2,
            read,
            ..Usage::default()
        };
        assert_eq!(usage(&response), expected, "{path}");
    }
}

#[tokio::test]
async fn a_tile_beyond_the_checkpoint_is_a_404_with_its_size() {
    let (tables, ids) = Tables::unsealed(300).await;
    let mut log = tables.log();
    let (sealed, later) = ids.split_at(257);
    log.seal(sealed.iter().copied()).await;
    // Entries that no checkpoint has yet are not served.
    let unpublished = entries_of(&tables.client, later.to_vec()).await;
    log.append(&unpublished).await;
    for path in [
        "tile/0/001",
        "tile/0/001.p/2",
        "tile/entries/001.p/43",
        "tile/0/002",
        "tile/1/000",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/63/000",
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
    ] {
        let response = tile(&tables, path).await;
        let (status, code, message) = error(&response);
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
        assert!(message.contains("257 entries"), "{message}");
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
    }
    for path in ["tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/000"] {
        assert_eq!(tile(&tables, path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_file_of_a_log_is_a_404() {
    let (tables, _) = sealed(1).await;
    for path in [
        "tile",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/x000/000",
        "tile/64/000",
        "tile/data/000",
        "tile//000",
        "tile/entries/000.p/1/",
        "checkpoint.txt",
        "../events",
        "é",
    ] {
        let parameters = HashMap::from([("path".to_owned(), path.to_owned())]);
        let request = tile_request("x").with_path_parameters(parameters);
        let response = ListEvents::new(tables.deps()).handle(request).await;
        let (status, code, message) = error(&response);
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
        assert!(message.contains("/log/tile/LEVEL/NUMBER"), "{message}");
        // It costs nothing.
        assert_eq!(usage(&response), Usage::default());
    }
}

#[tokio::test]
async fn a_tile_that_lost_an_item_is_never_served_shorter() {
    let (tables, _) = sealed(600).await;
    for (part, at, path) in [
        ("t/1/0", "0", "tile/1/000.p/2"),
        ("t/1/0", "1", "tile/1/000.p/2"),
        ("e/1", "0", "tile/entries/001"),
        ("e/2", "0", "tile/0/002.p/88"),
    ] {
        let delete = tables
            .client
            .delete_item()
            .table_name("TreeTable")
            .key("part", AttributeValue::S(part.to_owned()))
            .key("at", AttributeValue::N(at.to_owned()));
        delete.send().await.unwrap();
        let (status, code, message) = error(&tile(&tables, path).await);
        assert_eq!((status, code.as_str()), (500, "internal_error"), "{path}");
        assert!(!message.contains("tree"), "{message}");
    }
}

/// The response to a payload of API Gateway's, as Lambda returns it.
async fn response_to(tables: &Tables, payload: Value) -> Value {
    let payload: Payload = serde_json::from_value(payload).unwrap();
    let function = ListEvents::new(tables.deps());
    let event = LambdaEvent::new(payload, Context::default());
    let response = invoke(event, |request| async { function.handle(request).await }).await;
    serde_json::to_value(response).unwrap()
}

#[tokio::test]
async fn a_tile_arrives_byte_by_byte_from_both_kinds_of_api() {
    let (tables, log) = sealed(256).await;
    let http = payload_with("tile.json", |payload| {
        payload["headers"]["accept-encoding"] = json!("gzip");
        payload["pathParameters"]["path"] = json!("tile/entries/000");
    });
    let rest = payload_with("list-events-rest.json", |payload| {
        payload["path"] = json!("/log/tile/entries/000");
        payload["pathParameters"] = json!({"path": "tile/entries/000"});
        payload["requestContext"]["resourcePath"] = json!("/log/{path+}");
    });
    for payload in [http, rest] {
        let response = response_to(&tables, payload).await;
        assert_eq!(response["statusCode"], 200, "{response}");
        assert_eq!(response["isBase64Encoded"], true);
        assert_eq!(response["headers"]["content-encoding"], Value::Null);
        let body = response["body"].as_str().unwrap();
        let bytes = BASE64.decode(body).unwrap();
        assert_eq!(decode_entries(&bytes).unwrap(), log.entries);
    }
}

#[tokio::test]
async fn each_route_of_the_log_is_known_however_it_is_called() {
    let (tables, log) = sealed(2).await;
    let id = log.entries[0].id.to_string();
    let text = |response: &Value| response["body"].as_str().unwrap().to_owned();
    for (route, parameters, path, begins) in [
        (
            "/log/checkpoint",
            json!({}),
            "/log/checkpoint",
            "localhost/log\n2\n",
        ),
        (
            "/log/{path+}",
            json!({"path": "tile/0/000.p/2"}),
            "/log/tile/0/000.p/2",
            "",
        ),
        (
            "/events/{id}/proof",
            json!({"id": id}),
            &format!("/events/{id}/proof"),
            "c2sp.org/tlog-proof@v1\n",
        ),
        (
            "/events/feed",
            json!({}),
            "/events/feed",
            r#"{"events":[{"index":0,"#,
        ),
    ] {
        let http = |key: String, prefix: &str| {
            payload_with("tile.json", |payload| {
                payload["requestContext"]["routeKey"] = json!(key);
                payload["pathParameters"] = parameters.clone();
                payload["rawPath"] = json!(format!("{prefix}{path}"));
            })
        };
        let rest = payload_with("list-events-rest.json", |payload| {
            payload["queryStringParameters"] = Value::Null;
            payload["multiValueQueryStringParameters"] = Value::Null;
            payload["path"] = json!(path);
            payload["pathParameters"] = parameters.clone();
            payload["requestContext"]["resourcePath"] = json!(route);
        });
        let staged = http(format!("GET {route}"), "/prod");
        // cargo lambda watch names no route.
        let watched = http("$default".to_owned(), "");
        for payload in [http(format!("GET {route}"), ""), staged, watched, rest] {
            let response = response_to(&tables, payload).await;
            assert_eq!(response["statusCode"], 200, "{route}: {response}");
            assert!(text(&response).starts_with(begins), "{route}: {response}");
        }
    }
    // An event can be called anything, and then does not exist.
    for name in ["proof", "feed", "events"] {
        let watched = payload_with("tile.json", |payload| {
            payload["requestContext"]["routeKey"] = json!("$default");
            payload["pathParameters"] = json!({"id": name});
            payload["rawPath"] = json!(format!("/events/{name}"));
        });
        let response = response_to(&tables, watched).await;
        assert_eq!(response["statusCode"], StatusCode::NOT_FOUND.as_u16());
    }
}
