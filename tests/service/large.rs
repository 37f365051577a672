//! Beyond DynamoDB's 1 MB pages, its 16 MB batches and Lambda's 6 MB responses.

use std::collections::HashSet;

use audit_log_testing::{App, Response, event_with};

/// Records `count` events of about `kib` KiB, one second apart, and gives their ids, newest first.
async fn fill(app: &App, count: usize, kib: usize) -> Vec<String> {
    let app_data = format!("\"{}\"", "x".repeat(kib * 1024));
    let mut ids = Vec::new();
    for number in 0..count {
        let at = format!("2024-01-01T00:{:02}:{:02}Z", number / 60, number % 60);
        ids.insert(0, app.record(event_with("1", &at, &app_data)).await);
    }
    ids
}

/// The parameters that begin so in what a refusal advises.
fn advised(refused: &Response, begin: &str) -> String {
    let error = refused.json()["error"].as_str().unwrap().to_owned();
    let mut words = error.split_whitespace();
    let advice = words.find(|word| word.starts_with(begin));
    advice.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn more_than_1_mb_a_shard_is_counted_and_listed_whole() {
    let app = App::start().await;
    let ids = fill(&app, 64, 100).await;
    let shards: HashSet<_> = ids.iter().map(|id| &id[35..]).collect();
    assert_eq!(shards.len(), 2);
    for filter in ["", "&user_id=1"] {
        let mut paged = Vec::new();
        for page in 1..=5 {
            let list = app
                .get(&format!("/events?per_page=15&page={page}{filter}"))
                .await;
            assert_eq!(list.json()["total"], 64);
            paged.extend(list.ids());
        }
        assert_eq!(paged, ids);
    }
    // More than one invocation can carry: the stream delivers it in parts.
    app.service().indexed().await;
    assert_eq!(app.get("/events?per_page=1&page=64").await.ids(), ids[63..]);
    // 50 events of 100 KiB are 5 MB, some 25 of them in each shard: each needs a second query.
    assert_eq!(app.get("/events?per_page=50").await.ids(), ids[..50]);
}

/// As in rmyndharis/OpenWA#766 and gravitational/teleport#35161.
#[tokio::test]
async fn a_page_over_6_mb_comes_shorter_by_cursor_and_continues() {
    let app = App::start().await;
    let ids = fill(&app, 100, 190).await;
    for filter in ["", "&user_id=1"] {
        let uncounted = app
            .get(&format!("/events?per_page=1000&total=false{filter}"))
            .await;
        assert!(uncounted.ids().len() >= 25 && uncounted.ids() == ids[..uncounted.ids().len()]);
        assert_eq!(
            uncounted.json()["next_cursor"].as_str(),
            uncounted.ids().last().map(String::as_str)
        );
        let first = app.get(&format!("/events?per_page=1{filter}")).await;
        let mut seen = first.ids();
        let mut cursor = first.json()["next_cursor"].as_str().map(str::to_owned);
        while let Some(from) = cursor {
            let page = app
                .get(&format!("/events?per_page=1000&cursor={from}{filter}"))
                .await;
            seen.extend(page.ids());
            cursor = page.json()["next_cursor"].as_str().map(str::to_owned);
            assert!(
                cursor.is_none() || page.ids().len() >= 25,
                "{} events are fewer than fit",
                page.ids().len()
            );
        }
        assert_eq!(seen, ids);
    }
}

#[tokio::test]
async fn a_page_over_6_mb_by_number_is_refused_with_one_that_fits() {
    let app = App::start().await;
    let ids = fill(&app, 80, 190).await;
    for (query, start) in [
        ("per_page=40", 0),
        ("per_page=40&page=2", 40),
        ("per_page=40&page=2&user_id=1", 40),
    ] {
        let response = app.get(&format!("/events?{query}")).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (422, Some("page_too_large")),
            "{query}"
        );
        let advice = advised(&response, "per_page=");
        let page = app.get(&format!("/events?{advice}")).await.ids();
        assert_eq!(
            page[0], ids[start],
            "{query}: {advice} starts with the same event"
        );
        assert!(page.len() >= 20, "{query}: {advice}");
    }
}

#[tokio::test]
async fn a_page_over_6_mb_names_the_cursor_of_a_whole_walk() {
    let app = App::start().await;
    let newest_first = fill(&app, 40, 190).await;
    let oldest_first: Vec<_> = newest_first.iter().rev().cloned().collect();
    for (order, start, expected) in [
        ("", "ffffffff-ffff-7fff-bfff-ffffffffffff", &newest_first),
        (
            "&order=asc",
            "00000000-0000-7000-8000-000000000000",
            &oldest_first,
        ),
    ] {
        // A page by several filters may come shorter instead, as it does on DynamoDB Local.
        for filter in ["", "&user_id=1"] {
            let path = format!("/events?per_page=40{order}{filter}");
            let refused = app.get(&path).await;
            let expected_error = (422, "page_too_large".to_owned());
            assert_eq!(refused.error(), expected_error, "{path}");
            let cursor = advised(&refused, "cursor=");
            assert_eq!(cursor, format!("cursor={start}"), "{path}");
            let pages = app.follow(&format!("{path}&{cursor}")).await;
            let shown: Vec<String> = pages.iter().flat_map(Response::ids).collect();
            assert_eq!(&shown, expected, "{path}");
            assert!(pages.len() > 1, "{path}");
        }
    }
}

/// Quotes, backslashes and line breaks double within Lambda's answer.
#[tokio::test]
async fn an_event_that_doubles_in_size_still_comes_back() {
    let app = App::start().await;
    let app_data = format!("\"{}\"", r#"\""#.repeat(127 * 1024));
    let mut ids = Vec::new();
    for second in 10..24 {
        ids.insert(
            0,
            app.record(event_with(
                "1",
                &format!("2024-01-01T00:00:{second}Z"),
                &app_data,
            ))
            .await,
        );
    }
    assert_eq!(app.get("/events?per_page=14").await.status, 422);
    assert_eq!(app.get("/events?per_page=11").await.ids(), ids[..11]);
}
