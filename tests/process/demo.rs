//! `audit-log demo`: a month that a person can look into.

use std::collections::HashSet;

use super::{Process, run};

#[tokio::test]
async fn demo_fills_a_running_log_through_its_own_api() {
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let (code, printed) = run(&["demo", "--events", "600", "--users", "5", "--log", log]).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("Recorded 600 events"), "{printed}");
    assert!(printed.contains("5 people in Berlin"), "{printed}");
    let list = process.app.get("/events?per_page=1000").await.json();
    assert_eq!(list["total"], 600);
    let events = list["events"].as_array().unwrap();
    let users: HashSet<_> = events
        .iter()
        .filter_map(|event| event["user_id"].as_str())
        .collect();
    // The five, and an account that was forgotten.
    assert_eq!(users.len(), 6, "{users:?}");
}

#[tokio::test]
async fn the_links_that_demo_prints_show_what_they_promise() {
    let process = Process::start_with(&["--memory"]).await;
    let log = process.app.url();
    let (code, printed) = run(&["demo", "--events", "600", "--log", log]).await;
    assert_eq!(code, 0, "{printed}");
    let links: Vec<&str> = printed
        .split_whitespace()
        .filter(|word| word.contains("/?"))
        .collect();
    assert_eq!(links.len(), 2, "{printed}");
    for link in links {
        let query = link.split_once('?').unwrap().1;
        let list = process
            .app
            .get(&format!("/events?per_page=1000&{query}"))
            .await;
        assert!(list.ids().len() > 20, "{link}: {list:?}");
    }
}

#[tokio::test]
async fn demo_without_a_log_says_so() {
    let (code, printed) = run(&["demo", "--log", "http://127.0.0.1:9"]).await;
    assert_eq!(code, 2);
    assert!(printed.contains("does not respond"), "{printed}");
    assert!(printed.contains("start a log with"), "{printed}");
}
