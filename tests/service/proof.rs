//! GET /events/{id}/proof: a proof that others verify, of the event as it is now.

use audit_log::dynamodb::Usage;
use audit_log::event::EventId;
use audit_log::list_events::ListEvents;
use audit_log::tree::merkle::root_by_inclusion;
use audit_log::tree::{Checkpoint, Entry, Hash, Note, VerifierKey};
use audit_log_testing::tables::{Log, entries};
use audit_log_testing::{Tables, proof_request, usage};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ct_merkle::{InclusionProof, RootHash};
use lambda_http::Body;
use lambda_http::http::Response;
use serde_json::Value;
use sha2::Sha256;

/// A proof, as a reader of its text understands it.
struct Proof {
    entry: Entry,
    index: u64,
    hashes: Vec<Hash>,
    note: Note,
}

impl Proof {
    fn parse(text: &str) -> Proof {
        let (proof, note) = text.split_once("\n\n").unwrap();
        let mut lines = proof.lines();
        assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
        let extra = lines.next().unwrap().strip_prefix("extra ").unwrap();
        let index = lines.next().unwrap().strip_prefix("index ").unwrap();
        Proof {
            entry: Entry::from_bytes(&BASE64.decode(extra).unwrap()).unwrap(),
            index: index.parse().unwrap(),
            hashes: lines.map(|line| Hash::parse(line).unwrap()).collect(),
            note: note.parse().unwrap(),
        }
    }

    /// Verifies the proof twice: with the code of the log, and with code that shares none with it.
    fn verify(&self, key: &VerifierKey) -> Checkpoint {
        assert!(self.note.is_signed_by(key));
        let checkpoint: Checkpoint = self.note.text().parse().unwrap();
        let leaf = self.entry.leaf();
        let root = root_by_inclusion(leaf, self.index, checkpoint.size, &self.hashes);
        assert_eq!(root, Some(checkpoint.root));

        let digest = (*checkpoint.root.as_bytes()).into();
        let root = RootHash::<Sha256>::new(digest, checkpoint.size);
        let hashes = self.hashes.iter().flat_map(|hash| *hash.as_bytes());
        let proof = InclusionProof::try_from_bytes(hashes.collect()).unwrap();
        let entry = self.entry.to_bytes();
        root.verify_inclusion(&entry, self.index, &proof).unwrap();
        checkpoint
    }
}

async fn prove(tables: &Tables, id: impl ToString) -> Response<Body> {
    let function = ListEvents::new(tables.deps());
    function.handle(proof_request(id)).await
}

