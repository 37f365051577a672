//! GET /events/facets: the values that were seen, and what it takes to keep them.

use std::time::Duration;

use audit_log::count::FacetNotes;
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::{EventId, Field, FieldValue, Timestamp};
use audit_log::index_events::IndexEvents;
use audit_log::store::EventKey;
use audit_log_cli::serve::engine::Address;
use audit_log_testing::tables::{SHARDS, stream_batch};
use audit_log_testing::{App, Tables, event, settings};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

fn at() -> Timestamp {
    Timestamp::parse("2024-01-01T00:00:00Z").unwrap()
}

/// An event with a type and a service.
fn of(number: u64, kind: &str, service: &str) -> EventKey {
    let values = [
        (Field::EventType, kind),
        (Field::SrcService, service),
        (Field::UserId, "1"),
    ];
    let values = values.map(|(field, value)| FieldValue::new(field, value).unwrap());
    EventKey {
        id: EventId::new(at(), number << 8, 2),
        values: values.to_vec(),
    }
}

#[tokio::test]
async fn types_and_services_are_suggested_once_they_were_seen() {
    let app = App::start().await;
    let empty = json!({"event_type": [], "src_service": []});
    assert_eq!(app.get("/events/facets").await.json(), empty);
    for (kind, service) in [
        ("b", "web"),
        ("é&", "web"),
        ("a", "billing"),
        ("b", "billing"),
    ] {
        let document = event("1", "2024-01-01T00:00:00Z")
            .replace("\"test\"", &format!("\"{kind}\""))
            .replace("\"tests\"", &format!("\"{service}\""));
        app.record(document).await;
    }
    app.service().indexed().await;
    let facets = app.get("/events/facets").await.json();
    assert_eq!(
        facets,
        json!({"event_type": ["a", "b", "é&"], "src_service": ["billing", "web"]})
    );
}

#[tokio::test]
async fn a_value_is_written_once_by_a_container() {
    let tables = Tables::start().await;
    let notes = FacetNotes::new(tables.counts.clone());
    let batch = [of(1, "a", "s"), of(2, "b", "s")];
    let missing = notes.missing(&batch);
    assert_eq!(missing.len(), 3);
    notes.note(missing).await.unwrap();
    assert_eq!(notes.missing(&batch), []);
    assert_eq!(notes.missing(&[of(3, "c", "s")]).len(), 1);
    // Another container writes the same.
    let other = FacetNotes::new(tables.counts.clone());
    other.note(other.missing(&batch)).await.unwrap();
    assert_eq!(
        tables.counts.facets(Field::EventType).await.unwrap(),
        ["a", "b"]
    );
    assert_eq!(
        tables.counts.facets(Field::SrcService).await.unwrap(),
        ["s"]
    );
}

#[tokio::test]
async fn the_first_thousand_values_are_shown_in_order() {
    let tables = Tables::start().await;
    let notes = FacetNotes::new(tables.counts.clone());
    let name = |number: u64| format!("{number:0>256}");
    let all: Vec<EventKey> = (0..1100)
        .map(|number| of(number, &name(number), "s"))
        .collect();
    // A batch does not write all of them at once, and a container stops at some number.
    for _ in 0..100 {
        let missing = notes.missing(&all);
        assert!(missing.len() <= 64);
        notes.note(missing).await.unwrap();
    }
    let shown = tables.counts.facets(Field::EventType).await.unwrap();
    assert_eq!(shown.len(), 1000);
    assert_eq!(shown, (0..1000).map(name).collect::<Vec<_>>());
    let many: Vec<EventKey> = (2000..9000)
        .map(|number| of(number, &name(number), "s"))
        .collect();
    let mut noted = 1101;
    loop {
        let missing = notes.missing(&many);
        if missing.is_empty() {
            break;
        }
        noted += missing.len();
        notes.note(missing).await.unwrap();
    }
    assert_eq!(noted, 4000);
}

/// The tables, in a DynamoDB that refuses every facet.
async fn without_facets(engine: &Address) -> Deps {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (http, engine_url) = (reqwest::Client::new(), engine.url.clone());
    let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let request = http.post(&engine_url).headers(headers).body(body.clone());
        async move {
            if String::from_utf8_lossy(&body).contains("facet-") {
                return (StatusCode::BAD_REQUEST, Bytes::new());
            }
            let response = request.send().await.unwrap();
            (response.status(), response.bytes().await.unwrap())
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let address = Address {
        url,
        ..engine.clone()
    };
    Deps::new(address.client().await, &settings(SHARDS))
}

#[tokio::test]
async fn a_batch_does_not_fail_because_of_its_facets() {
    let tables = Tables::start().await;
    let event = of(1, "a", "s");
    tables.write(std::slice::from_ref(&event)).await;
    let function = IndexEvents::new(without_facets(&tables.dynamodb).await);
    let batch = || serde_json::from_value(stream_batch(std::slice::from_ref(&event))).unwrap();
    let deadline = Effects::system()
        .now()
        .saturating_add(Duration::from_secs(60));
    let response = function.handle(batch(), deadline).await;
    assert_eq!(response.failures, []);
    let types = async || tables.counts.facets(Field::EventType).await.unwrap();
    assert_eq!(types().await, Vec::<String>::new());
    let now = at().saturating_add(Duration::from_secs(60));
    assert_eq!(tables.get("", now).await.0["total"], 1);
    // Another container notes them.
    tables.deliver_batch(batch(), now).await;
    assert_eq!(types().await, ["a"]);
}
