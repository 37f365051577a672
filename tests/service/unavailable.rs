//! DynamoDB does not answer, or refuses: the caller hears so from us, and what it means.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use audit_log::config::Settings;
use audit_log::create_event::CreateEvent;
use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use audit_log::http::{Purpose, serve};
use audit_log::list_events::ListEvents;
use audit_log::tree::{SALT_BYTES, Salt};
use audit_log_cli::serve::engine::Address;
use audit_log_testing::{event, leaf, list_request, post_request, settings};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use lambda_http::http::{Request, Response};
use lambda_http::{Body, RequestExt, http};
use tokio::net::TcpListener;

const AT: &str = "2024-01-01T00:00:00Z";

/// The tables in a DynamoDB that answers the n-th request with `answer(n)`.
async fn scripted(
    response: impl Fn(usize) -> (StatusCode, &'static str) + Send + Sync + 'static,
) -> Deps {
    scripted_by_operation(move |_, request| response(request)).await
}

/// The same, where the answer depends on the operation, such as `GetItem`, too.
async fn scripted_by_operation(
    response: impl Fn(&str, usize) -> (StatusCode, &'static str) + Send + Sync + 'static,
) -> Deps {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let address = listener.local_addr().unwrap();
    let response = Arc::new(response);
    let app = Router::new().fallback(move |headers: HeaderMap| {
        let target = headers
            .get("x-amz-target")
            .map(|target| target.to_str().unwrap())
            .unwrap_or_default();
        let operation = target.split_once('.').unwrap_or_default().1;
        let response = response(operation, requests.fetch_add(1, Ordering::SeqCst));
        async move { response }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Address::new(format!("http://{address}")).client().await;
    let settings = Settings {
        events_table: "secret-name".to_owned(),
        ..settings(2)
    };
    Deps::new(client, &settings)
}

const BROKEN: (StatusCode, &str) = (
    StatusCode::INTERNAL_SERVER_ERROR,
    r#"{"__type":"InternalServerError"}"#,
);
const BUSY: (StatusCode, &str) = (
    StatusCode::BAD_REQUEST,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}"#,
);
const MISSING: (StatusCode, &str) = (
    StatusCode::BAD_REQUEST,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"secret-name?"}"#,
);
/// A success that cannot be read: what it says was done.
const UNREADABLE: (StatusCode, &str) = (StatusCode::OK, "{\"Attri");

/// A success that the SDK would read as one that has nothing to say.
const EMPTY: (StatusCode, &str) = (StatusCode::OK, "");

const NOT_KNOWN: &str = "not known whether the event was recorded";
const NOT_RECORDED: &str = "this request recorded nothing";

async fn post(tables: &Deps) -> Response<Body> {
    post_from(tables, Effects::system(), None).await
}

async fn post_under_a_key(tables: &Deps) -> Response<Body> {
    post_from(tables, Effects::system(), Some("k")).await
}

async fn post_from(tables: &Deps, effects: Effects, key: Option<&str>) -> Response<Body> {
    create(tables, effects, post_request(key, event("1", AT))).await
}

async fn create(deps: &Deps, effects: Effects, request: Request<Body>) -> Response<Body> {
    CreateEvent::new(deps.clone().with_effects(effects))
        .handle(request)
        .await
}

async fn get(deps: &Deps) -> Response<Body> {
    ListEvents::new(deps.clone()).handle(list_request("")).await
}

/// Checks status and code, and that the sentence says this, and gives nothing of the inside away.
fn check(response: &http::Response<Body>, status: u16, code: &str, sentence: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers().get("retry-after").is_some(),
        status == 503
    );
    let error: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(error["code"], code);
    let text = error["error"].as_str().unwrap();
    assert!(text.contains(sentence), "{text}");
    assert!(
        !["127.0.0.1", "secret-name", "PutItem"]
            .iter()
            .any(|inside| text.contains(inside)),
        "{text}"
    );
}

/// A batch of two events, which has so much time left.
async fn post_batch(tables: &Deps, effects: Effects, left: Duration) -> Response<Body> {
    let deadline = effects.now().saturating_add(left).millis();
    let body = format!("[{},{}]", event("1", AT), event("2", AT));
    let mut context = lambda_http::Context::default();
    context.deadline = deadline;
    let request = post_request(None, body).with_lambda_context(context);
    create(tables, effects, request).await
}

#[tokio::test]
async fn each_event_of_a_batch_says_what_is_known_of_it() {
    for (response, sentence) in [(BUSY, NOT_RECORDED), (BROKEN, NOT_KNOWN)] {
        let tables = scripted(move |_| response).await;
        let response = post_batch(&tables, Effects::system(), Duration::from_secs(10)).await;
        assert_eq!(response.status(), 200, "{response:?}");
        let batch: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(batch["recorded"], 0);
        for result in batch["results"].as_array().unwrap() {
            assert_eq!(result["status"], 503);
            assert!(
                result["error"].as_str().unwrap().contains(sentence),
                "{result}"
            );
        }
    }
}

#[tokio::test]
async fn a_batch_without_time_for_an_event_is_refused_as_a_whole() {
    let tables = scripted(|_| panic!("DynamoDB is not asked")).await;
    let response = post_batch(&tables, Effects::system(), Duration::from_secs(5)).await;
    check(&response, 503, "temporarily_unavailable", NOT_RECORDED);
}

#[tokio::test]
async fn a_broken_database_is_a_503_that_says_what_is_not_known() {
    let store = scripted(|_| BROKEN).await;
    let (post, get) = tokio::join!(post(&store), get(&store));
    check(&post, 503, "temporarily_unavailable", NOT_KNOWN);
    check(&get, 503, "temporarily_unavailable", "try again");
}

/// The place of the panic is unknown: it may have been after the write.
#[tokio::test]
async fn a_panic_is_our_500_with_an_unknown_outcome() {
    let tables = scripted(|_| BROKEN).await;
    // Asked first by the frame around the handler, and then by the handler.
    let panics_within = || {
        let asked = AtomicUsize::new(0);
        Effects::system().with_clock(move || {
            assert_ne!(asked.fetch_add(1, Ordering::SeqCst), 1, "injected");
            Effects::system().now()
        })
    };
    check(
        &post_from(&tables, panics_within(), None).await,
        500,
        "internal_error",
        NOT_KNOWN,
    );
    let get = ListEvents::new(tables.with_effects(panics_within()))
        .handle(list_request(""))
        .await;
    check(&get, 500, "internal_error", "report it with the request_id");
}

#[tokio::test]
async fn a_busy_database_is_a_503_that_says_that_nothing_was_recorded() {
    let store = scripted(|_| BUSY).await;
    let (post, get) = tokio::join!(post(&store), get(&store));
    check(&post, 503, "temporarily_unavailable", NOT_RECORDED);
    check(&get, 503, "temporarily_unavailable", "try again");
}

/// The trap: what the SDK reports in the end is the last attempt's error, which says nothing about
/// the first.
#[tokio::test]
async fn a_rejection_after_a_lost_response_is_an_unknown_outcome() {
    let store = scripted(|request| if request == 0 { BROKEN } else { BUSY }).await;
    check(
        &post(&store).await,
        503,
        "temporarily_unavailable",
        NOT_KNOWN,
    );
}

#[tokio::test]
async fn an_unreadable_success_is_an_unknown_outcome() {
    let store = scripted(|_| UNREADABLE).await;
    check(
        &post(&store).await,
        503,
        "temporarily_unavailable",
        NOT_KNOWN,
    );
}

#[tokio::test]
async fn an_empty_success_is_neither_recorded_nor_an_empty_list() {
    let store = scripted(|_| EMPTY).await;
    let (post, get) = tokio::join!(post(&store), get(&store));
    check(&post, 503, "temporarily_unavailable", NOT_KNOWN);
    check(&get, 503, "temporarily_unavailable", "try again");
}

/// It may have been a throttle, or the condition that finds the event there.
#[tokio::test]
async fn an_unreadable_rejection_is_an_unknown_outcome() {
    let store = scripted(|_| (StatusCode::BAD_REQUEST, "{\"__ty")).await;
    let (post, get) = tokio::join!(post(&store), get(&store));
    check(&post, 503, "temporarily_unavailable", NOT_KNOWN);
    check(&get, 503, "temporarily_unavailable", "try again");
}

#[tokio::test]
async fn a_missing_table_is_a_500_that_shows_nothing_of_it() {
    let store = scripted(|_| MISSING).await;
    let (post, get) = tokio::join!(post(&store), get(&store));
    check(&post, 500, "internal_error", "report it");
    check(&get, 500, "internal_error", "report it");
}

/// Another transaction holds the key or the event.
const CONFLICT: (StatusCode, &str) = (
    StatusCode::BAD_REQUEST,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"cancelled",
        "CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]}"#,
);
/// The key is there, and names an event.
const KEY_TAKEN: (StatusCode, &str) = (
    StatusCode::BAD_REQUEST,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"cancelled",
        "CancellationReasons":[{"Code":"ConditionalCheckFailed","Item":{"key":{"S":"h"},
        "id":{"S":"018cc251-f400-7000-8000-000000000000"}}},{"Code":"None"}]}"#,
);
/// The id of an event at [`AT`] that is drawn with a 1, in one of two shards.
fn own_id() -> String {
    EventId::new(Timestamp::parse(AT).unwrap(), 1, 2).to_string()
}

