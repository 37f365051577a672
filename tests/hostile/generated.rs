//! The same properties for inputs that proptest makes: what is right, with something of it
//! replaced.

use audit_log_testing::{event_with, payload, properties, repo_path};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Runs `property` on inputs of `strategy`; what fails is made as small as it can be.
fn check<T: std::fmt::Debug>(
    cases: u32,
    strategy: &impl Strategy<Value = T>,
    bytes: impl Fn(&T) -> Vec<u8>,
    property: properties::Property,
) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(strategy, |input| {
        property(&bytes(&input));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Texts that mean something to a reader of a request, a header, a URL, a document or a line of a
/// log.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\r\n",
        "\n{\"level\":\"ERROR\"}",
        "\"",
        "<",
        ">; rel=\"next\"",
        "%0d%0aA: b",
        "%",
        "%ff",
        "&",
        "#",
        "?",
        "//evil.example",
        "..",
        "[",
        ":99999",
        "@",
        "\\",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
        "\u{fffd}",
        "é",
        "😀",
        "'",
        "${jndi:x}",
        "!",
    ];
    prop_oneof![
        select(odd.to_vec()).prop_map(str::to_owned),
        prop::collection::vec(select(odd.to_vec()), 0..4).prop_map(|pieces| pieces.concat()),
        any::<String>(),
        (1_usize..70_000).prop_map(|length| "x".repeat(length)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!([]),
            json!({})
        ]),
        select(vec![
            json!(["a", null, 1]),
            json!({"": ""}),
            json!([[[[[[[[[[]]]]]]]]]])
        ]),
    ]
}

/// What is done to one member of a payload.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Replace(Value),
    Add(String, Value),
}

fn change() -> impl Strategy<Value = (Index, Change)> {
    let change = prop_oneof![
        1 => Just(Change::Remove),
        6 => value().prop_map(Change::Replace),
        1 => (text(), value()).prop_map(|(name, value)| Change::Add(name, value)),
    ];
    (any::<Index>(), change)
}

/// Every member of `value`, at any depth, as a JSON pointer.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{}", escaped(name));
        members(member, &at, found);
        found.push(at);
    }
}

fn apply(payload: &mut Value, which: Index, change: Change) {
    let mut found = Vec::new();
    members(payload, "", &mut found);
    if found.is_empty() {
        return;
    }
    let pointer = which.get(&found);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = payload
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match change {
        Change::Remove => drop(parent.remove(&name)),
        Change::Replace(value) => drop(parent.insert(name, value)),
        Change::Add(name, value) => drop(parent.insert(name, value)),
    }
}

/// The files of `events/`.
fn payloads() -> Vec<Value> {
    let entries = std::fs::read_dir(repo_path("events")).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files.iter().map(|file| payload(file)).collect()
}

#[test]
fn any_changed_payload_gets_a_response() {
    let changed = (select(payloads()), prop::collection::vec(change(), 1..4)).prop_map(
        |(mut payload, changes)| {
            changes
                .into_iter()
                .for_each(|(which, change)| apply(&mut payload, which, change));
            payload
        },
    );
    check(
        400,
        &changed,
        |payload| payload.to_string().into_bytes(),
        properties::payload,
    );
}

/// Bytes with some stretches of them replaced by others.
fn spliced(seeds: Vec<String>, pieces: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        text().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    let splice = (any::<Index>(), 0_usize..12, piece);
    (select(seeds), prop::collection::vec(splice, 1..4)).prop_map(|(seed, splices)| {
        let mut bytes = seed.into_bytes();
        for (start, length, piece) in splices {
            let start = start.index(bytes.len() + 1);
            bytes.splice(start..bytes.len().min(start + length), piece);
        }
        bytes
    })
}

#[test]
fn any_document_is_kept_to_the_byte_or_refused() {
    let seeds = ["{}", "[1,{\"k\":\"v\"}]", "\"\\u00e9\"", "1.50e3"]
        .map(|data| event_with("1", "2024-01-01T00:00:00.25+01:00", data));
    let pieces = [
        ",\"a\":1,\"a\":2",
        "\"\\u0061\":0,",
        "{\"k\":1,\"\\u006b\":2}",
        "\\ud800",
        "\\ud83d\\ude00",
        "1e999",
        "1.7976931348623158e308",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664",
        "e222",
        "\u{feff}",
        "-0",
        "01",
        "[[[[[[[[[[[[[[[[[[[[[[",
        "{\"\":",
        "null",
        ",",
        "\"id\":1,",
        "\"recorded\":{},",
        "\u{1}",
        "/**/",
    ];
    check(
        2_000,
        &spliced(seeds.to_vec(), pieces.to_vec()),
        Clone::clone,
        properties::document,
    );
}

#[test]
fn any_query_is_linked_as_understood_or_refused() {
    let seeds = [
        "/events?user_id=7&from=2024-03-01T00:00:00Z&to=2024-04-01T00:00:00%2B01:00&page=2&per_page=10",
        "/prod/events?cursor=018cc251-f47b-7000-8011-000000000010&user_id=a%20b",
    ];
    let pieces = [
        "&page=3",
        "page=99999999999999999999",
        "per_page=1000",
        "%C3%BC",
        "%EF%BF%BD",
        "+",
        "=",
        "0",
    ];
    check(
        4_000,
        &spliced(seeds.map(str::to_owned).to_vec(), pieces.to_vec()),
        Clone::clone,
        properties::query,
    );
}

#[test]
fn any_timestamp_or_id_is_read_as_written_or_refused() {
    let seeds = [
        "2016-12-31T23:59:60.123456789+05:30",
        "1970-01-01t00:00:00z",
        "2024-02-29 12:34:56.789-08:00",
        "018cc251-f47b-7000-8011-000000000010",
    ];
    let pieces = [
        "0",
        "9",
        "60",
        "-",
        "+00:00",
        "Z",
        ".5",
        "29",
        "02",
        "12",
        " ",
        ",",
        ":",
        "T",
        "[UTC]",
        "CET",
        "+0000",
        "1700000000",
        ".",
        "24",
    ];
    check(
        8_000,
        &spliced(seeds.map(str::to_owned).to_vec(), pieces.to_vec()),
        Clone::clone,
        properties::instant,
    );
    // Neighbours, and any two.
    let instants = prop_oneof![(any::<u64>(), 0_u64..3), (any::<u64>(), any::<u64>())];
    let bytes = |(first, after): &(u64, u64)| {
        [
            first.to_be_bytes(),
            first.wrapping_add(*after).to_be_bytes(),
        ]
        .concat()
    };
    check(2_000, &instants, bytes, properties::instant);
}
