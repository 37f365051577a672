//! GET /events: order, filters, links.

use audit_log_testing::{App, event};
use serde_json::json;

#[tokio::test]
async fn the_newest_is_first_whatever_its_offset_and_fraction() {
    let app = App::open().await;
    let (utc, plus_1, plus_530) = (app.second(5), app.second_at(5, 60), app.second_at(5, 330));
    // Oldest first; neighbours differ by as little as a nanosecond.
    let timestamps = [
        format!("{}Z", app.second(0)),
        format!("{}.999999999+01:00", app.second_at(4, 60)),
        format!("{utc}Z"),
        format!("{plus_1}.000000001+01:00"),
        format!("{utc}.000000002Z"),
        format!("{utc}.000001Z"),
        format!("{utc}.000244140Z"),
        format!("{utc}.000244141Z"),
        format!("{}.000999999-01:00", app.second_at(5, -60)),
        format!("{utc}.001Z"),
        format!("{plus_530}.1+05:30"),
        format!("{}-00:00", app.second(6)),
    ];
    let mut ids = vec![String::new(); timestamps.len()];
    // Written in an order that has nothing to do with time.
    for step in 0..timestamps.len() {
        let position = (step * 5 + 3) % timestamps.len();
        ids[position] = app.record(event("1", &timestamps[position])).await;
    }
    ids.reverse();
    assert_eq!(app.list("per_page=100").await.ids(), ids);
    assert_eq!(app.list("per_page=100&user_id=1").await.ids(), ids);
}

#[tokio::test]
async fn equal_timestamps_keep_one_order_on_every_page() {
    let app = App::open().await;
    for _ in 0..30 {
        app.record(app.event("1", 0, "{}")).await;
    }
    let all = app.list("per_page=30").await.ids();
    for user in ["", "&user_id=1"] {
        let mut paged = Vec::new();
        for page in 1..=5 {
            paged.extend(
                app.list(&format!("per_page=7&page={page}{user}"))
                    .await
                    .ids(),
            );
        }
        assert_eq!(paged, all);
    }
}

#[tokio::test]
async fn a_user_sees_the_users_own_events() {
    let app = App::open().await;
    let of_one = [
        app.record(app.event("1", 1, "{}")).await,
        app.record(app.event("1", 2, "{}").replace("\"1\"", "1"))
            .await,
    ];
    let strange = "a b/ü&=#+\u{0}%";
    let document = app
        .event("x", 3, "{}")
        .replace("\"x\"", &serde_json::to_string(strange).unwrap());
    let of_strange = app.record(document).await;

    let list = app.list("user_id=1").await;
    assert_eq!(
        list.ids(),
        [of_one[1].as_str(), of_one[0].as_str()],
        "1 and \"1\" are one user"
    );
    assert_eq!(list.json()["total"], 2);
    let list = app.list("user_id=a%20b%2F%C3%BC%26%3D%23%2B%00%25").await;
    assert_eq!(list.ids(), [of_strange.as_str()]);
    assert_eq!(
        app.get(&list.link("first").unwrap()).await.ids(),
        [of_strange],
        "the link repeats the filter"
    );
    assert_eq!(app.list("user_id=2").await.json()["total"], 0);
    let replacement = app.record(app.event("\u{fffd}", 4, "{}")).await;
    assert_eq!(app.list("user_id=%EF%BF%bd").await.ids(), [replacement]);
}

#[tokio::test]
async fn from_is_inclusive_and_to_is_exclusive_to_the_nanosecond() {
    let app = App::open().await;
    let (second, elsewhere) = (app.second(5), app.second_at(5, 60));
    let mut ids = Vec::new();
    for nanos in 0..6 {
        ids.insert(
            0,
            app.record(event("1", &format!("{second}.00000000{nanos}Z")))
                .await,
        );
    }
    let from = format!("from={second}.000000002Z");
    for user in ["", "&user_id=1"] {
        let list = app
            .get(&format!(
                "/events?{from}&to={elsewhere}.000000005%2B01:00{user}"
            ))
            .await;
        assert_eq!(list.ids(), ids[1..4]);
        assert_eq!(
            (&list.json()["total"], &list.json()["total_pages"]),
            (&json!(3), &json!(1))
        );
        let page = app
            .get(&format!(
                "/events?{from}&to={second}.000000005Z&per_page=2&page=2{user}"
            ))
            .await;
        assert_eq!(page.ids(), ids[3..4]);
        for empty in [
            format!("from={}Z&to={}Z", app.second(6), app.second(7)),
            format!("from={0}Z&to={0}Z", app.second(5)),
            "to=1969-01-01T00:00:00Z".to_owned(),
        ] {
            assert_eq!(
                app.get(&format!("/events?{empty}{user}")).await.json()["total"],
                0,
                "{empty}"
            );
        }
        assert_eq!(app.list(&format!("per_page=100{user}")).await.ids(), ids);
    }
}

