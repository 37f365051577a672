//! GET /events: order, filters, parameters, links.

use serde_json::json;

use crate::Audit;
use crate::support::event;

#[tokio::test]
async fn the_newest_is_first_by_instant_whatever_its_offset_and_fraction() {
    let audit = Audit::start().await;
    // Oldest first; neighbours differ by as little as a nanosecond.
    let timestamps = [
        "1970-01-01T00:00:00Z",
        "2024-01-01T00:30:00+01:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01T01:00:00.000000001+01:00",
        "2024-01-01T00:00:00.000000002Z",
        "2024-01-01T00:00:00.000001Z",
        "2024-01-01T00:00:00.000244140Z",
        "2024-01-01T00:00:00.000244141Z",
        "2023-12-31T23:00:00.000999999-01:00",
        "2024-01-01T00:00:00.001Z",
        "2024-01-01T05:30:00.1+05:30",
        "2024-01-01T00:00:01-00:00",
    ];
    let mut ids = vec![String::new(); timestamps.len()];
    // Written in an order that has nothing to do with time.
    for step in 0..timestamps.len() {
        let position = (step * 5 + 3) % timestamps.len();
        ids[position] = audit.record(event("1", timestamps[position])).await;
    }
    ids.reverse();
    assert_eq!(audit.get("/events?per_page=100").await.ids(), ids);
    assert_eq!(audit.get("/events?per_page=100&user_id=1").await.ids(), ids);
}

#[tokio::test]
async fn equal_timestamps_keep_one_order_on_every_page() {
    let audit = Audit::start().await;
    for _ in 0..30 {
        audit.record(event("1", "2024-01-01T00:00:00Z")).await;
    }
    let all = audit.get("/events?per_page=30").await.ids();
    for filter in ["", "&user_id=1"] {
        let mut paged = Vec::new();
        for page in 1..=5 {
            paged.extend(audit.get(&format!("/events?per_page=7&page={page}{filter}")).await.ids());
        }
        assert_eq!(paged, all);
    }
}

#[tokio::test]
async fn a_user_sees_the_users_own_events() {
    let audit = Audit::start().await;
    let of_one = [
        audit.record(event("1", "2024-01-01T00:00:00Z")).await,
        audit.record(event("1", "2024-01-02T00:00:00Z").replace("\"1\"", "1")).await,
    ];
    let strange = "a b/ü&=#+\u{0}%";
    let document = event("x", "2024-01-03T00:00:00Z").replace("\"x\"", &serde_json::to_string(strange).unwrap());
    let of_strange = audit.record(document).await;

    let list = audit.get("/events?user_id=1").await;
    assert_eq!(list.ids(), [of_one[1].as_str(), of_one[0].as_str()], "1 and \"1\" are one user");
    assert_eq!(list.json()["total"], 2);
    let encoded = "a%20b%2F%C3%BC%26%3D%23%2B%00%25";
    let list = audit.get(&format!("/events?user_id={encoded}")).await;
    assert_eq!(list.ids(), [of_strange.as_str()]);
    assert_eq!(audit.get(&list.link("first").unwrap()).await.ids(), [of_strange], "the link repeats the filter");
    assert_eq!(audit.get("/events?user_id=2").await.json()["total"], 0);
    let replacement = audit.record(event("\u{fffd}", "2024-01-04T00:00:00Z")).await;
    assert_eq!(audit.get("/events?user_id=%EF%BF%bd").await.ids(), [replacement]);
}

#[tokio::test]
async fn from_is_inclusive_and_to_is_exclusive_to_the_nanosecond() {
    let audit = Audit::start().await;
    let mut ids = Vec::new();
    for nanos in 0..6 {
        ids.insert(0, audit.record(event("1", &format!("2024-01-01T00:00:00.00000000{nanos}Z"))).await);
    }
    for filter in ["", "&user_id=1"] {
        let list = audit
            .get(&format!(
                "/events?from=2024-01-01T00:00:00.000000002Z&to=2024-01-01T01:00:00.000000005%2B01:00{filter}"
            ))
            .await;
        assert_eq!(list.ids(), ids[1..4]);
        assert_eq!((&list.json()["total"], &list.json()["total_pages"]), (&json!(3), &json!(1)));
        let page = audit.get(&format!("/events?from=2024-01-01T00:00:00.000000002Z&to=2024-01-01T00:00:00.000000005Z&per_page=2&page=2{filter}")).await;
        assert_eq!(page.ids(), ids[3..4]);
        for empty in [
            "from=2024-01-02T00:00:00Z",
            "to=1969-01-01T00:00:00Z",
            "from=2024-01-01T00:00:01Z&to=2024-01-01T00:00:00Z",
        ] {
            assert_eq!(audit.get(&format!("/events?{empty}{filter}")).await.json()["total"], 0, "{empty}");
        }
        assert_eq!(
            audit.get(&format!("/events?from=1900-01-01T00:00:00Z&to=9999-12-31T23:59:59Z{filter}")).await.ids(),
            ids
        );
    }
}

