//! Link and Location: what a caller puts into a request does not get out of them.

use audit_log_testing::payload_with;
use audit_log_testing::properties::{Function, response};
use serde_json::{Value, json};

/// The headers of a function's answer.
fn headers(function: Function, payload: &Value) -> Value {
    response(function, payload.to_string().as_bytes())
        .unwrap()
        .0["headers"]
        .clone()
}

/// A path as a client might put it, and how it stands in a reference.
const PATHS: [(&str, &str); 10] = [
    ("/events", "/events"),
    ("/prod/events/", "/prod/events"),
    ("//evil.example/events", "/evil.example/events"),
    ("///evil.example//events//", "/evil.example//events"),
    ("/\\evil.example/events", "/%5Cevil.example/events"),
    ("evil.example:1/events", "/evil.example%3A1/events"),
    (
        "/a\r\nSet-Cookie: b=c/events",
        "/a%0D%0ASet-Cookie%3A%20b%3Dc/events",
    ),
    (
        "/a>; rel=\"next\", <//evil>/events",
        "/a%3E%3B%20rel%3D%22next%22%2C%20%3C//evil%3E/events",
    ),
    (
        "/%0d%0a/événements?x#y",
        "/%250d%250a/%C3%A9v%C3%A9nements%3Fx%23y",
    ),
    ("/\u{202e}\u{0}/events", "/%E2%80%AE%00/events"),
];

#[test]
fn a_path_leads_to_this_host_and_ends_where_it_ends() {
    for (path, expected) in PATHS {
        let created = payload_with("create-event.json", |p| p["rawPath"] = json!(path));
        let location = headers(Function::Create, &created)["location"]
            .as_str()
            .unwrap()
            .to_owned();
        let (prefix, id) = location.rsplit_once('/').unwrap();
        assert_eq!((prefix, id.len()), (expected, 36), "{path:?}");

        let listed = payload_with("list-events.json", |p| p["rawPath"] = json!(path));
        let link = headers(Function::List, &listed)["link"]
            .as_str()
            .unwrap()
            .to_owned();
        let first = format!("<{expected}?page=1&per_page=10>; rel=\"first\", ");
        assert!(link.starts_with(&first), "{path:?}: {link}");

        let rest = payload_with("list-events-rest.json", |p| {
            p["requestContext"]["path"] = json!(path);
        });
        let link = headers(Function::List, &rest)["link"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            link.starts_with(&format!("<{expected}?user_id=1&")),
            "REST: {path:?}: {link}"
        );
    }
}

#[test]
fn the_host_and_the_scheme_do_not_show() {
    for host in [
        "evil.example",
        "evil.example:1",
        "evil.example/x?y=",
        "user@evil.example",
    ] {
        let change = |p: &mut Value| {
            p["headers"]["host"] = json!(host);
            p["headers"]["x-forwarded-proto"] = json!("ftp");
            p["headers"]["x-forwarded-host"] = json!("evil.example");
            p["requestContext"]["domainName"] = json!("evil.example");
        };
        for (function, file) in [
            (Function::Create, "create-event.json"),
            (Function::List, "list-events.json"),
        ] {
            let headers = headers(function, &payload_with(file, change)).to_string();
            assert!(
                headers.contains("/events") && !headers.contains("evil"),
                "{headers}"
            );
        }
    }
}

#[test]
fn a_users_id_stays_within_its_parameter() {
    for (sent, linked) in [
        ("%0d%0aSet-Cookie:%20a%3db", "%0D%0ASet-Cookie%3A%20a%3Db"),
        ("%3E%3B%20rel%3D%22next%22", "%3E%3B%20rel%3D%22next%22"),
        ("1%26page%3D7%23", "1%26page%3D7%23"),
        ("%2500%252F", "%2500%252F"),
        ("a+b", "a%20b"),
        ("%E2%80%AE%00%7F", "%E2%80%AE%00%7F"),
    ] {
        let listed = payload_with("list-events.json", |p| {
            p["rawQueryString"] = json!(format!("user_id={sent}"));
        });
        let link = headers(Function::List, &listed)["link"]
            .as_str()
            .unwrap()
            .to_owned();
        let expected = format!("</events?user_id={linked}&page=1&per_page=10>; rel=\"first\"");
        assert_eq!(link.split(", ").next(), Some(expected.as_str()), "{link}");
    }
}

#[test]
fn a_parameter_that_is_not_utf_8_is_refused() {
    for query in [
        "user_id=%FF",
        "user_id=%C3",
        "user_id=a%ED%A0%80",
        "from=%FF",
        "%FF=1",
    ] {
        let payload = payload_with("list-events.json", |p| p["rawQueryString"] = json!(query));
        let response = response(Function::List, payload.to_string().as_bytes())
            .unwrap()
            .0;
        assert_eq!(response["statusCode"], 400, "{query}");
        assert!(response["headers"].get("link").is_none());
    }
}
