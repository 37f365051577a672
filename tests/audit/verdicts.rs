//! Each way to break a log has its verdict, and no other.

use audit_log::event::Field;
use audit_log::tree::{Hash, Tile};
use audit_log_cli::log::service::List;
use audit_log_cli::serve::log_key::LogKey;

use crate::fake::{Contents, FakeLog, NOW, START, document};
use crate::{audit, findings, options, with_state};

/// What an audit says about a log of 600 events that was broken so.
async fn broken(damage: impl FnOnce(&mut Contents)) -> Vec<String> {
    let log = FakeLog::with(600).await;
    damage(&mut log.content());
    findings(&log).await
}

/// What an audit says that kept the checkpoint from before.
async fn broken_since(damage: impl FnOnce(&mut Contents)) -> (Vec<String>, usize) {
    let log = FakeLog::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    let options = with_state(&log, folder.path());
    let (_, lines) = audit(&log, &options).await;
    assert_eq!(lines, [""; 0]);
    damage(&mut log.content());
    let (_, lines) = audit(&log, &options).await;
    let files = std::fs::read_dir(folder.path()).unwrap();
    let evidence = files
        .filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("evidence-")
        })
        .count();
    // The checkpoint that was kept stays: the next audit says the same.
    let (_, again) = audit(&log, &options).await;
    assert_eq!(again, lines);
    (lines, evidence)
}

fn user(user: &str) -> List {
    List::With(Field::UserId, user.to_owned())
}

#[tokio::test]
async fn a_document_that_was_edited_is_changed() {
    let edits: [fn(&mut Contents); 5] = [
        |log| log.event(5).document = document(Some("user-2"), "type-1", 99),
        |log| log.event(5).document = log.event(5).document.replacen(' ', "", 1),
        |log| log.event(5).by = Some("somebody".to_owned()),
        |log| log.event(5).at += 1,
        |log| log.event(5).salt = None,
    ];
    for edit in edits {
        let log = FakeLog::with(600).await;
        let id = log.content().id(5);
        edit(&mut log.content());
        let expected = format!("changed: {id} is not what was sealed as entry 5");
        assert_eq!(findings(&log).await, [expected]);
    }
}

#[tokio::test]
async fn documents_that_were_swapped_are_both_changed() {
    let lines = broken(|log| {
        let other = log.event(4).document.clone();
        log.event(4).document = log.event(7).document.clone();
        log.event(7).document = other;
    })
    .await;
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line.starts_with("changed: ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_event_that_was_deleted_is_missing() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    log.content().events.remove(&id.to_bits());
    // The count index still counts it.
    let totals = [(List::All, 600), (user("user-2"), 180)];
    for (list, total) in totals {
        log.content().totals.insert(list, (total, true));
    }
    let expected = format!("missing: {id}, which was sealed as entry 5");
    assert_eq!(findings(&log).await, [expected]);
}

#[tokio::test]
async fn an_event_that_was_put_again_is_re_recorded_and_changed() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    log.content().event(5).document = document(Some("user-2"), "type-1", 99);
    log.content().seal();
    let expected = [
        format!("re-recorded: several events had the id {id} (entries 5, 600)"),
        format!("changed: {id} is not what was sealed as entry 5"),
    ];
    assert_eq!(findings(&log).await, expected);
}