#[tokio::test]
async fn a_parameter_that_is_unknown_repeated_or_out_of_range_is_named() {
    let audit = Audit::start().await;
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.0", "page"),
        ("page=one", "page"),
        ("page=", "page"),
        ("page=%2B1", "page"),
        ("page=1&page=1", "page"),
        ("per_page=0", "per_page"),
        ("per_page=1001", "per_page"),
        ("per_page=ten", "per_page"),
        ("user_id=", "user_id"),
        ("user_id=%FF", "user_id"),
        ("user_id=1&user_id=2", "user_id"),
        ("from=2024-01-01", "from"),
        ("from=2024-01-01T00:00:00+01:00", "from"),
        ("to=now", "to"),
        ("cursor=1", "cursor"),
        ("cursor=018cc251-f400-4000-8000-000000000000", "cursor"),
        ("cursor=", "cursor"),
        ("limit=5", "limit"),
        ("Page=1", "Page"),
    ] {
        let answer = audit.get(&format!("/events?{query}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_parameter")), "{query}");
        let error = answer.json();
        assert_eq!(error["fields"].as_array().unwrap().len(), 1, "{error}");
        assert_eq!(error["fields"][0]["field"], field);
        assert!(error["error"].as_str().unwrap().contains(field), "{error}");
    }
    let long = format!("/events?user_id={}", "x".repeat(257));
    assert_eq!(audit.get(&long).await.status, 400);
    let several = audit.get("/events?page=0&per_page=0&x=1").await.json();
    assert_eq!(several["fields"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn links_lead_to_the_pages_that_exist() {
    let audit = Audit::start().await;
    assert_eq!(audit.get("/events").await.header("link"), None, "an empty log has no pages");
    for second in 0..7 {
        audit.record(event("u/1", &format!("2024-01-01T00:00:0{second}Z"))).await;
    }
    let filter = "user_id=u%2F1&from=2024-01-01T00%3A00%3A00Z&";
    for filter in ["", filter] {
        let first = audit.get(&format!("/events?per_page=3&{filter}")).await;
        assert_eq!(first.link("first"), Some(format!("/events?{filter}page=1&per_page=3")));
        assert_eq!(first.link("prev"), None);
        assert_eq!(first.link("last"), Some(format!("/events?{filter}page=3&per_page=3")));
        let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(first.link("next"), Some(format!("/events?{filter}page=2&per_page=3&cursor={cursor}")));

        let second = audit.get(&first.link("next").unwrap()).await;
        assert_eq!(second.link("prev"), Some(format!("/events?{filter}page=1&per_page=3")));
        assert_eq!(second.json()["page"], 2);
        let last = audit.get(&second.link("next").unwrap()).await;
        assert_eq!((last.link("next"), last.json()["next_cursor"].is_null()), (None, true));
        assert_eq!(last.ids(), audit.get(&first.link("last").unwrap()).await.ids());
        assert_eq!(last.ids().len(), 1);
    }
}

#[tokio::test]
async fn a_page_past_the_end_is_empty() {
    let audit = Audit::start().await;
    audit.record(event("1", "2024-01-01T00:00:00Z")).await;
    for query in
        ["page=2", "page=9007199254740993", "page=99999999999999999999", "page=2&user_id=1", "page=3&per_page=1000"]
    {
        let answer = audit.get(&format!("/events?{query}")).await;
        assert_eq!(answer.ids(), Vec::<String>::new(), "{query}");
        let list = answer.json();
        assert_eq!((&list["total"], &list["total_pages"], &list["next_cursor"]), (&json!(1), &json!(1), &json!(null)));
        assert_eq!(answer.link("prev").map(|link| link.contains("page=1")), Some(true));
    }
}

#[tokio::test]
async fn the_next_link_of_the_last_number_is_one_that_is_answered() {
    let audit = Audit::start().await;
    let newest = audit.record(event("1", "2024-01-01T00:00:02Z")).await;
    audit.record(event("1", "2024-01-01T00:00:01Z")).await;
    let oldest = audit.record(event("1", "2024-01-01T00:00:00Z")).await;
    let list = audit.get(&format!("/events?per_page=1&page=9007199254740991&cursor={newest}")).await;
    assert_eq!(audit.get(&list.link("next").unwrap()).await.ids(), [oldest]);
}
