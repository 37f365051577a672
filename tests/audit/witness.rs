//! A witness is fed with checkpoints that it can check.

use std::sync::{Arc, Mutex};

use audit_log::event::Timestamp;
use audit_log::tree::{Checkpoint, Hash, VerifierKey};
use audit_log_cli::log::cosignature::{Cosigner, CosignerKey};
use audit_log_cli::log::witness::{Cosigned, Witness, WitnessError};
use audit_log_cli::log::{SignedCheckpoint, proof};
use axum::extract::State;
use axum::http::{Response, header};
use axum::{Router, body::Body};
use tokio::net::TcpListener;

use crate::fake::FakeLog;
use crate::options;

/// A witness that follows <https://c2sp.org/tlog-witness>.
struct FakeWitness {
    cosigner: Cosigner,
    keys: Vec<VerifierKey>,
    seen: Option<Checkpoint>,
    requests: usize,
    /// Another cosigner answers, too.
    stranger: Option<Cosigner>,
}

type Shared = Arc<Mutex<FakeWitness>>;

impl FakeWitness {
    async fn start(log: &FakeLog) -> (Shared, String, CosignerKey) {
        let cosigner = cosigner("example.org/witness");
        let key = cosigner.key();
        let witness = Arc::new(Mutex::new(FakeWitness {
            cosigner,
            keys: options(log).keys,
            seen: None,
            requests: 0,
            stranger: None,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(witness.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (witness, url, key)
    }

    fn answer(&mut self, body: &str) -> (u16, &'static str, String) {
        self.requests += 1;
        let (lines, note) = body.split_once("\n\n").unwrap();
        let mut lines = lines.lines();
        let old: u64 = lines
            .next()
            .unwrap()
            .strip_prefix("old ")
            .unwrap()
            .parse()
            .unwrap();
        let proof: Vec<Hash> = lines.map(|line| Hash::parse(line).unwrap()).collect();
        let Ok(signed) = SignedCheckpoint::read(note, &self.keys) else {
            return (403, "text/plain", String::new());
        };
        let seen = self.seen.as_ref().map_or(0, |seen| seen.size);
        if old != seen {
            return (409, "text/x.tlog.size", format!("{seen}\n"));
        }
        if let Some(seen) = &self.seen
            && !proof::proves(&proof, seen, &signed.checkpoint)
        {
            return (422, "text/plain", String::new());
        }
        self.seen = Some(signed.checkpoint.clone());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let mut lines = self.cosigner.cosign(&signed, now);
        if let Some(stranger) = &self.stranger {
            lines.push_str(&stranger.cosign(&signed, now));
        }
        (200, "text/plain", lines)
    }
}

async fn answer(State(witness): State<Shared>, body: String) -> Response<Body> {
    let (status, content_type, body) = witness.lock().unwrap().answer(&body);
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap()
}

fn cosigner(name: &str) -> Cosigner {
    let folder = tempfile::tempdir().unwrap();
    Cosigner::open(&folder.path().join("key"), &name.parse().unwrap()).unwrap()
}

async fn feed(log: &FakeLog, witness: &Witness, seen: u64) -> Result<Cosigned, WitnessError> {
    witness
        .feed(&log.reader().await, &options(log).keys, seen)
        .await
}

#[tokio::test]
async fn a_witness_cosigns_each_checkpoint_that_continues() {
    let log = FakeLog::with(10).await;
    let (state, url, key) = FakeWitness::start(&log).await;
    let witness = Witness::at(&url, Some(key.clone())).unwrap();
    let mut last = 0;
    for more in [0, 1, 290, 300] {
        for _ in 0..more {
            log.content().record();
        }
        log.content().seal();
        let size = log.content().entries.len() as u64;
        let Cosigned::Note { note, .. } = feed(&log, &witness, last).await.unwrap() else {
            panic!("not cosigned");
        };
        let signed = SignedCheckpoint::read(&note, &options(&log).keys).unwrap();
        assert_eq!(signed.checkpoint.size, size);
        let line = note.lines().last().unwrap();
        assert_eq!(key.verify(&signed, line), Some(1_700_000_000));
        last = size;
    }
    assert_eq!(state.lock().unwrap().requests, 4);
}

#[tokio::test]
async fn the_proof_begins_where_the_witness_is() {
    let log = FakeLog::with(10).await;
    let (state, url, key) = FakeWitness::start(&log).await;
    let witness = Witness::at(&url, Some(key)).unwrap();
    feed(&log, &witness, 0).await.unwrap();
    for _ in 0..5 {
        log.content().record();
    }
    log.content().seal();
    // Nothing was kept, so that the witness says how far it is.
    let cosigned = feed(&log, &witness, 0).await.unwrap();
    assert!(
        matches!(cosigned, Cosigned::Note { size: 15, .. }),
        "{cosigned:?}"
    );
    assert_eq!(state.lock().unwrap().requests, 3);
}

#[tokio::test]
async fn a_witness_tells_that_a_log_was_rewritten_or_cut() {
    let log = FakeLog::with(10).await;
    let (_state, url, key) = FakeWitness::start(&log).await;
    let witness = Witness::at(&url, Some(key)).unwrap();
    feed(&log, &witness, 0).await.unwrap();
    log.content().entries.swap(3, 4);
    log.content().sign(10);
    let forked = Cosigned::Forked { seen: 10, size: 10 };
    assert_eq!(feed(&log, &witness, 10).await.unwrap(), forked);
    log.content().sign(9);
    let rolled_back = Cosigned::RolledBack { seen: 10, size: 9 };
    assert_eq!(feed(&log, &witness, 0).await.unwrap(), rolled_back);
    log.content().note = Some("something else".to_owned());
    let cosigned = feed(&log, &witness, 0).await.unwrap();
    assert!(matches!(cosigned, Cosigned::Forged(_)), "{cosigned:?}");
}

#[tokio::test]
async fn a_cosignature_of_another_key_is_not_taken() {
    let log = FakeLog::with(10).await;
    let (state, url, key) = FakeWitness::start(&log).await;
    let stranger = cosigner("example.org/stranger");
    let other = Witness::at(&url, Some(stranger.key())).unwrap();
    let error = feed(&log, &other, 0).await.unwrap_err();
    assert!(matches!(error, WitnessError::NotCosigned), "{error}");

    state.lock().unwrap().stranger = Some(stranger);
    let witness = Witness::at(&url, Some(key)).unwrap();
    let Cosigned::Note { note, .. } = feed(&log, &witness, 0).await.unwrap() else {
        panic!("not cosigned");
    };
    assert!(!note.contains("stranger"), "{note}");
    // Without a key, all lines are kept.
    let unchecked = Witness::at(&url, None).unwrap();
    let Cosigned::Note { note, .. } = feed(&log, &unchecked, 0).await.unwrap() else {
        panic!("not cosigned");
    };
    assert!(note.contains("stranger"), "{note}");
}
