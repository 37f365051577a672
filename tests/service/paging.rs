//! Whoever follows `next` sees each event once, whatever is written meanwhile.

use std::collections::HashSet;

use futures_util::future::join;

use crate::Audit;
use crate::support::event;

async fn follow(audit: &Audit, first: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let page = audit.get(&path).await;
        seen.extend(page.ids());
        assert_eq!(page.link("next").is_some(), !page.json()["next_cursor"].is_null());
        next = page.link("next");
    }
    seen
}

#[tokio::test]
async fn following_next_neither_misses_nor_repeats_while_others_write() {
    let audit = Audit::start().await;
    let mut before = Vec::new();
    for number in 0..120 {
        // Ten share each timestamp.
        before.push(
            audit.record(event(&format!("{}", number % 2), &format!("2024-01-01T00:{:02}:00Z", number / 10))).await,
        );
    }
    for first in ["/events?per_page=7", "/events?per_page=7&user_id=1"] {
        let write = async {
            for number in 0..60 {
                // Newer, older, and amid what is being read.
                let minute = [59, 0, 6][number % 3];
                audit.record(event("1", &format!("2024-01-01T00:{minute:02}:00.{number:03}Z"))).await;
            }
        };
        let (seen, ()) = join(follow(&audit, first), write).await;
        let unique: HashSet<_> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "{first}: repeated");
        assert!(seen.is_sorted_by(|newer, older| newer > older), "{first}: out of order");
        let expected = before.iter().enumerate().filter(|(number, _)| !first.contains("user_id") || number % 2 == 1);
        for (_, id) in expected {
            assert!(unique.contains(id), "{first}: missed {id}");
        }
    }
}

#[tokio::test]
async fn a_cursor_continues_right_after_its_event_and_page_is_only_shown() {
    let audit = Audit::start().await;
    for second in 10..30 {
        audit.record(event("1", &format!("2024-01-01T00:00:{second}Z"))).await;
    }
    let all = audit.get("/events?per_page=20").await.ids();
    for (query, page) in [("", 1), ("&page=7", 7), ("&user_id=1", 1)] {
        let list = audit.get(&format!("/events?cursor={}&per_page=5{query}", all[8])).await;
        assert_eq!(list.ids(), all[9..14]);
        assert_eq!((&list.json()["page"], &list.json()["total"]), (&page.into(), &20.into()));
    }
    let end = audit.get(&format!("/events?cursor={}", all[19])).await;
    assert!(end.ids().is_empty() && end.json()["next_cursor"].is_null());
}

#[tokio::test]
async fn pages_by_number_tile_the_log() {
    let audit = Audit::start().await;
    for number in 0..53 {
        audit.record(event("1", &format!("2024-01-01T00:00:{:02}Z", number % 9))).await;
    }
    let all = audit.get("/events?per_page=1000").await.ids();
    assert_eq!(all.len(), 53);
    for per_page in [1, 4, 10, 52, 53, 54] {
        for filter in ["", "&user_id=1"] {
            let mut tiled = Vec::new();
            for page in 1..=53_usize.div_ceil(per_page) {
                let list = audit.get(&format!("/events?page={page}&per_page={per_page}{filter}")).await;
                assert_eq!(list.json()["total_pages"], 53_usize.div_ceil(per_page));
                tiled.extend(list.ids());
            }
            assert_eq!(tiled, all, "{per_page} a page");
        }
    }
}