#[tokio::test]
async fn an_attribute_that_was_edited_omits_the_event() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    log.content().event(5).values[0] = Some("nobody".to_owned());
    let expected = format!(r#"omitted from the list of user "user-2": {id} (entry 5)"#);
    assert_eq!(findings(&log).await, [expected]);
    log.content().event(5).values[0] = Some("user-1".to_owned());
    let lines = findings(&log).await;
    assert_eq!(lines.len(), 2);
    let expected = format!(r#"extra in the list of user "user-1": {id}"#);
    assert!(
        lines.iter().any(|line| line.starts_with(&expected)),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_event_that_is_hidden_is_omitted() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    let lists = [
        List::All,
        user("user-2"),
        List::With(Field::EventType, "type-1".to_owned()),
        List::With(Field::SrcService, "service".to_owned()),
    ];
    for list in lists {
        log.content().hidden = [(list.clone(), id)].into();
        let expected = format!("omitted from {list}: {id} (entry 5)");
        // Whether the service counts it or not.
        let shown = findings(&log).await;
        assert_eq!(shown, std::slice::from_ref(&expected));
        log.content().totals.insert(List::All, (600, true));
        assert_eq!(findings(&log).await, [expected]);
        log.content().totals.clear();
    }
}

#[tokio::test]
async fn an_event_in_the_list_of_another_user_is_extra() {
    let log = FakeLog::with(600).await;
    let id = log.content().id(5);
    log.content().planted = [(user("user-1"), id)].into();
    let expected =
        format!(r#"extra in the list of user "user-1": {id} does not belong there like this"#);
    assert_eq!(findings(&log).await, [expected]);
}

#[tokio::test]
async fn a_wrong_total_is_miscounted() {
    let log = FakeLog::with(600).await;
    let lists = [
        (List::All, 600),
        (user("user-2"), 180),
        (List::With(Field::EventType, "type-1".to_owned()), 300),
        (List::With(Field::SrcService, "service".to_owned()), 600),
    ];
    for (list, events) in lists {
        for wrong in [events - 1, events + 1, 0] {
            log.content().totals = [(list.clone(), (wrong, true))].into();
            let expected = format!("miscounted: {list} has {events} events, not {wrong}");
            assert_eq!(findings(&log).await, [expected]);
        }
    }
}

#[tokio::test]
async fn an_entry_that_was_altered_damages_its_bundle() {
    let alterations: [fn(&mut Contents); 3] = [
        |log| log.entries[300].commitment = Hash::of_empty_tree(),
        |log| log.entries.swap(300, 301),
        |log| {
            log.entries.remove(300);
        },
    ];
    for alter in alterations {
        let log = FakeLog::with(600).await;
        // The table keeps the hashes of full tiles apart from the entries.
        let path = "tile/1/000.p/2";
        let hashes = log.content().tile_bytes(path);
        alter(&mut log.content());
        log.content().tiles.insert(path.to_owned(), hashes);
        let lines = findings(&log).await;
        let bundle = if log.content().entries.len() == 600 {
            1
        } else {
            2
        };
        let expected =
            format!("damaged: bundle {bundle} does not have the entries that were signed");
        assert_eq!(lines, [expected]);
    }
    let lines = broken(|log| log.entries[590].commitment = Hash::of_empty_tree()).await;
    let expected = "damaged: bundle 2 does not have the entries that were signed";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn a_bundle_that_is_gone_is_damaged() {
    for bytes in [None, Some(vec![0, 1])] {
        let lines = broken(|log| {
            log.tiles.insert("tile/entries/001".to_owned(), bytes);
        })
        .await;
        let expected = "damaged: bundle 1 does not have the entries that were signed";
        assert_eq!(lines, [expected]);
    }
}

#[tokio::test]
async fn a_wrong_hash_of_a_tile_is_damaged() {
    let lines = broken(|log| {
        let path = "tile/1/000.p/2".to_owned();
        log.tiles.insert(path, Some(vec![7; 64]));
    })
    .await;
    let expected = "damaged: tile/1/000.p/2 does not have the hashes of the entries";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn a_wrong_tile_of_a_proof_is_damaged_and_not_a_fork() {
    let (lines, _) = broken_since(|log| {
        for _ in 0..10 {
            log.record();
        }
        log.seal();
        let path = Tile::parse("tile/0/002.p/98").unwrap().to_string();
        log.tiles.insert(path, None);
    })
    .await;
    let expected = "damaged: tile/0 does not have the hashes of the entries";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn a_log_that_was_cut_is_rolled_back() {
    let (lines, evidence) = broken_since(|log| {
        log.entries.truncate(590);
        log.sign(590);
    })
    .await;
    let expected = "rolled back: the log has 590 entries, and had 600 before";
    assert_eq!(lines, [expected]);
    assert_eq!(evidence, 2);

    let (lines, _) = broken_since(|log| log.note = None).await;
    assert_eq!(
        lines,
        ["rolled back: the log has 0 entries, and had 600 before"]
    );
}

#[tokio::test]
async fn a_log_that_was_rewritten_is_forked() {
    for more in [0, 1, 500] {
        let (lines, evidence) = broken_since(|log| {
            log.event(5).document = document(Some("user-2"), "type-1", 99);
            log.entries.clear();
            for _ in 0..more {
                log.record();
            }
            log.seal();
        })
        .await;
        let size = 600 + more;
        let expected = format!(
            "forked: the checkpoint of {size} entries does not continue that of 600 entries, \
             which the log signed before"
        );
        assert_eq!(lines, [expected]);
        assert_eq!(evidence, 2);
    }
}

#[tokio::test]
async fn a_log_that_forks_during_the_audit_is_forked() {
    let log = FakeLog::with(600).await;
    log.content().record();
    log.content().then = Some((
        "/log/checkpoint".to_owned(),
        Box::new(|content| {
            content.entries.swap(7, 8);
            content.seal();
        }),
    ));
    log.content().tiles.clear();
    // The first checkpoint is shown with its own entries.
    for bundle in ["tile/entries/000", "tile/1/000.p/2"] {
        let bytes = log.content().tile_bytes(bundle);
        log.content().tiles.insert(bundle.to_owned(), bytes);
    }
    let (_, lines) = audit(&log, &options(&log)).await;
    assert!(
        lines[0].starts_with("forked: the checkpoint of 601 entries"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_checkpoint_of_another_key_or_log_is_forged() {
    let lines = broken(|_| {}).await;
    assert_eq!(lines, [""; 0]);

    let log = FakeLog::with(600).await;
    let options = options(&log);
    log.content().key = LogKey::generate().unwrap();
    log.content().seal();
    let (_, lines) = audit(&log, &options).await;
    let expected = "forged: the checkpoint is not genuine: no known key of localhost/log signed it";
    assert_eq!(lines, [expected]);

    log.content().note = Some("something else".to_owned());
    let (_, lines) = audit(&log, &options).await;
    assert!(lines[0].starts_with("forged: "), "{lines:?}");
}

#[tokio::test]
async fn a_checkpoint_of_another_root_is_damaged() {
    let lines = broken(|log| log.sign_as(600, Hash::of_empty_tree())).await;
    let expected = "damaged: bundle 2 does not have the entries that were signed";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn an_old_event_that_is_not_sealed_is_unsealed() {
    let log = FakeLog::with(10).await;
    let id = log.content().record_at(NOW - 601_000);
    let future = log.content().record_at(NOW + 601_000);
    let expected =
        [id, future].map(|id| format!("unsealed: {id} was recorded, and the log lacks it"));
    assert_eq!(findings(&log).await, expected);

    let stopped = FakeLog::start().await;
    let id = stopped.content().record_at(START);
    let expected = format!("unsealed: {id} was recorded, and the log lacks it");
    assert_eq!(findings(&stopped).await, [expected]);
}

#[tokio::test]
async fn a_false_event_with_an_old_time_is_late() {
    let log = FakeLog::with(10).await;
    log.content().record_at(NOW - 1000);
    log.content().seal();
    let id = log.content().record_at(START);
    log.content().seal();
    let expected = format!("late: {id} (entry 11) was sealed late");
    assert_eq!(findings(&log).await, [expected]);
    let second = log.content().record_at(START);
    log.content().seal();
    let (first, second) = (id.min(second), id.max(second));
    let lines = findings(&log).await;
    let expected = format!("late: the entries 11 to 12, from {id} on, were sealed late");
    assert_eq!(lines, [expected], "{first} {second}");
}

#[tokio::test]
async fn an_entry_that_is_there_twice_is_sealed_twice() {
    let log = FakeLog::with(10).await;
    let id = log.content().id(5);
    let entry = log.content().entries[5];
    log.content().entries.push(entry);
    log.content().sign(11);
    let expected = format!("sealed twice: {id} (entries 5, 10)");
    assert_eq!(findings(&log).await, [expected]);
}
