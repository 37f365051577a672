//! Pages: each event once, whatever its time and size, and an end that is the end.

use std::collections::HashSet;

use audit_log_testing::{App, event};

use super::record_all;

/// As in newtheatre/rehearsal#48, vm0-ai/vm0#18343, faiscadev/fakecloud#2005,
/// zeroclaw-labs/zeroclaw#7921 and openchoreo/openchoreo#4717, where they fall between pages. And as
/// in gravitational/teleport#40126, pymc-labs/decision-lab#58 and NVIDIA/NVFlare#4916, where all but
/// one are dropped.
#[tokio::test]
async fn events_of_one_instant_are_each_on_one_page() {
    let app = App::open().await;
    let documents = vec![app.event("1", 0, "{}"); 1_500];
    let recorded: HashSet<String> = record_all(&app, &documents).await.into_iter().collect();
    assert_eq!(recorded.len(), 1_500);
    for per_page in [70, 100, 1_000] {
        let path = format!("/events?{}&per_page={per_page}&total=false", app.stretch());
        let shown = app.follow_ids(&path).await;
        assert_eq!(shown.len(), 1_500, "{per_page} a page");
        let shown: HashSet<String> = shown.into_iter().collect();
        assert_eq!(shown, recorded, "{per_page} a page");
    }
    let mut by_number = Vec::new();
    for page in 1..=15 {
        let list = app.list(&format!("per_page=100&page={page}")).await;
        assert_eq!(list.json()["total"], 1_500);
        by_number.extend(list.ids());
    }
    assert_eq!(by_number.len(), 1_500);
    assert_eq!(by_number.into_iter().collect::<HashSet<_>>(), recorded);
}

/// As in CopilotKit/OpenBot#586, where a cursor has milliseconds and the events have microseconds.
#[tokio::test]
async fn a_cursor_is_as_exact_as_the_timestamps() {
    let app = App::open().await;
    let second = app.second(0);
    // 20 ns apart, so 150 are within 3 µs.
    let documents: Vec<String> = (0..150)
        .map(|number| event("1", &format!("{second}.{:09}Z", number * 20)))
        .collect();
    let mut ids = record_all(&app, &documents).await;
    ids.reverse();
    for per_page in [1, 9, 125] {
        let path = format!("/events?{}&per_page={per_page}&total=false", app.stretch());
        assert_eq!(app.follow_ids(&path).await, ids, "{per_page} a page");
    }
}

/// As in NangoHQ/nango#6854 and apache/polaris#5466: a walk would begin again, and never end.
#[tokio::test]
async fn a_cursor_that_is_none_is_refused_and_explained() {
    let app = App::open().await;
    for cursor in ["", "null", "undefined", "None"] {
        let response = app.list(&format!("cursor={cursor}")).await;
        assert_eq!(response.error(), (400, "invalid_parameter".to_owned()));
        let body = response.json();
        assert_eq!(body["fields"][0]["field"], "cursor");
        let sentence = body["error"].as_str().unwrap();
        assert!(sentence.contains("next_cursor"), "{cursor}: {sentence}");
    }
}

/// As in gravitational/teleport#35161, where a reader never gets beyond a large event.
#[tokio::test]
async fn a_walk_goes_on_after_the_largest_events() {
    let app = App::open().await;
    let rest = app.event("1", 10, "\"\"").len();
    let largest = format!("\"{}\"", "x".repeat(256 * 1024 - rest));
    let mut ids = Vec::new();
    for second in 10..35 {
        ids.insert(0, app.record(app.event("1", second, &largest)).await);
    }
    for per_page in [1, 7, 1_000] {
        let path = format!("/events?{}&per_page={per_page}&total=false", app.stretch());
        assert_eq!(app.follow_ids(&path).await, ids, "{per_page} a page");
    }
}

