//! What somebody who can write to the tables achieves: the verdict on the log of the real functions.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log_cli::audit::{Lists, Options};
use audit_log_cli::log::{Log, Service};
use audit_log_cli::serve::log_key::LogKey;
use audit_log_client::Auth;
use audit_log_testing::{App, event};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::audit_log;
use crate::service::report;

type Item = HashMap<String, AttributeValue>;

const EVENTS: &str = "EventsTable";
const TREE: &str = "TreeTable";
/// The number of events.
const COUNT: u32 = 20;

/// A log that the real functions wrote.
struct Attacked {
    app: App,
    key: LogKey,
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn key_of(item: &Item, names: [&str; 2]) -> Item {
    names
        .map(|name| (name.to_owned(), item[name].clone()))
        .into()
}

impl Attacked {
    async fn start() -> Attacked {
        let app = App::start().await;
        report(&app, COUNT).await;
        let key = app.service().log_key.clone();
        let log = Attacked { app, key };
        log.caught_up().await;
        log
    }

    async fn caught_up(&self) {
        self.app.service().sealed().await;
        self.app.service().indexed().await;
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        let client = &self.app.service().client;
        let scan = client.scan().table_name(table).consistent_read(true);
        scan.send().await.unwrap().items.unwrap()
    }

    async fn put(&self, table: &str, item: Item) {
        let put = self.app.service().client.put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn delete(&self, table: &str, item: &Item) {
        let names = if table == TREE {
            ["part", "at"]
        } else {
            ["shard", "id"]
        };
        let delete = self.app.service().client.delete_item().table_name(table);
        let key = key_of(item, names);
        delete.set_key(Some(key)).send().await.unwrap();
    }

    /// The entries of the log, by their index: the id of the event of each.
    async fn sealed_ids(&self) -> Vec<String> {
        let feed = self.app.get("/events/feed?per_page=1000").await;
        feed.ids()
    }

    /// The item of the event that is this entry of the log.
    async fn event(&self, index: usize) -> Item {
        let id = text(&self.sealed_ids().await[index]);
        let items = self.items(EVENTS).await;
        items.into_iter().find(|item| item["id"] == id).unwrap()
    }

    async fn tree_items(&self, part: &str) -> Vec<Item> {
        let mut items = self.items(TREE).await;
        items.retain(|item| item["part"].as_s().unwrap().starts_with(part));
        items
    }

    /// What an audit says that is done an hour from now, so that nothing is too new for it.
    async fn findings(&self, state: Option<&Path>) -> Vec<String> {
        let later = || Timestamp::from_millis(Effects::system().now().millis() + 3_600_000);
        let options = Options {
            keys: vec![self.key.verifier_key()],
            state: state.map(Path::to_owned),
            lists: Lists::All,
            delay: Duration::from_secs(600),
            pause: Duration::ZERO,
            effects: Effects::system().with_clock(later),
        };
        let client = audit_log_client::Log::new(self.app.url(), Auth::None).unwrap();
        audit_log(&Log::from(Service::new(client)), &options)
            .await
            .1
    }
}

/// What an audit says once an attribute of an event has become this, and what it should say.
async fn edited(name: &str, edit: impl Fn(&str) -> String) -> (Vec<String>, String) {
    let log = Attacked::start().await;
    let mut event = log.event(5).await;
    let id = event["id"].as_s().unwrap().clone();
    let value = event[name].as_s().unwrap();
    event.insert(name.to_owned(), text(&edit(value)));
    log.put(EVENTS, event).await;
    log.caught_up().await;
    let expected = format!("changed: {id} is not what was sealed as entry 5");
    (log.findings(None).await, expected)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_in_the_table_is_changed() {
    let (lines, expected) = edited("event", |text| text.replace("1.0", "2.0")).await;
    assert_eq!(lines, [expected]);
    let (lines, expected) = edited("event", |text| text.replacen('\n', "", 1)).await;
    assert_eq!(lines, [expected]);
    let (lines, expected) = edited("recorded_from", |_| "192.0.2.1".to_owned()).await;
    assert_eq!(lines, [expected]);
    let (lines, expected) = edited("salt", |salt| salt.chars().rev().collect()).await;
    assert_eq!(lines, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_swapped_in_the_table_are_both_changed() {
    let log = Attacked::start().await;
    let (mut first, mut second) = (log.event(4).await, log.event(7).await);
    let ids = [&first, &second].map(|item| item["id"].as_s().unwrap().clone());
    let document = first["event"].clone();
    first.insert("event".to_owned(), second["event"].clone());
    second.insert("event".to_owned(), document);
    log.put(EVENTS, first).await;
    log.put(EVENTS, second).await;
    log.caught_up().await;

    let mut expected = [(4, &ids[0]), (7, &ids[1])]
        .map(|(index, id)| format!("changed: {id} is not what was sealed as entry {index}"));
    expected.sort();
    let mut lines = log.findings(None).await;
    lines.sort();
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_deleted_from_the_table_is_missing() {
    let log = Attacked::start().await;
    let event = log.event(5).await;
    let id = event["id"].as_s().unwrap().clone();
    log.delete(EVENTS, &event).await;
    log.caught_up().await;
    let expected = format!("missing: {id}, which was sealed as entry 5");
    assert_eq!(log.findings(None).await, std::slice::from_ref(&expected));

    // Without the places of the leaves, the entries still tell.
    for leaf in log.tree_items("l/").await {
        log.delete(TREE, &leaf).await;
    }
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_put_again_under_its_id_is_re_recorded() {
    let log = Attacked::start().await;
    let mut event = log.event(5).await;
    let id = event["id"].as_s().unwrap().clone();
    log.delete(EVENTS, &event).await;
    let document = event["event"].as_s().unwrap().replace("1.0", "2.0");
    event.insert("event".to_owned(), text(&document));
    log.put(EVENTS, event).await;
    log.caught_up().await;
    let expected = [
        format!("re-recorded: several events had the id {id} (entries 5, {COUNT})"),
        format!("changed: {id} is not what was sealed as entry 5"),
    ];
    assert_eq!(log.findings(None).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_event_hides_no_other_fault() {
    let breaks: [fn(&mut Item); 3] = [
        |event| drop(event.insert("event".to_owned(), text("{"))),
        |event| drop(event.remove("recorded_at")),
        |event| drop(event.remove("event")),
    ];
    for damage in breaks {
        let log = Attacked::start().await;
        let mut edited = log.event(3).await;
        edited.insert("recorded_from".to_owned(), text("192.0.2.1"));
        let mut broken = log.event(5).await;
        damage(&mut broken);
        let mut expected = [(3, &edited), (5, &broken)].map(|(index, event)| {
            let id = event["id"].as_s().unwrap();
            format!("changed: {id} is not what was sealed as entry {index}")
        });
        log.put(EVENTS, edited).await;
        log.put(EVENTS, broken).await;
        log.caught_up().await;
        let mut lines = log.findings(None).await;
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_planted_under_another_shard_is_found() {
    let log = Attacked::start().await;
    let mut planted = log.event(5).await;
    let shard = planted["shard"].as_s().unwrap();
    let other = if shard == "0" { "1" } else { "0" };
    planted.insert("shard".to_owned(), text(other));
    planted.remove("event");
    log.put(EVENTS, planted).await;
    log.caught_up().await;
    let lines = log.findings(None).await;
    assert!(!lines.is_empty());
    for line in lines {
        // Which of the two a list shows depends on the shards.
        let verdicts = ["miscounted: ", "omitted from everyone's list: "];
        let is_right = verdicts.iter().any(|verdict| line.starts_with(verdict));
        assert!(is_right, "{line}");
    }
}

/// Another id of the same shard. The digit before the last is random.
fn other_id(id: &str) -> String {
    let digit = if &id[34..35] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &id[..34], &id[35..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_cannot_be_asked_for_stops_no_audit() {
    let log = Attacked::start().await;
    let mut event = log.event(5).await;
    let id = event["id"].as_s().unwrap();
    let planted = other_id(id);
    event.insert("id".to_owned(), text(&planted));
    let document = event["event"].as_s().unwrap();
    let (_, rest) = document.split_once(',').unwrap();
    event.insert(
        "event".to_owned(),
        text(&format!(r#"{{"user_id":"",{rest}"#)),
    );
    event.remove("user_id");
    log.put(EVENTS, event).await;
    log.caught_up().await;
    assert_eq!(log.findings(None).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_user_id_omits_the_event_from_its_list() {
    let log = Attacked::start().await;
    let mut event = log.event(5).await;
    let id = event["id"].as_s().unwrap().clone();
    let user = event["user_id"].as_s().unwrap().clone();
    event.insert("user_id".to_owned(), text("another"));
    log.put(EVENTS, event).await;
    log.caught_up().await;
    let expected = format!(r#"omitted from the list of user "{user}": {id} (entry 5)"#);
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_altered_or_removed_damages_its_bundle() {
    let damaged = "damaged: bundle 0 does not have the entries that were signed";

    let log = Attacked::start().await;
    let mut run = log.tree_items("e/").await.remove(0);
    let mut bytes = run["packed"].as_b().unwrap().clone().into_inner();
    bytes[40] ^= 1;
    run.insert("packed".to_owned(), AttributeValue::B(bytes.into()));
    log.put(TREE, run.clone()).await;
    assert_eq!(log.findings(None).await, [damaged]);

    log.delete(TREE, &run).await;
    assert_eq!(log.findings(None).await, [damaged]);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_swapped_in_the_table_damage_their_bundle() {
    let log = Attacked::start().await;
    // The last run has the newest events, so two runs are there.
    report(&log.app, 1).await;
    log.caught_up().await;
    let mut runs = log.tree_items("e/").await;
    let (mut first, mut last) = (runs.remove(0), runs.remove(runs.len() - 1));
    let entry = |run: &Item, from: usize| run["packed"].as_b().unwrap().as_ref()[from..].to_vec();
    let of_last = entry(&last, 0);
    let of_first = entry(&first, 0);
    let swapped = [&of_last[..49], &of_first[49..]].concat();
    first.insert("packed".to_owned(), AttributeValue::B(swapped.into()));
    let swapped = [&of_first[..49], &of_last[49..]].concat();
    last.insert("packed".to_owned(), AttributeValue::B(swapped.into()));
    log.put(TREE, first).await;
    log.put(TREE, last).await;
    let damaged = "damaged: bundle 0 does not have the entries that were signed";
    assert_eq!(log.findings(None).await, [damaged]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_table_from_earlier_is_rolled_back_then_forked() {
    let log = Attacked::start().await;
    let state = tempfile::tempdir().unwrap();
    let earlier = log.items(TREE).await;
    report(&log.app, 5).await;
    log.caught_up().await;
    assert_eq!(log.findings(Some(state.path())).await, [""; 0]);

    // The table is restored to an earlier time.
    for item in log.items(TREE).await {
        log.delete(TREE, &item).await;
    }
    for item in earlier {
        log.put(TREE, item).await;
    }
    let size = COUNT + 5;
    let expected = format!("rolled back: the log has {COUNT} entries, and had {size} before");
    assert_eq!(log.findings(Some(state.path())).await, [expected]);

    // And sealed on.
    report(&log.app, 7).await;
    log.caught_up().await;
    let now = COUNT + 7;
    let expected = format!(
        "forked: the checkpoint of {now} entries does not continue that of {size} entries, which \
         the log signed before"
    );
    assert_eq!(log.findings(Some(state.path())).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_lost_is_missing_and_its_repeat_is_new() {
    let log = Attacked::start().await;
    let report = async || {
        let document = event("1", "2024-01-01T00:00:00Z");
        log.app
            .post_with(&[("idempotency-key", "k")], document)
            .await
    };
    let id = report().await.id();
    log.caught_up().await;
    assert_eq!(log.sealed_ids().await[COUNT as usize], id);

    // The tables of events and keys are restored to an earlier time. The log is not.
    let lost = log.event(COUNT as usize).await;
    log.delete(EVENTS, &lost).await;
    let client = &log.app.service().client;
    let keys = client.scan().table_name("KeysTable").send().await.unwrap();
    for item in keys.items() {
        let delete = client.delete_item().table_name("KeysTable");
        let delete = delete.key("key", item["key"].clone());
        delete.send().await.unwrap();
    }
    let repeated = report().await;
    assert_eq!(repeated.status, 201);
    log.caught_up().await;

    // The repeat is an event of its own, because half of an ID is random.
    assert_eq!(log.sealed_ids().await.last(), Some(&repeated.id()));
    let expected = format!("missing: {id}, which was sealed as entry {COUNT}");
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_checkpoint_served_for_ever_leaves_events_unsealed() {
    let log = Attacked::start().await;
    let old = log.tree_items("checkpoint").await.remove(0);
    report(&log.app, 1).await;
    log.caught_up().await;
    let id = log.sealed_ids().await[COUNT as usize].clone();
    log.put(TREE, old).await;
    let expected = format!("unsealed: {id} was recorded, and the log lacks it");
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_put_with_an_old_time_is_late() {
    let log = Attacked::start().await;
    let mut event = log.event(5).await;
    event.insert("recorded_at".to_owned(), text("2024-06-01T00:00:00Z"));
    let id = event["id"].as_s().unwrap();
    let planted = other_id(id);
    assert_ne!(&planted, id);
    event.insert("id".to_owned(), text(&planted));
    log.put(EVENTS, event).await;
    log.caught_up().await;
    let expected = format!("late: {planted} (entry {COUNT}) was sealed late");
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_key_in_the_table_is_forged() {
    let log = Attacked::start().await;
    let other = Attacked::start().await;
    let planted = other.tree_items("checkpoint").await.remove(0);
    log.put(TREE, planted).await;
    let expected = "forged: the checkpoint is not genuine: no known key of localhost/log signed it";
    assert_eq!(log.findings(None).await, [expected]);
    // The sealer signs nothing after it.
    report(&log.app, 1).await;
    log.caught_up().await;
    assert_eq!(log.findings(None).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_leaves_keep_no_event_out() {
    let log = Attacked::start().await;
    for mut leaf in log.tree_items("l/").await {
        leaf.insert("index".to_owned(), AttributeValue::N("999999".to_owned()));
        log.put(TREE, leaf).await;
    }
    report(&log.app, 5).await;
    log.caught_up().await;
    assert_eq!(log.findings(None).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_lowered_or_removed_changes_nothing() {
    let log = Attacked::start().await;
    let mut head = log.tree_items("head").await.remove(0);
    head.insert("size".to_owned(), AttributeValue::N("1".to_owned()));
    log.put(TREE, head.clone()).await;
    report(&log.app, 5).await;
    log.caught_up().await;
    assert_eq!(log.findings(None).await, [""; 0]);

    log.delete(TREE, &head).await;
    report(&log.app, 5).await;
    log.caught_up().await;
    assert_eq!(log.findings(None).await, [""; 0]);
}
