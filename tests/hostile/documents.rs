//! Documents that are made to break a reader, or to be read otherwise than they are written.

use std::io::{BufReader, Read};

use audit_log_testing::properties::{Function, response};
use audit_log_testing::{event_with, payload_with};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::bufread::GzEncoder;
use serde_json::{Value, json};

const AT: &str = "2024-01-01T00:00:00Z";
const KIB: usize = 1024;

/// The status and the body of the answer to a document, and the document that was recorded.
fn post(document: &[u8]) -> (u64, Value, Option<String>) {
    let payload = payload_with("create-event-base64.json", |p| {
        p["body"] = json!(BASE64.encode(document));
    });
    let (response, written) = response(Function::Create, payload.to_string().as_bytes()).unwrap();
    let body = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    let recorded = written
        .first()
        .map(|item| item["event"]["S"].as_str().unwrap().to_owned());
    (response["statusCode"].as_u64().unwrap(), body, recorded)
}

fn accepted(app_data: &str) {
    let document = event_with("1", AT, app_data);
    let (status, body, recorded) = post(document.as_bytes());
    let shown: String = app_data.chars().take(80).collect();
    assert_eq!((status, recorded), (201, Some(document)), "{shown}: {body}");
}

fn refused(document: &[u8], code: &str) -> Value {
    let (status, body, recorded) = post(document);
    let shown: String = String::from_utf8_lossy(document)
        .chars()
        .take(200)
        .collect();
    assert_eq!(
        (status / 100, &body["code"], recorded),
        (4, &json!(code), None),
        "{shown}: {body}"
    );
    body
}

#[test]
fn nesting_of_any_depth_and_kind_ends_at_62_levels() {
    for (open, close) in [
        ("[", "]"),
        ("{\"\":", "}"),
        ("[{\"a\":", "}]"),
        ("[0,", "]"),
        (" [ ", "\n]"),
    ] {
        let levels = open.matches(['[', '{']).count();
        let nested = |times: usize| format!("{}0{}", open.repeat(times), close.repeat(times));
        // The document is the first of the levels.
        accepted(&nested(61 / levels));
        refused(
            event_with("1", AT, &nested(62usize.div_ceil(levels))).as_bytes(),
            "invalid_json",
        );
        refused(
            event_with("1", AT, &nested(128 / levels)).as_bytes(),
            "invalid_json",
        );
        // As deep as the largest document can be, closed, open, and with nothing around it.
        let deepest = 255 * KIB / (open.len() + close.len());
        refused(
            event_with("1", AT, &nested(deepest)).as_bytes(),
            "invalid_json",
        );
        refused(
            event_with("1", AT, &open.repeat(deepest)).as_bytes(),
            "invalid_json",
        );
        refused(open.repeat(deepest).as_bytes(), "invalid_json");
    }
}

#[test]
fn a_number_that_common_readers_read_is_kept() {
    for number in [
        "9".repeat(128),
        format!("0.{}1", "0".repeat(125)),
        format!("1e-{}", "9".repeat(125)),
        format!("0e{}", "9".repeat(126)),
        "-0".to_owned(),
        "-0.0E-0".to_owned(),
        "1.7976931348623158e308".to_owned(),
        "18446744073709551616".to_owned(),
        "-9223372036854775809".to_owned(),
        "9007199254740993".to_owned(),
        "0.1000000000000000055511151231257827".to_owned(),
    ] {
        accepted(&number);
    }
    for number in [
        "9".repeat(129),
        "9".repeat(250 * KIB),
        format!("0.{}1", "0".repeat(250 * KIB)),
        format!("1e-{}", "9".repeat(126)),
        format!("1e{}", "9".repeat(125)),
        "1E+999999999999999999999".to_owned(),
        "1.7976931348623159e308".to_owned(),
        "-1e309".to_owned(),
    ] {
        let body = refused(event_with("1", AT, &number).as_bytes(), "invalid_event");
        assert_eq!(body["fields"][0]["field"], "app_data");
        assert!(body.to_string().len() < KIB, "{body}");
    }
    for number in [
        "01",
        "+1",
        "1.",
        ".1",
        "1e",
        "0x1",
        "1_000",
        "NaN",
        "-Infinity",
        "--1",
        "1e1.5",
        "٣",
    ] {
        refused(event_with("1", AT, number).as_bytes(), "invalid_json");
    }
}

