//! Which event a leaf hash is of, where two requests draw the same id.

use std::sync::atomic::{AtomicUsize, Ordering};

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::list_events::ListEvents;
use audit_log_testing::{Tables, event, get_request, leaf_of};
use serde_json::Value;

const AT: &str = "2024-01-01T00:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse(AT).unwrap()
}

/// Records the same document, with these random numbers one after another. The first two are the
/// salt.
async fn post(tables: &Tables, draws: &'static [u64]) -> Value {
    let drawn = AtomicUsize::new(0);
    let effects = Effects::system()
        .with_clock(now)
        .with_random(move || draws[drawn.fetch_add(1, Ordering::SeqCst)]);
    let response = tables.post_with(None, event("1", AT), effects).await;
    assert_eq!(response.status(), 201, "{response:?}");
    serde_json::from_slice(response.body()).unwrap()
}

/// The leaf hash of what is stored under the id of a response.
async fn stored_leaf(tables: &Tables, response: &Value) -> String {
    let id = response["id"].as_str().unwrap();
    let list = ListEvents::new(tables.deps());
    let shown = list.handle(get_request(id)).await;
    leaf_of(std::str::from_utf8(shown.body()).unwrap())
}

#[tokio::test]
async fn an_equal_event_under_a_drawn_id_is_no_retry() {
    let tables = Tables::start().await;
    let first = post(&tables, &[1, 1, 9]).await;
    // Another salt, and the same id, before one that is free.
    let second = post(&tables, &[1, 2, 9, 10]).await;
    assert_ne!(first["id"], second["id"]);
    for response in [&first, &second] {
        assert_eq!(response["leaf"], stored_leaf(&tables, response).await);
    }
}

/// As where the SDK sends a put again, because it lost the response to it.
#[tokio::test]
async fn a_repeated_put_has_the_leaf_of_its_event() {
    let tables = Tables::start().await;
    let first = post(&tables, &[1, 1, 9]).await;
    let again = post(&tables, &[1, 1, 9]).await;
    assert_eq!(first, again);
    assert_eq!(first["leaf"], stored_leaf(&tables, &first).await);
}
