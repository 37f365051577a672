//! API Gateway's own payloads, each file of `events/` among them, to the handlers and back.

use std::collections::{BTreeMap, BTreeSet};

use audit_log::event::EventId;
use audit_log_cli::serve::functions::Function;
use audit_log_cli::serve::template::Template;
use audit_log_testing::{App, event, payload, read_file, repo_path};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

/// The functions as the template declares them, on one engine.
struct Functions {
    app: App,
    create: Function,
    list: Function,
    index: Function,
    seal: Function,
}

impl Functions {
    async fn start() -> Functions {
        let app = App::start().await;
        let template = Template::read(&repo_path("template.yaml")).unwrap();
        let service = app.service();
        let function = |name: &str| {
            let declared = &template.functions[name];
            Function::new(declared, &service.client, &service.log_key).unwrap()
        };
        let create = function("CreateEventFunction");
        let list = function("ListEventsFunction");
        let index = function("IndexEventsFunction");
        let seal = function("SealEventsFunction");
        Functions {
            app,
            create,
            list,
            index,
            seal,
        }
    }

    /// The status, the headers and the body with which the function for this payload answers.
    async fn invoke(&self, payload: &Value) -> (u64, Value, Value) {
        let method = &payload["requestContext"]["http"]["method"];
        let post = method == "POST" || payload["httpMethod"] == "POST";
        let function = if post { &self.create } else { &self.list };
        let response: Value =
            serde_json::from_str(&function.invoke(payload.to_string()).await.unwrap()).unwrap();
        let body = response["body"].as_str().unwrap();
        // CSV is not JSON.
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        (
            response["statusCode"].as_u64().unwrap(),
            response["headers"].clone(),
            body,
        )
    }

    async fn recorded(&self, id: &Value) -> Value {
        self.app
            .get(&format!("/events/{}", id.as_str().unwrap()))
            .await
            .json()["recorded"]
            .clone()
    }

    /// The attributes of a recorded event, all of which are strings.
    async fn item(&self, id: &Value) -> BTreeMap<String, String> {
        let id = EventId::parse(id.as_str().unwrap()).unwrap();
        let get = self.app.service().client.get_item();
        let get = get.table_name("EventsTable").consistent_read(true);
        let shard = AttributeValue::S(format!("{:x}", id.shard()));
        let get = get
            .key("shard", shard)
            .key("id", AttributeValue::S(id.to_string()));
        let item = get.send().await.unwrap().item.unwrap();
        item.into_iter()
            .map(|(name, value)| (name, value.as_s().unwrap().clone()))
            .collect()
    }
}

#[tokio::test]
async fn every_file_of_events_is_answered_as_it_should_be() {
    let expected: Map<String, Value> =
        serde_json::from_str(&read_file("testing/events.json")).unwrap();
    let entries = std::fs::read_dir(repo_path("events")).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected.keys().cloned().collect());

    let functions = Functions::start().await;
    // The REST payload repeats the key of the idempotent one, so it comes after it.
    let requests = expected
        .iter()
        .filter(|(_, expected)| expected["status"].is_number());
    for (file, expected) in requests {
        let (answered, _, body) = functions.invoke(&payload(file)).await;
        assert_eq!(answered, expected["status"], "{file}: {body}");
    }
    let (_, _, list) = functions.invoke(&payload("list-events-by-user.json")).await;
    assert_eq!(
        (&list["total"], list["events"].as_array().unwrap().len()),
        (&json!(4), 2)
    );
    let (_, _, all) = functions.invoke(&payload("list-events.json")).await;
    let (_, _, below) = functions
        .invoke(&payload("list-events-by-cursor.json"))
        .await;
    assert_eq!(
        (&below["page"], &below["events"]),
        (&json!(2), &all["events"]),
        "the cursor is newer than any event"
    );
    let mut oldest = payload("list-events-by-cursor.json");
    oldest["rawQueryString"] = json!("cursor=018cc251-0000-7000-8000-000000000000&page=2");
    assert_eq!(
        functions.invoke(&oldest).await.2["events"],
        json!([]),
        "the cursor is older than any event"
    );
    let (_, _, paid) = functions.invoke(&payload("list-events-by-type.json")).await;
    assert_eq!(paid["total"], 2, "one in each batch: {paid}");
    let (_, _, table) = functions.invoke(&payload("list-events-csv.json")).await;
    let lines = table.as_str().unwrap().lines();
    assert_eq!(lines.count(), 3, "a header and two rows: {table}");
    // The payloads of the stream. Their answers have no status.
    for (function, file) in [
        (&functions.index, "index-events.json"),
        (&functions.seal, "seal-events.json"),
    ] {
        let response = function.invoke(payload(file).to_string()).await.unwrap();
        let response: Value = serde_json::from_str(&response).unwrap();
        assert_eq!(response, expected[file]["answer"], "{file}");
    }
}

