//! A log that keeps what it promised gives no finding.

use audit_log::event::Field;
use audit_log_cli::audit::{Lists, Options};
use audit_log_cli::log::service::List;

use crate::fake::{FakeLog, NOW};
use crate::{audit, findings, options, with_state};

#[tokio::test]
async fn a_clean_log_gives_no_finding_at_any_size() {
    for size in [0, 1, 2, 255, 256, 257, 513, 2_300] {
        let log = FakeLog::with(size).await;
        let (outcome, lines) = audit(&log, &options(&log)).await;
        assert_eq!(lines, [""; 0], "{size}");
        assert_eq!(outcome.events, size);
        // Everyone's, three users, two types and one service.
        if size > 255 {
            assert_eq!(outcome.lists, 7);
        }
    }
}

#[tokio::test]
async fn a_log_before_its_first_event_is_clean() {
    let log = FakeLog::start().await;
    assert_eq!(findings(&log).await, [""; 0]);
}

#[tokio::test]
async fn new_events_that_are_not_sealed_yet_are_pending() {
    let log = FakeLog::with(10).await;
    log.content().record_at(NOW - 1000);
    log.content().record_at(NOW);
    let expected = "pending: 2 new events are not in the log yet";
    assert_eq!(findings(&log).await, [expected]);

    let empty = FakeLog::start().await;
    empty.content().record_at(NOW);
    let expected = "pending: 1 new event is not in the log yet";
    assert_eq!(findings(&empty).await, [expected]);
}

#[tokio::test]
async fn events_that_are_sealed_during_the_audit_are_found() {
    let log = FakeLog::with(300).await;
    log.content().then = Some((
        "/log/checkpoint".to_owned(),
        Box::new(|content| {
            content.record();
            content.record();
            content.seal();
        }),
    ));
    let folder = tempfile::tempdir().unwrap();
    let (_, lines) = audit(&log, &with_state(&log, folder.path())).await;
    assert_eq!(lines, [""; 0]);
    let kept = std::fs::read_to_string(folder.path().join("checkpoint")).unwrap();
    assert_eq!(kept.lines().nth(1), Some("302"));
    let (_, lines) = audit(&log, &with_state(&log, folder.path())).await;
    assert_eq!(lines, [""; 0]);
}

#[tokio::test]
async fn the_next_audit_reads_only_new_entries() {
    let log = FakeLog::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    let options = with_state(&log, folder.path());
    audit(&log, &options).await;
    for _ in 0..500 {
        log.content().record();
    }
    log.content().seal();
    log.content().requests.clear();

    let (outcome, lines) = audit(&log, &options).await;
    assert_eq!(lines, [""; 0]);
    assert_eq!(outcome.checkpoint.unwrap().checkpoint.size, 1100);
    let requests = log.content().requests.clone();
    let bundles: Vec<&String> = requests
        .iter()
        .filter(|path| path.contains("entries"))
        .collect();
    let expected = [
        "/log/tile/entries/002",
        "/log/tile/entries/003",
        "/log/tile/entries/004.p/76",
    ];
    assert_eq!(bundles, expected);
}

#[tokio::test]
async fn an_audit_goes_on_after_one_that_was_killed() {
    let log = FakeLog::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    let options = with_state(&log, folder.path());
    audit(&log, &options).await;
    let entries = folder.path().join("entries");
    let complete = std::fs::read(&entries).unwrap();
    assert_eq!(complete.len(), 600 * 49);
    let mut longer = complete.clone();
    longer.extend([7; 60]);
    for bytes in [&longer[..], &complete[..100], b""] {
        std::fs::write(&entries, bytes).unwrap();
        let (_, lines) = audit(&log, &options).await;
        assert_eq!(lines, [""; 0]);
        assert_eq!(std::fs::read(&entries).unwrap(), complete);
    }
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let log = FakeLog::with(10).await;
    for status in [429, 503] {
        log.content().failures = (2, status);
        assert_eq!(findings(&log).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_total_that_is_not_exact_is_a_lower_bound() {
    let log = FakeLog::with(10).await;
    log.content().totals.insert(List::All, (8, false));
    assert_eq!(findings(&log).await, [""; 0]);
    log.content().totals.insert(List::All, (11, false));
    let expected = "miscounted: everyone's list has 10 events, not 11";
    assert_eq!(findings(&log).await, [expected]);
}

#[tokio::test]
async fn a_log_without_a_filter_has_no_such_lists() {
    let log = FakeLog::with(10).await;
    log.content().unfiltered.insert(Field::EventType);
    let (outcome, lines) = audit(&log, &options(&log)).await;
    assert_eq!(lines, [""; 0]);
    assert_eq!(outcome.unfiltered, [Field::EventType]);
}

#[tokio::test]
async fn only_the_lists_that_were_named_are_read() {
    let log = FakeLog::with(10).await;
    let lists = |lists| Options {
        lists,
        ..options(&log)
    };
    let (outcome, _) = audit(&log, &lists(Lists::None)).await;
    assert_eq!(outcome.lists, 1);
    let users = vec!["user-1".to_owned(), "nobody".to_owned()];
    let (outcome, lines) = audit(&log, &lists(Lists::Users(users))).await;
    assert_eq!(outcome.lists, 3);
    assert_eq!(lines, [""; 0]);
}
