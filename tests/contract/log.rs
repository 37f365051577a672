//! The transparency log: the feed, proofs and tiles, by nothing but their documentation.

use audit_log::event::EventId;
use audit_log::tree::merkle::root_by_inclusion;
use audit_log::tree::tile::{decode_entries, decode_hashes};
use audit_log::tree::{Checkpoint, Content, Entry, Hash, Note, Tile, TileKind};
use audit_log_testing::App;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// An event, as its raw text says what its entry must be.
fn entry_of(raw: &str) -> Entry {
    let json: serde_json::Value = serde_json::from_str(raw).unwrap();
    let recorded = &json["recorded"];
    let (_, rest) = raw.split_once(r#""recorded":{"#).unwrap();
    // No value of it has a brace.
    let (_, members) = rest.split_once("},").unwrap();
    let content = Content {
        salt: recorded["salt"].as_str(),
        at: recorded["at"].as_str().unwrap(),
        by: recorded["by"].as_str(),
        from: recorded["from"].as_str(),
        document: &format!("{{{members}"),
    };
    let id = EventId::parse(json["id"].as_str().unwrap()).unwrap();
    Entry::new(id, &content)
}

/// Three events that are sealed.
async fn sealed(app: &App) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(app.record(app.event("1", number, "{}")).await);
    }
    app.sealed(&ids).await;
    ids
}

async fn checkpoint(app: &App) -> Checkpoint {
    let response = app.get("/log/checkpoint").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    let note: Note = response.text.parse().unwrap();
    note.text().parse().unwrap()
}

#[tokio::test]
async fn an_event_that_is_sealed_has_a_proof_to_the_root() {
    let app = App::open().await;
    for id in sealed(&app).await {
        let raw = app.get(&format!("/events/{id}")).await.text;
        let response = app.get(&format!("/events/{id}/proof")).await;
        assert_eq!(response.status, 200, "{response:?}");
        let content_type = Some("text/plain; charset=utf-8");
        assert_eq!(response.header("content-type"), content_type);

        let (proof, note) = response.text.split_once("\n\n").unwrap();
        let mut lines = proof.lines();
        assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
        let entry = entry_of(&raw);
        let extra = format!("extra {}", BASE64.encode(entry.to_bytes()));
        assert_eq!(lines.next(), Some(extra.as_str()));
        let index = lines.next().unwrap().strip_prefix("index ").unwrap();
        let hashes: Vec<Hash> = lines.map(|line| Hash::parse(line).unwrap()).collect();
        let note: Note = note.parse().unwrap();
        let checkpoint: Checkpoint = note.text().parse().unwrap();
        let index = index.parse().unwrap();
        let root = root_by_inclusion(entry.leaf(), index, checkpoint.size, &hashes);
        assert_eq!(root, Some(checkpoint.root));
    }
}

#[tokio::test]
async fn the_feed_the_tiles_and_the_checkpoint_say_the_same() {
    let app = App::open().await;
    let ids = sealed(&app).await;
    let checkpoint = checkpoint(&app).await;
    assert!(checkpoint.size >= 3);
    // The last bundle of the log, as far as the checkpoint has it.
    let bundle = (checkpoint.size - 1) / 256;
    let width = checkpoint.size - bundle * 256;
    let tile = |kind| Tile {
        kind,
        index: bundle,
        width,
    };
    let entries = app.get(&format!("/log/{}", tile(TileKind::Entries))).await;
    assert_eq!(entries.status, 200, "{entries:?}");
    let content_type = Some("application/octet-stream");
    assert_eq!(entries.header("content-type"), content_type);
    let cache_control = Some("private, max-age=31536000, immutable");
    assert_eq!(entries.header("cache-control"), cache_control);
    let entries = decode_entries(&entries.body).unwrap();
    assert_eq!(entries.len() as u64, width);

    let hashes = app
        .get(&format!("/log/{}", tile(TileKind::Hashes(0))))
        .await;
    let hashes = decode_hashes(&hashes.body).unwrap();
    let leaves: Vec<Hash> = entries.iter().map(Entry::leaf).collect();
    assert_eq!(hashes, leaves);

    let after = bundle * 256;
    let feed = app
        .get(&format!("/events/feed?after={after}&per_page={width}"))
        .await;
    assert_eq!(feed.status, 200, "{feed:?}");
    let feed = feed.json();
    for (event, entry) in feed["events"].as_array().unwrap().iter().zip(&entries) {
        assert_eq!(event["id"], entry.id.to_string());
        assert_eq!(event["problem"], serde_json::Value::Null);
    }
    if bundle == 0 {
        let in_order = entries.iter().map(|entry| entry.id.to_string());
        let found: Vec<String> = in_order.filter(|id| ids.contains(id)).collect();
        assert_eq!(found.len(), ids.len());
    }
}

#[tokio::test]
async fn the_feed_continues_at_next_and_ends_with_a_pause() {
    let app = App::open().await;
    sealed(&app).await;
    let sealed = app.get("/events/feed?per_page=1").await.json()["sealed"]
        .as_u64()
        .unwrap();
    let page = app
        .get(&format!("/events/feed?after={}", sealed - 3))
        .await
        .json();
    let events = page["events"].as_array().unwrap();
    assert!(events.len() >= 3, "{page}");
    assert_eq!(events[0]["index"], sealed - 3);
    assert_eq!(page["next"], sealed - 3 + events.len() as u64);
    let beyond = app.get("/events/feed?after=9007199254740991").await;
    assert_eq!(beyond.error(), (400, "invalid_parameter".to_owned()));
}

#[tokio::test]
async fn a_proof_or_a_tile_that_does_not_exist_is_a_404() {
    let app = App::open().await;
    for path in [
        "/events/018cc251-f400-7000-8000-000000000000/proof",
        "/events/1/proof",
        "/log/tile/63/000",
        "/log/tile/0/0",
        "/log/tile/entries/x999/x999/999",
        "/log/latest",
    ] {
        let response = app.get(path).await;
        assert_eq!(response.error(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}
