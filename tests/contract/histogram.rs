//! GET /events/histogram: the counts of a list, bucket by bucket.

use audit_log_testing::{App, Response, event};
use serde_json::{Value, json};

async fn histogram(app: &App, parameters: &str) -> Response {
    app.get(&format!("/events/histogram?{}&{parameters}", app.stretch()))
        .await
}

/// Some events, two of them a nanosecond apart.
async fn fill(app: &App) {
    for (n, fraction, user, kind) in [
        (0, "", "ann", "login"),
        (0, ".000000001", "ann", "logout"),
        (14, ".285714285", "bob", "login"),
        (14, ".285714286", "bob", "login"),
        (50, "", "ann", "login"),
        (99, ".999999999", "bob", "logout"),
        // It no longer belongs to the stretch.
        (100, "", "ann", "login"),
    ] {
        let document = event(user, &format!("{}{fraction}Z", app.second(n)));
        app.record(document.replace("\"test\"", &format!("\"{kind}\"")))
            .await;
    }
}

#[tokio::test]
async fn each_bucket_counts_the_events_that_a_list_shows() {
    let app = App::open().await;
    fill(&app).await;
    for filter in [
        "",
        "&user_id=ann",
        "&event_type=login",
        "&src_service=tests",
        "&user_id=no",
    ] {
        for buckets in [1, 3, 7, 60, 100] {
            let histogram = histogram(&app, &format!("buckets={buckets}{filter}")).await;
            assert_eq!(histogram.status, 200, "{histogram:?}");
            let histogram = histogram.json();
            assert_eq!(histogram["total_exact"], true);
            let list = histogram["buckets"].as_array().unwrap();
            assert_eq!(list.len(), buckets);
            let mut total = 0;
            for (number, bucket) in list.iter().enumerate() {
                let count = bucket["count"].as_u64().unwrap();
                total += count;
                let (from, to) = (text(&bucket["from"]), text(&bucket["to"]));
                if let Some(next) = list.get(number + 1) {
                    assert_eq!(to, text(&next["from"]));
                }
                // Empty buckets are many, and alike.
                if count > 0 || number % 9 == 0 {
                    let list = app
                        .get(&format!("/events?from={from}&to={to}{filter}"))
                        .await;
                    assert_eq!(list.ids().len() as u64, count, "{bucket}{filter}");
                }
            }
            assert_eq!(text(&list[0]["from"]), format!("{}Z", app.second(0)));
            assert_eq!(
                text(&list[buckets - 1]["to"]),
                format!("{}Z", app.second(100))
            );
            let all = app.list(&filter.replacen('&', "", 1)).await.json();
            assert_eq!(all["total"], total, "{buckets} buckets {filter}");
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn there_are_60_buckets_unless_the_range_is_shorter() {
    let app = App::open().await;
    app.record(app.event("1", 0, "{}")).await;
    let response = histogram(&app, "").await.json();
    assert_eq!(response["buckets"].as_array().unwrap().len(), 60);
    // An offset and a fraction, and a bucket for each nanosecond.
    let from = format!("{}%2B01:00", app.second_at(0, 60));
    let to = format!("{}.000000003Z", app.second(0));
    let path = format!("/events/histogram?from={from}&to={to}");
    let response = app.get(&path).await.json();
    let second = app.second(0);
    assert_eq!(
        response,
        json!({"total_exact": true, "buckets": [
            {"from": format!("{second}Z"), "to": format!("{second}.000000001Z"), "count": 1},
            {"from": format!("{second}.000000001Z"), "to": format!("{second}.000000002Z"), "count": 0},
            {"from": format!("{second}.000000002Z"), "to": format!("{second}.000000003Z"), "count": 0},
        ]})
    );
}

#[tokio::test]
async fn a_query_that_no_histogram_has_is_refused_by_name() {
    let app = App::open().await;
    let day = "from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z";
    for (query, fields) in [
        (String::new(), vec!["from", "to"]),
        ("from=2024-01-01T00:00:00Z".to_owned(), vec!["to"]),
        ("from=x&to=2024-01-01T00:00:00Z".to_owned(), vec!["from"]),
        (
            "from=2024-01-02T00:00:00Z&to=2024-01-02T00:00:00Z".to_owned(),
            vec!["to"],
        ),
        (
            "from=2024-01-03T00:00:00Z&to=2024-01-02T00:00:00Z".to_owned(),
            vec!["to"],
        ),
        (format!("{day}&buckets=0"), vec!["buckets"]),
        (format!("{day}&buckets=101"), vec!["buckets"]),
        (format!("{day}&buckets=%2B1"), vec!["buckets"]),
        (format!("{day}&buckets=1&buckets=2"), vec!["buckets"]),
        (
            format!("{day}&page=1&cursor=1&order=asc&total=false"),
            vec!["cursor", "order", "page", "total"],
        ),
        (format!("{day}&user_id="), vec!["user_id"]),
    ] {
        let response = app.get(&format!("/events/histogram?{query}")).await;
        assert_eq!(
            response.error(),
            (400, "invalid_parameter".to_owned()),
            "{query}"
        );
        let error = response.json();
        let named = error["fields"].as_array().unwrap().iter();
        let named: Vec<&str> = named.map(|field| text(&field["field"])).collect();
        assert_eq!(named, fields, "{query}");
        if fields.contains(&"page") {
            let known = "there are user_id, event_type, src_service, from, to, buckets";
            assert!(text(&error["error"]).contains(known), "{error}");
        }
    }
    let response = app
        .get(&format!("/events/histogram?{day}&user_id=1&event_type=t"))
        .await;
    assert_eq!(response.error(), (422, "filters_not_combinable".to_owned()));
    assert!(text(&response.json()["error"]).contains("one filter"));
}

#[tokio::test]
async fn histograms_and_facets_are_json_or_a_406() {
    let app = App::open().await;
    let histogram = format!("/events/histogram?{}", app.stretch());
    for path in [histogram.as_str(), "/events/facets"] {
        for accept in ["*/*", "text/csv, */*;q=0.1", "application/*", "text/html"] {
            let response = app.get_with(&[("accept", accept)], path).await;
            assert_eq!(response.status, 200, "{accept}: {response:?}");
            assert_eq!(response.header("content-type"), Some("application/json"));
        }
        for accept in [
            "text/csv",
            "application/x-ndjson, text/csv",
            "application/json;q=0",
        ] {
            let response = app.get_with(&[("accept", accept)], path).await;
            assert_eq!(
                response.error(),
                (406, "not_acceptable".to_owned()),
                "{accept}"
            );
        }
    }
}

#[tokio::test]
async fn facets_are_two_lists_and_take_no_parameters() {
    let app = App::open().await;
    let facets = app.get("/events/facets").await;
    assert_eq!(facets.status, 200);
    let facets = facets.json();
    for name in ["event_type", "src_service"] {
        let values = facets[name].as_array().unwrap();
        let values: Vec<&str> = values.iter().map(text).collect();
        assert!(values.len() <= 1000 && values.is_sorted(), "{facets}");
    }
    let refused = app.get("/events/facets?page=1").await;
    assert_eq!(refused.error(), (400, "invalid_parameter".to_owned()));
    assert!(text(&refused.json()["error"]).contains("there are none"));
}