#[tokio::test]
async fn links_lead_to_the_pages_that_exist() {
    let app = App::open().await;
    assert_eq!(
        app.list("").await.header("link"),
        None,
        "an empty list has no pages"
    );
    for second in 0..7 {
        app.record(app.event("u/1", second, "{}")).await;
    }
    let stretch = app.stretch().replace(':', "%3A");
    for filter in [format!("{stretch}&"), format!("user_id=u%2F1&{stretch}&")] {
        let path = |link: Option<String>| {
            link.map(|link| link[link.find("/events?").unwrap()..].to_owned())
        };
        let first = app
            .get(&format!(
                "/events?per_page=3&{}",
                filter.trim_end_matches('&')
            ))
            .await;
        assert_eq!(
            path(first.link("first")),
            Some(format!("/events?{filter}page=1&per_page=3"))
        );
        assert_eq!(first.link("prev"), None);
        assert_eq!(
            path(first.link("last")),
            Some(format!("/events?{filter}page=3&per_page=3"))
        );
        let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(
            path(first.link("next")),
            Some(format!("/events?{filter}page=2&per_page=3&cursor={cursor}"))
        );

        let second = app.get(&first.link("next").unwrap()).await;
        assert_eq!(
            path(second.link("prev")),
            Some(format!("/events?{filter}page=1&per_page=3"))
        );
        assert_eq!(second.json()["page"], 2);
        let last = app.get(&second.link("next").unwrap()).await;
        assert_eq!(
            (last.link("next"), last.json()["next_cursor"].is_null()),
            (None, true)
        );
        assert_eq!(
            last.ids(),
            app.get(&first.link("last").unwrap()).await.ids()
        );
        assert_eq!(last.ids().len(), 1);
    }
}

#[tokio::test]
async fn a_total_of_the_past_is_exact() {
    let app = App::open().await;
    for second in 0..3 {
        app.record(app.event("1", second, "{}")).await;
    }
    for query in [
        "",
        "user_id=1",
        "per_page=1&page=2",
        "per_page=1&total=true",
    ] {
        let list = app.list(query).await.json();
        assert_eq!(
            (&list["total"], &list["total_exact"]),
            (&json!(3), &json!(true)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn without_a_total_there_is_a_page_and_no_count() {
    let app = App::open().await;
    let mut ids = Vec::new();
    for second in 0..5 {
        ids.insert(0, app.record(app.event("1", second, "{}")).await);
    }
    for user in ["", "&user_id=1"] {
        let first = format!("/events?{}&per_page=2&total=false{user}", app.stretch());
        let mut followed = Vec::new();
        for page in app.follow(&first).await {
            let list = page.json();
            for count in ["total", "total_exact", "total_pages"] {
                assert_eq!(list.get(count), Some(&json!(null)), "{count}");
            }
            assert_eq!(page.link("last"), None);
            followed.extend(page.ids());
        }
        assert_eq!(followed, ids);
        let page = app
            .list(&format!("per_page=2&page=2&total=false{user}"))
            .await;
        assert_eq!(page.ids(), ids[2..4]);
    }
    assert_eq!(app.list("total=no").await.status, 400);
}

#[tokio::test]
async fn a_page_past_the_end_is_empty() {
    let app = App::open().await;
    app.record(app.event("1", 0, "{}")).await;
    for query in [
        "page=2",
        "page=9007199254740993",
        "page=99999999999999999999",
        "page=2&user_id=1",
        "page=3&per_page=1000",
    ] {
        let response = app.list(query).await;
        assert_eq!(response.ids(), Vec::<String>::new(), "{query}");
        let list = response.json();
        assert_eq!(
            (&list["total"], &list["total_pages"], &list["next_cursor"]),
            (&json!(1), &json!(1), &json!(null))
        );
        assert_eq!(
            response.link("prev").map(|link| link.contains("page=1")),
            Some(true)
        );
    }
}

#[tokio::test]
async fn the_next_link_of_the_last_number_is_one_that_is_answered() {
    let app = App::open().await;
    let newest = app.record(app.event("1", 3, "{}")).await;
    app.record(app.event("1", 2, "{}")).await;
    let oldest = app.record(app.event("1", 1, "{}")).await;
    let list = app
        .list(&format!("per_page=1&page=9007199254740991&cursor={newest}"))
        .await;
    assert_eq!(app.get(&list.link("next").unwrap()).await.ids(), [oldest]);
}