fn text(response: &Response<Body>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn error(response: &Response<Body>) -> (u16, String) {
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let code = body["code"].as_str().unwrap().to_owned();
    (response.status().as_u16(), code)
}

/// Sets an attribute of an event, which no function does.
async fn set(tables: &Tables, id: EventId, name: &str, value: &str) {
    let update = tables
        .client
        .update_item()
        .table_name("EventsTable")
        .key("shard", AttributeValue::S(format!("{:x}", id.shard())))
        .key("id", AttributeValue::S(id.to_string()))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", AttributeValue::S(value.to_owned()));
    update.send().await.unwrap();
}

async fn check(tables: &Tables, log: &Log, index: usize) {
    let id = log.entries[index].id;
    let response = prove(tables, id).await;
    assert_eq!(response.status(), 200, "{index}: {response:?}");
    let proof = Proof::parse(text(&response));
    assert_eq!(proof.entry, log.entries[index]);
    assert_eq!(proof.index, index as u64);
    let checkpoint = proof.verify(&log.verifier_key());
    assert_eq!(checkpoint.size, log.size());
    // The event and the checkpoint, its leaf, and the tiles.
    let usage = usage(&response);
    assert!(usage.rounds <= 3, "{index} of {}: {usage:?}", log.size());
}

#[tokio::test]
async fn a_proof_holds_at_each_size_of_the_log() {
    let (tables, ids) = Tables::unsealed(600).await;
    let mut log = tables.log();
    for size in [1, 2, 255, 256, 257, 600] {
        let new = ids[log.entries.len()..size].iter().copied();
        log.seal(new).await;
        let places = [0, 1, 100, 254, 255, 256, 511, 512, size - 1];
        for index in places.into_iter().filter(|index| *index < size) {
            check(&tables, &log, index).await;
        }
    }
}

#[tokio::test]
async fn a_proof_is_text_of_three_rounds_and_few_units() {
    let (tables, ids) = Tables::unsealed(600).await;
    let mut log = tables.log();
    log.seal(ids).await;
    let response = prove(&tables, log.entries[300].id).await;
    let header = |name| response.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    let Usage {
        calls,
        rounds,
        read,
        ..
    } = usage(&response);
    // The event, the checkpoint and the leaf; the bundles of the leaf and of the end of the log, and
    // the node of level 1.
    assert_eq!((calls, rounds), (6, 3));
    assert!(read.tables <= 3.0 + 2.0 + 1.0 + 0.5, "{read:?}");
    assert_eq!(read.indexes, 0.0);
}

#[tokio::test]
async fn an_event_that_does_not_exist_is_not_found() {
    let (tables, ids) = Tables::unsealed(2).await;
    let mut log = tables.log();
    log.seal(ids.iter().copied()).await;
    let other = EventId::from_bits(ids[0].to_bits() ^ 0x10).unwrap();
    for id in [other.to_string(), "1".to_owned(), "proof".to_owned()] {
        let response = prove(&tables, &id).await;
        assert_eq!(error(&response), (404, "not_found".to_owned()), "{id}");
    }
}

#[tokio::test]
async fn an_event_that_no_checkpoint_has_is_not_sealed_yet() {
    let not_sealed = (404, "not_sealed".to_owned());
    let (tables, ids) = Tables::unsealed(3).await;
    let mut log = tables.log();
    // There is no log yet.
    let response = prove(&tables, ids[0]).await;
    assert_eq!(error(&response), not_sealed);
    assert_eq!(response.headers()["retry-after"], "10");
    log.seal([ids[0]]).await;
    // It is not in the log yet.
    let response = prove(&tables, ids[1]).await;
    assert_eq!(error(&response), not_sealed);
    assert_eq!(response.headers()["retry-after"], "10");
    // It is, and the checkpoint is older.
    let unpublished = entries(&tables.client, [ids[1]]).await;
    log.append(&unpublished).await;
    assert_eq!(error(&prove(&tables, ids[1]).await), not_sealed);
    log.publish().await;
    check(&tables, &log, 1).await;
}

#[tokio::test]
async fn an_event_that_was_changed_has_no_proof() {
    let changes = [
        ("event", r#"{"user_id": "2"}"#),
        ("recorded_at", "2024-01-01T00:00:00.001Z"),
        ("recorded_by", "somebody"),
        ("recorded_from", "203.0.113.9"),
        ("salt", "AAECAwQFBgcICQoLDA0ODw"),
    ];
    let (tables, ids) = Tables::unsealed(changes.len()).await;
    let mut log = tables.log();
    log.seal(ids).await;
    for (index, (name, value)) in changes.into_iter().enumerate() {
        check(&tables, &log, index).await;
        let id = log.entries[index].id;
        set(&tables, id, name, value).await;
        let response = prove(&tables, id).await;
        assert_eq!(error(&response), (404, "not_sealed".to_owned()), "{name}");
    }
    // What does not belong to the event does not matter: the commitment has the document.
    let id = log.entries[0].id;
    log.seal([id]).await;
    check(&tables, &log, changes.len()).await;
    set(&tables, id, "user_id", "another").await;
    check(&tables, &log, changes.len()).await;
}

#[tokio::test]
async fn an_event_with_a_salt_is_proved_with_it() {
    let (tables, ids) = Tables::unsealed(2).await;
    for (id, name, value) in [
        (ids[0], "salt", "AAECAwQFBgcICQoLDA0ODw"),
        (ids[0], "recorded_by", "arn:aws:iam::111122223333:user/é"),
        (ids[0], "recorded_from", "203.0.113.9"),
    ] {
        set(&tables, id, name, value).await;
    }
    let mut log = tables.log();
    log.seal(ids).await;
    check(&tables, &log, 0).await;
    check(&tables, &log, 1).await;
}

#[tokio::test]
async fn a_log_that_contradicts_itself_gives_no_proof() {
    let (tables, ids) = Tables::unsealed(4).await;
    let mut log = tables.log();
    log.seal(ids[..3].iter().copied()).await;
    let internal = (500, "internal_error".to_owned());

    // A leaf that points to another place.
    let leaf = log.entries[0].leaf();
    tables.tree.put_leaf(&leaf, 1).await.unwrap();
    assert_eq!(error(&prove(&tables, ids[0]).await), internal);
    check(&tables, &log, 1).await;

    // A checkpoint with another root.
    let unpublished = entries(&tables.client, [ids[3]]).await;
    log.append(&unpublished).await;
    let forged = Checkpoint {
        origin: "localhost/log".parse().unwrap(),
        size: 4,
        root: Hash::of_empty_tree(),
    };
    log.publish_as(&forged).await;
    let response = prove(&tables, ids[1]).await;
    assert_eq!(error(&response), internal);
    assert!(!text(&response).contains("root"), "{response:?}");
}
