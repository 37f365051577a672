//! Many clients at once: nothing is lost, nothing is listed twice, and the service takes no more
//! memory for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log_testing::memory::allocated;
use audit_log_testing::{App, Ledger, Planned, Response, event_with};
use tokio::task::JoinSet;

use crate::Process;

const WRITERS: usize = 200;
const READERS: usize = 50;
const USERS: u64 = 20;
const PER_PAGE: u64 = 20;
/// How many events are written; the long form is 100,000.
const EVENTS: &str = "AUDIT_LOG_LOAD_EVENTS";
const EVENTS_SHORT: u64 = 500;
/// After which part of them all buffers, pools and caches have their size: a fifth.
const WARM_UP: u64 = 5;
/// By how much the service may grow after that, in KiB. The events of the long form alone, if they
/// were kept, would be 100 MB.
const MAX_GROWTH: u64 = 48 * 1024;
/// How long the index may take to have everything.
const PATIENCE: Duration = Duration::from_secs(120);

struct Clients {
    app: App,
    ledger: Ledger,
    next: AtomicU64,
    events: u64,
    recorded: AtomicU64,
    /// The service's, and what it held when a fifth of the events was recorded.
    process: u32,
    warm: OnceLock<u64>,
    done: AtomicBool,
}

impl Clients {
    /// Takes event after event and repeats each until it is recorded.
    async fn write(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.events {
                return;
            }
            let planned = Planned {
                number,
                user: format!("u{}", number % USERS),
                at: Effects::system().now(),
            };
            let document = event_with(&planned.user, &planned.at.to_string(), &number.to_string());
            let key = format!("key-{number}");
            loop {
                let uncertain = self.ledger.trying(&planned);
                let response = self
                    .app
                    .post_with(&[("idempotency-key", &key)], document.clone())
                    .await;
                if self.ledger.answered(&planned, uncertain, &response) {
                    break;
                }
            }
            if self.recorded.fetch_add(1, Ordering::SeqCst) == self.events / WARM_UP {
                self.warm.set(allocated(self.process)).unwrap();
            }
        }
    }

    /// Everyone's newest events, one user's, or a page further back; how many lists were read.
    async fn read(&self, reader: u64) -> usize {
        let mut lists = 0;
        for number in reader.. {
            if self.done.load(Ordering::SeqCst) {
                break;
            }
            let user = (number % 3 == 0).then(|| format!("u{}", number % USERS));
            let page = if number % 3 == 1 { 2 + number % 7 } else { 1 };
            let filter = user
                .iter()
                .map(|user| format!("&user_id={user}"))
                .collect::<String>();
            let before = self.ledger.claim();
            let path = format!("/events?per_page={PER_PAGE}&page={page}{filter}");
            let response = self.app.get(&path).await;
            if response.status == 503 {
                continue;
            }
            assert_eq!(response.status, 200, "{response:?}");
            let list = response.json();
            let more = !list["next_cursor"].is_null();
            let events = list["events"].as_array().unwrap();
            match page {
                1 => self.ledger.check(before, user.as_deref(), events, more),
                _ => self
                    .ledger
                    .check_page(before, None, (page - 1) * PER_PAGE, &list),
            }
            lists += 1;
        }
        lists
    }

    async fn total(&self) -> u64 {
        let list = self.app.get("/events?per_page=1").await.json();
        list["total"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_by_200_writers_and_50_readers_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Process { child, app, .. } = Process::start(folder.path()).await;
    let events = std::env::var(EVENTS).map_or(EVENTS_SHORT, |events| events.parse().expect(EVENTS));
    let clients = Arc::new(Clients {
        app,
        ledger: Ledger::default(),
        next: AtomicU64::new(0),
        events,
        recorded: AtomicU64::new(0),
        process: child.id().unwrap(),
        warm: OnceLock::new(),
        done: AtomicBool::new(false),
    });
    let started = tokio::time::Instant::now();
    let mut writers = JoinSet::new();
    let mut readers = JoinSet::new();
    for _ in 0..WRITERS {
        let clients = clients.clone();
        writers.spawn(async move { clients.write().await });
    }
    for reader in 0..READERS {
        let clients = clients.clone();
        readers.spawn(async move { clients.read(reader as u64).await });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    let took = started.elapsed();
    clients.done.store(true, Ordering::SeqCst);
    let mut lists = 0;
    while let Some(read) = readers.join_next().await {
        lists += read.unwrap();
    }
    let before = *clients.warm.get().unwrap();
    let after = allocated(clients.process);
    println!("{events} events and {lists} lists in {took:.1?}; {before} KiB, then {after} KiB");

    let pages = clients.app.follow("/events?per_page=1000").await;
    let all: Vec<_> = pages.iter().flat_map(Response::events).collect();
    assert_eq!(clients.ledger.settle(None, &all).len() as u64, events);
    let counted = async { while clients.total().await != events {} };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("the index has every event");
    assert!(
        after <= before + MAX_GROWTH,
        "it grew from {before} to {after} KiB"
    );
}
