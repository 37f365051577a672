//! The count index through HTTP, with its stream running: while many write, and when they have
//! stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log_testing::tables::{events_from, list, write};
use audit_log_testing::{App, event, ids, settings};

const WRITERS: u32 = 20;
const EVENTS_OF_A_WRITER: u32 = 9;
/// What was there before, over the last hour.
const OLD: usize = 1_400;
const OLD_SPAN: Duration = Duration::from_secs(3600);

/// A time for the writer's n-th event that no other event has: on time, late, or years ago.
fn time(writer: u32, number: u32) -> Timestamp {
    let now = Effects::system().now();
    let own = Duration::from_nanos(u64::from(writer * EVENTS_OF_A_WRITER + number));
    let whole = Timestamp::from_millis(now.millis()).saturating_add(own);
    match number % 3 {
        0 => whole,
        1 => whole.saturating_sub(Duration::from_secs(u64::from(6 + number))),
        _ => whole.saturating_sub(Duration::from_secs(86_400 * 365 * u64::from(1 + writer))),
    }
}

/// RFC 3339 with all nine digits.
fn text(at: Timestamp) -> String {
    at.to_string()
        .replace('Z', &format!("{:06}Z", at.nanos_of_milli()))
}

/// Follows the whole log by its `next` links: no ID twice.
async fn follow(app: &App) -> Vec<String> {
    let ids = app.follow_ids("/events?per_page=1000").await;
    assert!(
        ids.is_sorted_by(|newer, older| newer > older),
        "out of order, or twice: {ids:?}"
    );
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_201_the_event_counts_and_pages_are_exact() {
    let app = App::start().await;
    // So many that the lanes have inner nodes, among which the late events and the historic ones
    // fall.
    let old = events_from(
        Effects::system().now().saturating_sub(OLD_SPAN),
        OLD,
        OLD_SPAN,
    );
    write(&app.service().client, &old).await;
    app.service().indexed().await;
    let acknowledged = AtomicU64::new(OLD as u64);
    let unhurried = AtomicU64::new(0);
    let writer = |writer: u32| {
        let (app, acknowledged, unhurried) = (&app, &acknowledged, &unhurried);
        async move {
            for number in 0..EVENTS_OF_A_WRITER {
                let at = time(writer, number);
                app.record(event(&(writer % 3).to_string(), &text(at)))
                    .await;
                let own = format!(
                    "/events?from={}&to={}",
                    text(at),
                    text(at.saturating_add(Duration::from_nanos(1)))
                );
                if app.get(&own).await.json()["total"] == 0 {
                    // A late event that could not be counted within the request's time, on a
                    // machine that has other things to do: the stream counts it.
                    unhurried.fetch_add(1, Ordering::SeqCst);
                    app.service().indexed().await;
                }
                let list = app.get(&own).await.json();
                assert_eq!(list["total"], 1, "{own}: {list}");
                let before = acknowledged.fetch_add(1, Ordering::SeqCst) + 1;
                let total = app.get("/events?per_page=1").await.json()["total"]
                    .as_u64()
                    .unwrap();
                assert!(
                    total >= before,
                    "{total} in all, {before} were acknowledged"
                );
            }
        }
    };
    let reader = async {
        while acknowledged.load(Ordering::SeqCst)
            < OLD as u64 + u64::from(WRITERS * EVENTS_OF_A_WRITER)
        {
            let followed = follow(&app).await.len();
            let page = app.get("/events?per_page=10&page=3").await;
            // Each writer may have an event that is stored and not counted yet: it is not
            // acknowledged either.
            let total = page.json()["total"].as_u64().unwrap() as usize;
            assert!(
                total + WRITERS as usize >= followed,
                "{total} in all, {followed} were seen"
            );
        }
    };
    let writers = futures_util::future::join_all((0..WRITERS).map(writer));
    tokio::join!(writers, reader);
    let unhurried = unhurried.into_inner();
    assert!(
        unhurried * 20 <= u64::from(WRITERS * EVENTS_OF_A_WRITER),
        "{unhurried} events were acknowledged uncounted"
    );

    app.service().indexed().await;
    let all = follow(&app).await;
    assert_eq!(all.len(), OLD + (WRITERS * EVENTS_OF_A_WRITER) as usize);
    // A minute later nothing is counted live any more: all of it comes from the index.
    let later = Effects::system()
        .now()
        .saturating_add(Duration::from_secs(60));
    let deps = Deps::new(app.service().client.clone(), &settings(2));
    for page in 1..=all.len().div_ceil(50) {
        let (list, _) = list(&deps, &format!("per_page=50&page={page}"), later).await;
        assert_eq!(list["total"], all.len());
        assert_eq!(ids(&list), all.chunks(50).nth(page - 1).unwrap());
    }
}
