//! Compressed requests, as in fluent/fluent-bit#6401, fluent/fluentd#4410,
//! dougmoscrop/serverless-http#194 and CCRI-POPROX/poprox-recommender#159.

use std::io::Write;

use audit_log_testing::{App, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;

/// A type that API Gateway passes on byte for byte.
const BINARY: &str = "application/vnd.audit-log+json";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

async fn post(app: &App, content_type: &str, coding: &str, body: impl Into<Vec<u8>>) -> Response {
    let request = app
        .request(Method::POST, "/events")
        .header("content-type", content_type)
        .header("content-encoding", coding);
    app.send(request.body(body.into())).await
}

#[tokio::test]
async fn a_gzipped_event_is_recorded_as_what_it_contains() {
    let app = App::open().await;
    let document = app.event("1", 0, r#"{"é":1.0}"#);
    let (start, end) = document.as_bytes().split_at(40);
    for (coding, body) in [
        ("gzip", gzip(document.as_bytes())),
        ("x-gzip", gzip(document.as_bytes())),
        ("GZIP", gzip(document.as_bytes())),
        ("identity, gzip", gzip(document.as_bytes())),
        // Several members are one content (RFC 1952 §2.2).
        ("gzip", [gzip(start), gzip(end)].concat()),
        ("gzip", gzip(format!("\u{feff}{document}\n").as_bytes())),
        ("identity", document.clone().into()),
        ("", document.clone().into()),
    ] {
        let response = post(&app, BINARY, coding, body).await;
        assert_eq!(response.status, 201, "{coding}: {response:?}");
        let event = app.get(&format!("/events/{}", response.id())).await;
        assert!(event.text.ends_with(document.strip_prefix('{').unwrap()));
    }
}

/// As in dougmoscrop/serverless-http#194: a gateway has decompressed the body, and left the header.
#[tokio::test]
async fn a_body_that_is_not_gzip_in_spite_of_its_header_is_taken() {
    let app = App::open().await;
    // U+FFFD is a character like any other here.
    let document = app.event("1", 0, "\"\u{fffd}\"");
    for content_type in ["application/json", BINARY] {
        let response = post(&app, content_type, "gzip", document.clone()).await;
        assert_eq!(response.status, 201, "{response:?}");
    }
}

#[tokio::test]
async fn another_coding_is_refused_with_the_one_that_is_taken() {
    let app = App::open().await;
    let document = app.event("1", 0, "{}");
    for coding in [
        "br",
        "deflate",
        "zstd",
        "gzip, gzip",
        "br, gzip",
        "aws-chunked",
    ] {
        let response = post(&app, BINARY, coding, document.clone()).await;
        assert_eq!(response.error(), (415, "unsupported_media_type".to_owned()));
        assert_eq!(response.header("accept-encoding"), Some("gzip"), "{coding}");
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains("gzip"), "{sentence}");
    }
}

#[tokio::test]
async fn a_broken_stream_is_refused_as_broken() {
    let app = App::open().await;
    let stream = gzip(app.event("1", 0, "{}").as_bytes());
    let mut damaged = stream.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    for (body, expected) in [
        (stream[..stream.len() / 2].to_vec(), "ends too early"),
        (stream[..stream.len() - 1].to_vec(), "ends too early"),
        (damaged, "is damaged"),
        ([&stream, b"x".as_slice()].concat(), "gzip stream"),
    ] {
        let response = post(&app, BINARY, "gzip", body).await;
        assert_eq!(response.error(), (400, "invalid_json".to_owned()));
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[tokio::test]
async fn the_size_that_counts_is_the_decompressed_one() {
    let app = App::open().await;
    let rest = app.event("1", 0, "\"\"").len();
    let largest = |bytes: usize| app.event("1", 0, &format!("\"{}\"", "x".repeat(bytes - rest)));
    let response = post(&app, BINARY, "gzip", gzip(largest(256 * 1024).as_bytes())).await;
    assert_eq!(response.status, 201, "{response:?}");
    for bytes in [256 * 1024 + 1, 16 << 20] {
        let body = gzip(largest(bytes).as_bytes());
        assert!(body.len() < 200 * 1024);
        let response = post(&app, BINARY, "gzip", body).await;
        assert_eq!(response.error(), (413, "event_too_large".to_owned()));
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains("at most 262144 bytes"), "{sentence}");
    }
}

/// API Gateway passes `application/json` on as text, which damages what is not text.
#[tokio::test]
async fn gzip_under_application_json_is_told_the_type_to_use() {
    let app = App::open().await;
    // Random content, so that the stream is long. As text, it is longer than an event can be.
    let random: Vec<u8> = (0..180_000).map(|_| rand::random()).collect();
    let large = format!("\"{}\"", BASE64.encode(random));
    for data in ["{}", &large] {
        let body = gzip(app.event("1", 0, data).as_bytes());
        let response = post(&app, "application/json", "gzip", body.clone()).await;
        if response.status == 201 {
            // A gateway that passes it on unharmed.
            continue;
        }
        assert_eq!(response.error(), (400, "invalid_json".to_owned()));
        let sentence = response.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.contains(BINARY), "{sentence}");
        let advised = post(&app, BINARY, "gzip", body).await;
        assert_eq!(advised.status, 201);
    }
}

#[tokio::test]
async fn gzip_that_is_not_declared_is_named() {
    let app = App::open().await;
    let body = gzip(app.event("1", 0, "{}").as_bytes());
    let response = post(&app, BINARY, "identity", body).await;
    assert_eq!(response.error(), (400, "invalid_json".to_owned()));
    let sentence = response.json()["error"].as_str().unwrap().to_owned();
    assert!(
        sentence.contains("declare it with Content-Encoding: gzip"),
        "{sentence}"
    );
}