const NO_ITEM: (StatusCode, &str) = (StatusCode::OK, "{}");
const CANCELLED: &str = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";

/// A cancellation with these reasons.
fn cancelled(reasons: &str) -> (StatusCode, &'static str) {
    let json = format!(
        r#"{{"__type":"{CANCELLED}","message":"cancelled","CancellationReasons":[{reasons}]}}"#
    );
    (StatusCode::BAD_REQUEST, json.leak())
}

#[tokio::test]
async fn a_transaction_that_meets_another_is_tried_again() {
    let store = scripted(|request| if request < 3 { CONFLICT } else { NO_ITEM }).await;
    assert_eq!(post_under_a_key(&store).await.status(), 201);
}

/// The first attempt was done and its answer lost. The transaction that follows a conflict has a
/// token of its own.
#[tokio::test]
async fn a_key_that_names_the_requests_own_event_is_a_201() {
    let id = own_id();
    let taken = cancelled(&format!(
        r#"{{"Code":"ConditionalCheckFailed","Item":{{"key":{{"S":"h"}},"id":{{"S":"{id}"}}}}}},{{"Code":"None"}}"#
    ));
    let tables = scripted(move |request| [BROKEN, CONFLICT, taken][request.min(2)]).await;
    let effects = Effects::system()
        .with_random(|| 1)
        .with_clock(|| Timestamp::parse(AT).unwrap());
    let response = post_from(&tables, effects, Some("k")).await;
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        (response.status().as_u16(), body["id"].as_str()),
        (201, Some(id.as_str())),
        "{body}"
    );
    // Every attempt sent the same item, so the leaf is that of the first.
    let mut drawn = [0; SALT_BYTES];
    (drawn[7], drawn[15]) = (1, 1);
    let salt = Salt::new(drawn);
    let recorded = serde_json::json!({"at": "2024-01-01T00:00:00.000Z", "salt": salt.as_str()});
    assert_eq!(body["leaf"], leaf(&id, &recorded, &event("1", AT)));
}