#[tokio::test]
async fn a_stream_payload_has_the_items_that_are_written_now() {
    let functions = Functions::start().await;
    let mut without_user = 0;
    for file in ["index-events.json", "seal-events.json"] {
        for record in payload(file)["Records"].as_array().unwrap() {
            let image = &record["dynamodb"]["NewImage"];
            let mut request = payload("create-event.json");
            request["body"] = image["event"]["S"].clone();
            let (status, _, body) = functions.invoke(&request).await;
            assert_eq!(status, 201, "{body}");

            let mut expected = functions.item(&body["id"]).await;
            for chosen_by_the_service in ["shard", "id", "recorded_at", "salt"] {
                let value = image[chosen_by_the_service]["S"].as_str().unwrap();
                expected.insert(chosen_by_the_service.to_owned(), value.to_owned());
            }
            let found = image.as_object().unwrap().iter();
            let found: BTreeMap<String, String> = found
                .map(|(name, value)| (name.clone(), value["S"].as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(found, expected, "{file}");
            without_user += usize::from(!found.contains_key("user_id"));
        }
    }
    assert_eq!(without_user, 2, "one in each file");
}

const ROLE: &str = "arn:aws:sts::111122223333:assumed-role/user-service/i-0123456789abcdef0";

#[tokio::test]
async fn who_reported_an_event_and_from_where_is_kept() {
    let functions = Functions::start().await;
    for (file, by) in [
        ("create-event.json", ROLE),
        ("create-event-jwt-stage.json", "service|billing"),
        ("create-event-rest.json", ROLE),
    ] {
        let (_, _, body) = functions.invoke(&payload(file)).await;
        let recorded = functions.recorded(&body["id"]).await;
        assert_eq!(
            (&recorded["by"], &recorded["from"]),
            (&json!(by), &json!("203.0.113.9")),
            "{file}"
        );
    }
    let mut cognito = payload("create-event-rest.json");
    cognito["requestContext"]["identity"]["userArn"] = Value::Null;
    cognito["requestContext"]["authorizer"] = json!({"claims": {"sub": "a-person"}});
    cognito["multiValueHeaders"]["Idempotency-Key"] = json!(["other"]);
    cognito["headers"]["Idempotency-Key"] = json!("other");
    let (_, _, body) = functions.invoke(&cognito).await;
    assert_eq!(functions.recorded(&body["id"]).await["by"], "a-person");
}

#[tokio::test]
async fn location_and_links_have_the_prefix_that_the_client_used() {
    let functions = Functions::start().await;
    for (file, location) in [
        ("create-event.json", "/events/"),
        ("create-event-jwt-stage.json", "/prod/events/"),
        ("create-event-rest.json", "/prod/events/"),
    ] {
        let (_, headers, _) = functions.invoke(&payload(file)).await;
        let found = headers["location"].as_str().unwrap();
        assert!(found.starts_with(location), "{file}: {found}");
    }
    let (_, headers, _) = functions.invoke(&payload("list-events-rest.json")).await;
    assert!(
        headers["link"]
            .as_str()
            .unwrap()
            .starts_with("</prod/events?user_id=1&from="),
        "{headers}"
    );
    let mut staged = payload("list-events.json");
    staged["rawPath"] = json!("/dev/events/");
    staged["requestContext"]["stage"] = json!("dev");
    let (_, headers, _) = functions.invoke(&staged).await;
    assert!(
        headers["link"]
            .as_str()
            .unwrap()
            .starts_with("</dev/events?page=1"),
        "{headers}"
    );
}

/// Makes a payload one of `/events/{id}`, with `id` at the end of its path.
fn of_one_event(payload: &mut Value, id: &str) {
    payload["pathParameters"] = json!({ "id": id });
    payload["requestContext"]["routeKey"] = json!("GET /events/{id}");
    payload["requestContext"]["resourcePath"] = json!("/events/{id}");
}

#[tokio::test]
async fn a_route_is_known_by_its_key_whatever_the_path() {
    let functions = Functions::start().await;
    let facets = json!({"event_type": [], "src_service": []});

    // An HTTP API whose stage is a part of the path.
    let mut staged = payload("facets.json");
    staged["rawPath"] = json!("/prod/events/facets");
    assert_eq!(functions.invoke(&staged).await.2, facets);
    of_one_event(&mut staged, "facets");
    assert_eq!(functions.invoke(&staged).await.0, 404);

    // A REST API.
    let mut rest = payload("list-events-rest.json");
    rest["queryStringParameters"] = Value::Null;
    rest["multiValueQueryStringParameters"] = Value::Null;
    rest["path"] = json!("/events/facets");
    rest["requestContext"]["path"] = json!("/prod/events/facets");
    rest["requestContext"]["resourcePath"] = json!("/events/facets");
    assert_eq!(functions.invoke(&rest).await.2, facets);
    of_one_event(&mut rest, "facets");
    assert_eq!(functions.invoke(&rest).await.0, 404);

    // cargo lambda watch, which names no route.
    let mut watched = payload("histogram.json");
    watched["requestContext"]["routeKey"] = json!("$default");
    let (_, _, histogram) = functions.invoke(&watched).await;
    assert_eq!(histogram["buckets"].as_array().unwrap().len(), 24);
    watched["pathParameters"] = json!({"id": "histogram"});
    assert_eq!(functions.invoke(&watched).await.0, 404);
    watched["pathParameters"] = json!({});
    watched["rawPath"] = json!("/events");
    watched["rawQueryString"] = json!("");
    assert_eq!(functions.invoke(&watched).await.2["events"], json!([]));
}

#[tokio::test]
async fn an_answer_has_the_members_that_its_kind_of_api_takes() {
    let functions = Functions::start().await;
    let members = |response: String| -> BTreeSet<String> {
        let response: Map<String, Value> = serde_json::from_str(&response).unwrap();
        response.into_iter().map(|(name, _)| name).collect()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .copied()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let every = set(&["body", "headers", "isBase64Encoded", "statusCode"]);
    // What cannot be read could be from either, so it gets what both have.
    for payload in [payload("list-events-rest.json"), json!({})] {
        assert_eq!(
            members(functions.list.invoke(payload.to_string()).await.unwrap()),
            every
        );
    }
    let http = members(
        functions
            .list
            .invoke(payload("list-events.json").to_string())
            .await
            .unwrap(),
    );
    assert_eq!(
        http,
        set(&[
            "body",
            "cookies",
            "headers",
            "isBase64Encoded",
            "statusCode"
        ])
    );
}

#[tokio::test]
async fn repeated_parameters_survive_the_payload() {
    let functions = Functions::start().await;
    let mut repeated = payload("list-events-by-user.json");
    repeated["rawQueryString"] = json!("user_id=1&user_id=2");
    repeated["queryStringParameters"] = json!({"user_id": "1,2"});
    assert_eq!(functions.invoke(&repeated).await.0, 400);
    let mut repeated = payload("list-events-rest.json");
    repeated["multiValueQueryStringParameters"]["user_id"] = json!(["1", "2"]);
    assert_eq!(functions.invoke(&repeated).await.0, 400);
}

/// A header that a client sent several times, as HTTP APIs and as REST APIs pass it on.
fn with_repeated(name: &str, values: &[&str]) -> [Value; 2] {
    let mut http = payload("create-event-idempotent.json");
    http["headers"][name.to_ascii_lowercase()] = json!(values.join(","));
    let mut rest = payload("create-event-rest.json");
    rest["headers"][name] = json!(values.last());
    rest["multiValueHeaders"][name] = json!(values);
    [http, rest]
}

/// As in aws/aws-lambda-rust-runtime#852.
#[tokio::test]
async fn a_header_that_comes_twice_alike_is_one_in_each_payload() {
    let functions = Functions::start().await;
    for (name, value, other, code) in [
        (
            "Content-Type",
            "application/json",
            "text/plain",
            "invalid_request",
        ),
        (
            "Idempotency-Key",
            "order-4711",
            "order-4712",
            "invalid_idempotency_key",
        ),
    ] {
        for payload in with_repeated(name, &[value, value]) {
            let (status, _, body) = functions.invoke(&payload).await;
            assert!(matches!(status, 200 | 201), "{name}: {body}");
        }
        for payload in with_repeated(name, &[value, other]) {
            let (status, _, body) = functions.invoke(&payload).await;
            assert_eq!((status, &body["code"]), (400, &json!(code)), "{name}");
        }
    }
    // Two codings are applied one after the other, even if they are alike.
    for payload in with_repeated("Content-Encoding", &["gzip", "gzip"]) {
        let (status, headers, body) = functions.invoke(&payload).await;
        assert_eq!(
            (status, &headers["accept-encoding"]),
            (415, &json!("gzip")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_error_carries_the_request_id_that_the_client_sees() {
    let functions = Functions::start().await;
    let (_, _, body) = functions
        .invoke(&payload("create-event-invalid.json"))
        .await;
    assert_eq!(body["request_id"], "JKJaXmPLvHcESHA=");
    let fields = body["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 5, "{body}");
}

/// A list of the events of one user, as HTTP APIs and as REST APIs pass the request on. An HTTP API
/// leaves the query as it was sent, and a REST API decodes it.
fn lists_of_user(encoded: &str, decoded: &str) -> [Value; 2] {
    let mut http = payload("list-events-by-user.json");
    http["rawQueryString"] = json!(format!("user_id={encoded}"));
    http["queryStringParameters"] = json!({"user_id": decoded});
    let mut rest = payload("list-events-rest.json");
    rest["queryStringParameters"] = json!({"user_id": decoded});
    rest["multiValueQueryStringParameters"] = json!({"user_id": [decoded]});
    [http, rest]
}

/// As in aws/aws-cdk#19827, aws/serverless-application-model#301,
/// aws/serverless-java-container#146, apex/gateway#40 and aws/aws-lambda-rust-runtime#543.
#[tokio::test]
async fn plus_and_percent_are_decoded_once_in_each_payload() {
    let functions = Functions::start().await;
    for (encoded, decoded) in [
        ("jon%2Btag%40x.org", "jon+tag@x.org"),
        ("jon%20tag%40x.org", "jon tag@x.org"),
        ("a%26b%3Dc%2520d", "a&b=c%20d"),
        ("a%252Bb", "a%2Bb"),
    ] {
        let id = functions
            .app
            .record(event(decoded, "2024-01-01T00:00:00Z"))
            .await;
        for payload in lists_of_user(encoded, decoded) {
            let (status, headers, list) = functions.invoke(&payload).await;
            assert_eq!(status, 200, "{list}");
            assert_eq!(list["total"], 1, "{decoded}: {list}");
            assert_eq!(list["events"][0]["id"], id.as_str());
            let link = headers["link"].as_str().unwrap();
            assert!(link.contains(&format!("user_id={encoded}&")), "{link}");
        }
    }
}

/// As in aws/aws-lambda-rust-runtime#387 and hanabu/lambda-web#22.
#[tokio::test]
async fn null_in_a_payload_is_the_same_as_absent() {
    let functions = Functions::start().await;
    functions.invoke(&payload("create-event.json")).await;
    let with_nulls = |file: &str, members: &[&str]| {
        let mut payload = payload(file);
        for member in members {
            payload[member] = Value::Null;
        }
        payload
    };
    let rest = [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
    ];
    let http = ["headers", "body", "rawQueryString", "queryStringParameters"];
    for payload in [
        with_nulls("list-events-rest.json", &rest),
        with_nulls("list-events.json", &http),
    ] {
        let (status, _, list) = functions.invoke(&payload).await;
        assert_eq!((status, &list["total"]), (200, &json!(1)), "{list}");
    }
    // Without headers there is no type, and without a body no event.
    for (payload, expected) in [
        (with_nulls("create-event.json", &["headers"]), 415),
        (with_nulls("create-event-rest.json", &rest), 415),
        (with_nulls("create-event.json", &["body"]), 400),
        (with_nulls("create-event-rest.json", &["body"]), 400),
    ] {
        let (status, _, body) = functions.invoke(&payload).await;
        assert_eq!(status, expected, "{body}");
    }
    // A REST API may pass on only one of the two forms of the headers.
    for member in ["headers", "multiValueHeaders"] {
        let payload = with_nulls("create-event-rest.json", &[member]);
        let (status, _, body) = functions.invoke(&payload).await;
        assert!(matches!(status, 200 | 201), "{member}: {body}");
    }
}
