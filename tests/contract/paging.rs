//! A client that follows `next` sees each event once, whatever is written meanwhile.

use std::collections::HashSet;

use audit_log_testing::{App, event};
use futures_util::future::join;

#[tokio::test]
async fn following_next_neither_misses_nor_repeats_while_others_write() {
    let app = App::open().await;
    let mut before = Vec::new();
    for number in 0..60 {
        // Ten share each timestamp.
        before.push(
            app.record(app.event(["1", "2"][number % 2], 10 + number as u32 / 10, "{}"))
                .await,
        );
    }
    for user in ["", "&user_id=1"] {
        let first = format!("/events?{}&per_page=7{user}", app.stretch());
        let write = async {
            for number in 0..30 {
                // Newer, older, and during what is being read.
                let second = app.second([59, 0, 13][number % 3]);
                app.record(event("1", &format!("{second}.{number:03}Z")))
                    .await;
            }
        };
        let (seen, ()) = join(app.follow_ids(&first), write).await;
        let unique: HashSet<_> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "{first}: repeated");
        assert!(
            seen.is_sorted_by(|newer, older| newer > older),
            "{first}: out of order"
        );
        let expected = before
            .iter()
            .enumerate()
            .filter(|(number, _)| user.is_empty() || number % 2 == 0);
        for (_, id) in expected {
            assert!(unique.contains(id), "{first}: missed {id}");
        }
    }
}

#[tokio::test]
async fn a_cursor_continues_after_its_event_and_echoes_the_page() {
    let app = App::open().await;
    for second in 0..20 {
        app.record(app.event("1", second, "{}")).await;
    }
    let all = app.list("per_page=20").await.ids();
    for (query, page) in [("", 1), ("&page=7", 7), ("&user_id=1", 1)] {
        let list = app
            .list(&format!("cursor={}&per_page=5{query}", all[8]))
            .await;
        assert_eq!(list.ids(), all[9..14]);
        assert_eq!(
            (&list.json()["page"], &list.json()["total"]),
            (&page.into(), &20.into())
        );
    }
    let end = app.list(&format!("cursor={}", all[19])).await;
    assert!(end.ids().is_empty() && end.json()["next_cursor"].is_null());
}

/// Neither a cursor nor an id is a permission: it names a place, and what is shown from there is
/// what the same request shows anyway.
#[tokio::test]
async fn a_cursor_of_another_user_opens_nothing_new() {
    let app = App::open().await;
    for second in 0..8 {
        app.record(app.event(if second % 2 == 0 { "a" } else { "b" }, second, "{}"))
            .await;
    }
    let (of_a, of_b) = (
        app.list("user_id=a").await.ids(),
        app.list("user_id=b").await.ids(),
    );
    let after = app.list(&format!("user_id=b&cursor={}", of_a[1])).await;
    assert_eq!(
        (after.ids(), &after.json()["total"]),
        (of_b[2..].to_vec(), &4.into())
    );
    // Nor does it have to be an event's: one that was never recorded is the same place.
    let mut nobodys = of_a[1].clone();
    nobodys.replace_range(35.., if nobodys.ends_with('0') { "1" } else { "0" });
    assert_eq!(
        app.list(&format!("user_id=b&cursor={nobodys}")).await.ids(),
        of_b[2..]
    );
}

#[tokio::test]
async fn pages_by_number_tile_the_log() {
    let app = App::open().await;
    for number in 0..23 {
        app.record(app.event("1", number % 9, "{}")).await;
    }
    let all = app.list("per_page=1000").await.ids();
    assert_eq!(all.len(), 23);
    for per_page in [1, 4, 10, 22, 23, 24] {
        for user in ["", "&user_id=1"] {
            let mut tiled = Vec::new();
            for page in 1..=23_usize.div_ceil(per_page) {
                let list = app
                    .list(&format!("page={page}&per_page={per_page}{user}"))
                    .await;
                assert_eq!(list.json()["total_pages"], 23_usize.div_ceil(per_page));
                tiled.extend(list.ids());
            }
            assert_eq!(tiled, all, "{per_page} a page");
        }
    }
}