#[tokio::test]
async fn conflicts_without_end_are_a_503_that_recorded_nothing() {
    let store = scripted(|_| CONFLICT).await;
    check(
        &post_under_a_key(&store).await,
        503,
        "temporarily_unavailable",
        NOT_RECORDED,
    );
}

#[tokio::test]
async fn conflicts_after_a_lost_answer_are_a_503_not_known() {
    let store = scripted(|request| if request == 0 { BROKEN } else { CONFLICT }).await;
    check(
        &post_under_a_key(&store).await,
        503,
        "temporarily_unavailable",
        NOT_KNOWN,
    );
}

/// Its writer is between two commits, or one table was restored without the other.
#[tokio::test]
async fn a_key_whose_event_is_missing_is_a_503_not_a_201() {
    let store = scripted_by_operation(|operation, _| {
        if operation == "GetItem" {
            NO_ITEM
        } else {
            KEY_TAKEN
        }
    })
    .await;
    check(
        &post_under_a_key(&store).await,
        503,
        "temporarily_unavailable",
        NOT_RECORDED,
    );
}

#[tokio::test]
async fn an_id_that_is_taken_is_drawn_again_under_the_same_key() {
    let taken = cancelled(r#"{"Code":"None"},{"Code":"ConditionalCheckFailed","Item":{}}"#);
    let store = scripted(move |request| if request == 0 { taken } else { NO_ITEM }).await;
    assert_eq!(post_under_a_key(&store).await.status(), 201);
    let store = scripted(move |_| taken).await;
    check(
        &post_under_a_key(&store).await,
        500,
        "internal_error",
        "report it",
    );
}

#[tokio::test]
async fn a_cancellation_without_its_reasons_is_a_503_not_known() {
    for reasons in [
        "",
        r#"{"Code":"None"}"#,
        r#"{"Code":"None"},{"Code":"None"}"#,
        r#"{"Code":"ConditionalCheckFailed"},{}"#,
    ] {
        let response = cancelled(reasons);
        let store = scripted(move |_| response).await;
        check(
            &post_under_a_key(&store).await,
            503,
            "temporarily_unavailable",
            NOT_KNOWN,
        );
    }
    let progress = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","Message":"wait"}"#;
    let store = scripted(move |_| (StatusCode::BAD_REQUEST, progress)).await;
    check(
        &post_under_a_key(&store).await,
        503,
        "temporarily_unavailable",
        NOT_KNOWN,
    );
}

#[tokio::test]
async fn a_transaction_that_dynamodb_calls_invalid_is_a_500() {
    let invalid =
        cancelled(r#"{"Code":"None"},{"Code":"ValidationError","Message":"secret-name"}"#);
    let store = scripted(move |_| invalid).await;
    check(
        &post_under_a_key(&store).await,
        500,
        "internal_error",
        "report it",
    );
}

/// Where DynamoDB is slow, lists must not hold the functions that those who record need.
#[tokio::test(start_paused = true)]
async fn a_list_gives_up_before_it_has_used_its_whole_time() {
    let now = Timestamp::parse(AT).unwrap();
    let effects = Effects::system().with_clock(move || now);
    for (purpose, seconds) in [(Purpose::Read, 5.0), (Purpose::Record, 9.5)] {
        let mut context = lambda_http::Context::default();
        context.deadline = now.saturating_add(Duration::from_secs(10)).millis();
        let request = Request::new(Body::Empty).with_lambda_context(context);
        let started = tokio::time::Instant::now();
        let response = serve(purpose, &effects, &request, |_, _| std::future::pending()).await;
        let took = started.elapsed().as_secs_f64();
        assert_eq!(
            (response.status().as_u16(), (took * 10.0).round() / 10.0),
            (503, seconds),
            "{purpose:?}"
        );
    }
}
