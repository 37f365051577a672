//! What is read back is what was sent, to the byte.

use audit_log_testing::App;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// JSON text, spelled in every way that is accepted.
pub(super) fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        // Below 1e305, which a double can hold.
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE](-[0-9]{1,4}|\\+?[0-9]{1,2}|\\+?2[0-7][0-9]))?",
        string_text(),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), space()).prop_map(
                |(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))
            ),
            (prop::collection::vec((string_text(), inner), 0..6), space()).prop_map(
                |(members, space)| {
                    // A number in front keeps the keys of an object apart.
                    let members: Vec<_> = members
                        .iter()
                        .enumerate()
                        .map(|(number, (key, value))| {
                            format!("{space}\"{number}{}:{space}{value}", &key[1..])
                        })
                        .collect();
                    format!("{{{}{space}}}", members.join(","))
                }
            ),
        ]
    })
}

pub(super) fn string_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[^\"\\\\\u{0}-\u{1f}]{0,8}",
        "\\\\[\"\\\\/bfnrt]",
        "\\\\u[0-9a-cA-C][0-9a-fA-F]{3}",
        "\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

pub(super) fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", " ", "\n  ", "\t", "\r\n"])
}

/// Each case is several requests, so there are fewer than usual.
pub(super) fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn any_json_comes_back_byte_for_byte() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(App::start());
    let mut runner = runner();
    let strategy = (json_text(), json_text(), json_text(), space());
    let outcome = runner.run(&strategy, |(invariant_data, app_data, extra, space)| {
        let members = format!(
            r#"{space}"extra":{extra},{space}"app_data":{app_data},"src_service":"s","timestamp":"2024-01-01T00:00:00Z",{space}"user_id":7,"event_type":"t","invariant_data":{invariant_data}{space}}}"#
        );
        let (id, one, list) = runtime.block_on(async {
            let id = app.record(format!("{space}{{{members}{space}")).await;
            let one = app.get(&format!("/events/{id}")).await;
            (id, one.text, app.get("/events?per_page=1000&user_id=7").await.text)
        });
        let rest = one.strip_prefix(&format!(r#"{{"id":"{id}","recorded":{{"at":""#)).unwrap();
        let (_, rest) = rest.split_once(r#"","by":null,"from":"127.0.0.1","salt":""#).unwrap();
        let (salt, rest) = rest.split_once(r#""},"#).unwrap();
        prop_assert_eq!(salt.len(), 22);
        prop_assert_eq!(rest, &members);
        prop_assert!(list.contains(&one));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