#[test]
fn a_repeated_key_is_found_at_any_depth_and_spelling() {
    for (app_data, field) in [
        (r#"{"a":1,"a":1}"#, "app_data.a"),
        (r#"{"a":1,"\u0061":2}"#, "app_data.a"),
        (r#"{"\u0061":1,"\u0061":2}"#, "app_data.a"),
        (r#"{"é":1,"\u00e9":2}"#, "app_data.é"),
        (r#"{"é":1,"\u00E9":2}"#, "app_data.é"),
        (r#"{"😀":1,"\ud83d\uDE00":2}"#, "app_data.😀"),
        (r#"{"/":1,"\/":2}"#, "app_data./"),
        (r#"{"\n":1,"\u000a":2}"#, "app_data.\n"),
        (r#"{"":1,"":2}"#, "app_data."),
        (r#"[0,{"k":{"x":[]},"k":{}}]"#, "app_data[1].k"),
    ] {
        let body = refused(event_with("1", AT, app_data).as_bytes(), "invalid_event");
        assert_eq!(
            body["fields"],
            json!([{"field": field, "problem": "appears more than once in its object"}])
        );
    }
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(60), "]".repeat(60));
    refused(
        event_with("1", AT, &deep(r#"{"k":1,"\u006b":2}"#)).as_bytes(),
        "invalid_event",
    );
    for member in ["user_id", "timestamp", "app_data", "extra\":1,\"extra"] {
        let twice = event_with(
            "1",
            AT,
            &format!(
                "1,\"{}\\u{:04x}\":1",
                &member[..member.len() - 1],
                member.as_bytes()[member.len() - 1]
            ),
        );
        refused(twice.as_bytes(), "invalid_event");
    }
    // Alike to the eye, composed and decomposed, wide and narrow: other keys all the same.
    accepted(r#"{"é":1,"e\u0301":2,"a":3,"\u0430":4,"A":5,"\uff21":6,"a\u200b":7,"a\u0000":8}"#);
}

#[test]
fn a_document_of_very_many_problems_is_told_a_hundred() {
    let twice = format!("{{{}}}", vec!["\"\u{1F600}\\u0000\":0"; 14_000].join(","));
    let body = refused(event_with("1", AT, &twice).as_bytes(), "invalid_event");
    assert_eq!(body["fields"].as_array().unwrap().len(), 100);
    // A path is cut, so that keys of many KiB are not repeated a hundred times.
    let long = format!(
        "{{\"{}\":{{{}}}}}",
        "x".repeat(200 * KIB),
        vec!["\"k\":0"; 5_000].join(",")
    );
    let body = refused(event_with("1", AT, &long).as_bytes(), "invalid_event");
    assert!(
        body.to_string().len() < 64 * KIB,
        "{} bytes",
        body.to_string().len()
    );
}

#[test]
fn very_many_members_items_and_escapes_are_kept() {
    let members: Vec<String> = (0..18_000)
        .map(|number| format!("\"{number:x}\":[]"))
        .collect();
    accepted(&format!("{{{}}}", members.join(",")));
    accepted(&format!("[{}]", vec!["{}"; 80_000].join(",")));
    accepted(&format!("\"{}\"", r"\u0000".repeat(40_000)));
    accepted(&format!("\"{}\"", r#"\\\""#.repeat(60_000)));
}

/// The answer to a body that is declared as gzip, and the document that was recorded.
fn post_gzip(body: &[u8]) -> (Value, Option<String>) {
    let payload = payload_with("create-event-base64.json", |p| {
        p["headers"]["content-encoding"] = json!("gzip");
        p["body"] = json!(BASE64.encode(body));
    });
    let (response, written) = response(Function::Create, payload.to_string().as_bytes()).unwrap();
    let item = written.first();
    let recorded = item.map(|item| item["event"]["S"].as_str().unwrap().to_owned());
    (response, recorded)
}

fn gzip(content: impl Read) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut encoder = GzEncoder::new(BufReader::new(content), Compression::best());
    encoder.read_to_end(&mut stream).unwrap();
    stream
}

#[test]
fn a_bomb_is_not_decompressed_beyond_the_limit() {
    // One stream of 16 MiB, and 200 members of 1 MiB each.
    let zeros = |bytes: u64| gzip(std::io::repeat(0).take(bytes));
    let one = zeros(16 << 20);
    let members = zeros(1 << 20).repeat(200);
    // A stream of gzip streams of zeros, and very many members that contain nothing.
    let nested = gzip(one.as_slice());
    let empty = gzip(std::io::empty()).repeat(200_000);
    for (bomb, status) in [(one, 413), (members, 413), (nested, 400), (empty, 400)] {
        let (response, _) = post_gzip(&bomb);
        assert_eq!(response["statusCode"], status, "{response}");
    }
}

#[test]
fn a_damaged_stream_is_refused_or_loses_nothing() {
    let document = event_with("1", AT, "{}");
    let stream = gzip(document.as_bytes());
    for at in 0..stream.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = stream.clone();
            damaged[at] ^= change;
            let (response, recorded) = post_gzip(&damaged);
            match recorded {
                // A header's time and the bits after the last block mean nothing.
                Some(recorded) => assert_eq!(recorded, document, "{at}"),
                None => assert_eq!(response["statusCode"], 400, "{at}"),
            }
        }
    }
}

/// API Gateway replaces bytes that are not UTF-8, which changes the length. A gateway that has
/// decompressed a body has changed the length, too.
#[test]
fn a_length_that_differs_shows_replaced_bytes_but_not_for_gzip() {
    let document = event_with("1", AT, "\"\u{fffd}\"");
    for (coding, status) in [(None, 400), (Some("identity"), 400), (Some("gzip"), 201)] {
        let payload = payload_with("create-event.json", |p| {
            p["body"] = json!(document);
            p["headers"]["content-length"] = json!("100");
            if let Some(coding) = coding {
                p["headers"]["content-encoding"] = json!(coding);
            }
        });
        let (response, _) = response(Function::Create, payload.to_string().as_bytes()).unwrap();
        assert_eq!(response["statusCode"], status, "{coding:?}: {response}");
    }
}

/// Bidirectional, zero-width, control and look-alike characters, raw where JSON lets them be.
const ODD: &str = "\u{202e}\u{2066}\u{2069}\u{200b}\u{200d}\u{feff}\u{2028}\u{2029}\u{85}\u{7f}\u{9b}\u{fff9}\u{e0001}\u{fffd}\u{10ffff}";

#[test]
fn control_characters_are_kept_and_never_in_a_header() {
    let document = event_with(
        ODD,
        AT,
        &format!("{{\"{ODD}\":\"{ODD}\\u0000\\u001b[2J\\r\\n\"}}"),
    );
    let payload = payload_with("create-event.json", |p| {
        p["body"] = json!(document);
        p["headers"]["content-length"] = json!(document.len().to_string());
        p["headers"]["idempotency-key"] = json!("k");
    });
    let (response, written) = response(Function::Create, payload.to_string().as_bytes()).unwrap();
    assert_eq!(
        (&response["statusCode"], &written[0]["event"]["S"]),
        (&json!(201), &json!(document))
    );
    assert_eq!(written[0]["user_id"]["S"], ODD);
    assert!(
        response["headers"].to_string().is_ascii() && !response.to_string().contains("\\u001b"),
        "{response}"
    );
    for raw in ["\u{0}", "\u{1f}", "\n", "\t"] {
        refused(
            event_with("1", AT, &format!("\"{raw}\"")).as_bytes(),
            "invalid_json",
        );
    }
    for (surrogate, at) in [
        ("\u{feff}", 1),
        ("\u{feff}\u{feff}", 0),
        ("\u{200b}", 0),
        ("\u{a0}", 0),
        ("\u{85}", 1),
    ] {
        let mut document = event_with("1", AT, "{}");
        document.insert_str(at, surrogate);
        refused(document.as_bytes(), "invalid_json");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_with_their_place() {
    let valid = event_with("1", AT, "\"@\"").into_bytes();
    let at = valid.iter().position(|byte| *byte == b'@').unwrap();
    for wrong in [
        b"\xff".as_slice(),
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
    ] {
        let document = [&valid[..at], wrong, &valid[at + 1..]].concat();
        let body = refused(&document, "invalid_json");
        assert_eq!(
            body["error"],
            format!("The body is not UTF-8: the byte at offset {at} is wrong."),
            "{wrong:x?}"
        );
    }
}
