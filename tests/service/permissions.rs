//! What each function asks of DynamoDB is what its role in the template allows, and nothing more is
//! allowed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::{Field, FieldValue, Timestamp};
use audit_log::index_events::IndexEvents;
use audit_log::limits::SETTLE;
use audit_log::list_events::ListEvents;
use audit_log::seal_events::{Backfill, SealEvents};
use audit_log::store::EventKey;
use audit_log_cli::serve::engine::Address;
use audit_log_cli::serve::log_key::LogKey;
use audit_log_testing::tables::{SHARDS, events, list, sample, stream_batch};
use audit_log_testing::{
    Tables, checkpoint_request, event, feed_request, get_request, histogram_request, list_request,
    payload, post_request, proof_request, read_file, settings, tile_request,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use lambda_http::RequestExt;
use serde_json::Value;
use tokio::net::TcpListener;

/// Each action on each table or index: `dynamodb:Query EventsTable/index/user_id-index`.
type Grants = BTreeSet<String>;

/// Stands between a function and the engine, and notes what is asked.
#[derive(Clone)]
struct Witness {
    engine: String,
    http: reqwest::Client,
    asked: Arc<Mutex<Grants>>,
}

impl Witness {
    fn new(engine: &Address) -> Witness {
        Witness {
            engine: engine.url.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            asked: Arc::default(),
        }
    }

    /// Where it listens, with the engine's tables.
    async fn serve(&self, engine: &Address) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass_on).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Address {
            url,
            ..engine.clone()
        }
    }

    fn note(&self, operation: &str, request: &Value) {
        let table = |name: &Value| name.as_str().unwrap().to_owned();
        // Each put of a transaction needs the permission to put an item.
        for item in request["TransactItems"].as_array().into_iter().flatten() {
            self.grant("PutItem", &table(&item["Put"]["TableName"]));
        }
        if operation == "TransactWriteItems" {
            return;
        }
        let resources: Vec<String> = match (&request["RequestItems"], &request["IndexName"]) {
            (Value::Object(tables), _) => tables.keys().cloned().collect(),
            (_, Value::String(index)) => {
                vec![format!("{}/index/{index}", table(&request["TableName"]))]
            }
            _ => vec![table(&request["TableName"])],
        };
        let grants = resources
            .into_iter()
            .map(|resource| format!("dynamodb:{operation} {resource}"));
        self.asked.lock().unwrap().extend(grants);
    }

    fn grant(&self, operation: &str, table: &str) {
        self.asked
            .lock()
            .unwrap()
            .insert(format!("dynamodb:{operation} {table}"));
    }

    fn take(&self) -> Grants {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn pass_on(
    State(witness): State<Witness>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let target = headers["x-amz-target"].to_str().unwrap();
    witness.note(
        target.split_once('.').unwrap().1,
        &serde_json::from_slice(&body).unwrap(),
    );
    let response = witness
        .http
        .post(&witness.engine)
        .headers(headers)
        .body(body)
        .send()
        .await
        .unwrap();
    (response.status(), response.bytes().await.unwrap())
}

/// What a policy of the template allows.
fn allowed(policy: &str) -> Grants {
    let template: Value = serde_saphyr::from_str(&read_file("template.yaml")).unwrap();
    let document = &template["Resources"][policy]["Properties"]["PolicyDocument"];
    let mut grants = Grants::new();
    for statement in document["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in one_or_many(&statement["Action"]) {
            for resource in one_or_many(&statement["Resource"]) {
                // !GetAtt EventsTable.Arn, !Sub ${EventsTable.Arn}/index/…
                let resource = resource
                    .replace("${", "")
                    .replace('}', "")
                    .replacen(".Arn", "", 1);
                grants.insert(format!("{action} {resource}"));
            }
        }
    }
    grants
}

fn one_or_many(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

#[tokio::test]
async fn each_role_allows_exactly_what_its_function_uses() {
    let tables = Tables::start().await;
    let witness = Witness::new(&tables.dynamodb);
    let client = witness.serve(&tables.dynamodb).await.client().await;
    let deps = Deps::new(client.clone(), &settings(SHARDS));

    let start = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
    let now = start.saturating_add(Duration::from_secs(3600));
    let effects = |now: Timestamp| Effects::system().with_clock(move || now);
    // Enough for user 1 to get a trie.
    let filled = events(2_400, Duration::from_secs(2_400));
    tables.write(&filled).await;

    // The first batch starts the lanes and fills them; the user's follows once the index of users
    // has settled.
    for now in [now, now.saturating_add(SETTLE)] {
        let index = IndexEvents::new(deps.clone().with_effects(effects(now)));
        let mut event: EventKey = sample(&filled).clone();
        for (field, value) in [(Field::EventType, "t"), (Field::SrcService, "s")] {
            event.values.push(FieldValue::new(field, value).unwrap());
        }
        let batch = serde_json::from_value(stream_batch(&[event])).unwrap();
        let response = index
            .handle(batch, now.saturating_add(Duration::from_secs(60)))
            .await;
        assert!(response.failures.is_empty());
    }
    assert_eq!(witness.take(), allowed("IndexEventsTables"));

    let create = CreateEvent::new(deps.clone().with_effects(effects(now)));
    for (at, status) in [
        ("2024-01-01T01:00:00Z", 201),
        ("2024-01-01T00:10:00Z", 201),
        ("2024-01-01T00:10:00Z", 200),
    ] {
        let request = post_request(Some(at), event("1", at));
        assert_eq!(create.handle(request).await.status(), status);
    }
    let request = post_request(None, event("1", "2024-01-01T01:00:00Z"));
    assert_eq!(create.handle(request).await.status(), 201);
    assert_eq!(witness.take(), allowed("CreateEventTables"));

    let key = LogKey::generate().unwrap();
    let name = key.name().clone();
    let seal = SealEvents::new(deps.clone().with_effects(effects(now)), name, Arc::new(key));
    let deadline = now.saturating_add(Duration::from_secs(60));
    // A batch that comes twice is looked up the second time.
    for _ in 0..2 {
        let batch = serde_json::from_value(payload("seal-events.json")).unwrap();
        let response = seal.handle(batch, deadline).await;
        assert!(response.failures.is_empty());
    }
    // seal-events reads the events table for a backfill.
    let backfill = Backfill {
        shard: "0".to_owned(),
        after: None,
    };
    let backfilled = seal.backfill(backfill, deadline).await.unwrap();
    assert_eq!(backfilled.next, None);
    assert_eq!(witness.take(), allowed("SealEventsTables"));

    for query in [
        "",
        "user_id=1",
        "user_id=2",
        "event_type=t",
        "src_service=s",
        "user_id=1&event_type=t",
        "page=100",
        "user_id=1&page=50",
    ] {
        list(&deps, query, now).await;
    }
    let function = ListEvents::new(deps.clone().with_effects(effects(now)));
    let range = "from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z";
    for request in [
        get_request(filled[0].id),
        histogram_request(range),
        list_request("").with_raw_http_path("/events/facets"),
        feed_request("after=0"),
        checkpoint_request(),
        tile_request("tile/0/000.p/1"),
    ] {
        let response = function.handle(request).await;
        assert_eq!(response.status(), 200, "{response:?}");
    }
    // An event that is not sealed has no proof, which takes a look at the log.
    let response = function.handle(proof_request(filled[0].id)).await;
    assert_eq!(response.status(), 404, "{response:?}");
    assert_eq!(witness.take(), allowed("ListEventsTables"));
}