/// As in rmyndharis/OpenWA#766, where an export ends at the first page that is not full. Only a page
/// without a `next_cursor` is the last.
#[tokio::test]
async fn a_page_that_is_not_full_has_a_next_one() {
    let app = App::open().await;
    let large = format!("\"{}\"", "x".repeat(250_000));
    let mut ids = Vec::new();
    for second in 0..30 {
        ids.insert(0, app.record(app.event("1", second, &large)).await);
    }
    // The greatest cursor, with which a walk can begin.
    let mut cursor = Some("ffffffff-ffff-7fff-bfff-ffffffffffff".to_owned());
    let mut shown = Vec::new();
    let mut pages = 0;
    while let Some(after) = cursor {
        let page = app.list(&format!("per_page=100&cursor={after}")).await;
        assert!(page.ids().len() < 30, "one page has all");
        shown.extend(page.ids());
        pages += 1;
        cursor = page.json()["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(shown, ids);
    assert!(pages > 1, "{pages}");
}

/// As in elastic/beats#30693, elastic/beats#31372 and okta/okta-mcp-server#28, where `next` has no
/// end, or ends too early.
#[tokio::test]
async fn next_ends_once_and_after_the_last_event() {
    let app = App::open().await;
    // 12 events: their last page is full with 4 a page, and not with 5.
    let documents: Vec<String> = (0..12).map(|n| app.event("1", n, "{}")).collect();
    let mut ids = record_all(&app, &documents).await;
    ids.reverse();
    for (per_page, pages) in [(4, 3), (5, 3), (12, 1), (13, 1)] {
        for order in ["desc", "asc"] {
            let parameters = format!("per_page={per_page}&order={order}");
            let path = format!("/events?{}&{parameters}", app.stretch());
            let by_link = app.follow(&path).await;
            assert_eq!(by_link.len(), pages, "{path}");
            let mut by_link: Vec<String> = by_link
                .iter()
                .flat_map(audit_log_testing::Response::ids)
                .collect();

            let mut page = app.list(&parameters).await;
            let mut by_cursor = page.ids();
            while let Some(cursor) = page.json()["next_cursor"].as_str() {
                page = app.list(&format!("{parameters}&cursor={cursor}")).await;
                by_cursor.extend(page.ids());
            }
            assert_eq!(by_cursor, by_link, "{path}");
            if order == "asc" {
                by_link.reverse();
            }
            assert_eq!(by_link, ids, "{path}");
        }
    }
}

/// As in MintPlayer/MintPlayer.Dotnet.Tools#174, letsencrypt/acme-spec#128 and
/// Redocly/redocly-cli#2885: a target is relative (RFC 8288 §3.1), and any URL library resolves it.
#[tokio::test]
async fn a_link_resolves_against_the_url_of_its_request() {
    // The emulator that stands for AWS leaves a part of its own path out of the request.
    let app = App::start().await;
    let user = "jon+tag@x.org";
    let older = app.record(app.event(user, 0, "{}")).await;
    let newer = app.record(app.event(user, 1, "{}")).await;
    let path = format!(
        "/events?{}&per_page=1&user_id=jon%2Btag%40x.org",
        app.stretch()
    );
    let first = app.get(&path).await;
    assert_eq!(first.ids(), [newer]);
    let url = reqwest::Url::parse(&format!("{}{path}", app.url())).unwrap();
    for (rel, id) in [
        ("next", &older),
        ("last", &older),
        ("first", &first.ids()[0]),
    ] {
        let target = first.link(rel).unwrap();
        assert!(target.starts_with('/'), "{target}");
        let resolved = url.join(&target).unwrap();
        let (_, rest) = resolved.as_str().split_once(app.url()).unwrap();
        assert_eq!(
            app.get(rest).await.ids(),
            [id.as_str()],
            "{rel}: {resolved}"
        );
    }
    let created = app.post(app.event(user, 2, "{}")).await;
    let location = url.join(created.header("location").unwrap()).unwrap();
    let (_, rest) = location.as_str().split_once(app.url()).unwrap();
    assert_eq!(app.get(rest).await.json()["id"], created.id());
}
