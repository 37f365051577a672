//! DynamoDB fails in every way it can, while clients write and read; then all is quiet, and the
//! books are compared.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::Timestamp;
use audit_log::limits::LIVE_WINDOW;
use audit_log::list_events::ListEvents;
use audit_log::store::Partition;
use audit_log_cli::serve::engine::{Address, Storage};
use audit_log_testing::faulty::{CONFLICTS, Fault, Plan, REFUSALS, SERVER_ERRORS, THROTTLES};
use audit_log_testing::tables::{SHARDS, events, is_of_user, sample, user};
use audit_log_testing::{
    App, Faulty, Ledger, Planned, Response, Tables, event_with, ids, list_request, options,
    start_engine,
};
use futures_util::stream::{StreamExt, iter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Which mixtures of faults are tried; see [`seeds`].
const SEEDS: &str = "AUDIT_LOG_FAULT_SEEDS";
const SEEDS_SHORT: u64 = 4;
/// How many services run at a time: they wait for the SDK's retries more than they work.
const AT_ONCE: usize = 12;
/// They start one after another: that is work, and the client that makes the tables has timeouts,
/// too.
static STARTING: Mutex<()> = Mutex::const_new(());

const USERS: [&str; 3] = ["ann", "bob", "cy"];
const WAYS_TO_READ: u64 = 5;
/// How often a client reads at the most once the writers are done.
const MAX_READS: u64 = 100;
/// How often a client repeats a request until it is answered.
const MAX_TRIES: usize = 100;
/// How often one who goes from page to page is refused before he gives up.
const MAX_REFUSALS: usize = 5;
/// More than any of these logs has.
const WIDE: &str = "per_page=1000";

/// A service on a DynamoDB that fails, and what its clients know.
struct World {
    engine: Address,
    faulty: Faulty,
    app: App,
    ledger: Ledger,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Figures {
    posts: usize,
    recorded: usize,
    gets: usize,
    listed: usize,
}

impl Figures {
    fn add(&mut self, more: &Figures) {
        self.posts += more.posts;
        self.recorded += more.recorded;
        self.gets += more.gets;
        self.listed += more.listed;
    }
}

impl World {
    async fn start(seed: u64) -> World {
        let _alone = STARTING.lock().await;
        let engine = start_engine().await;
        let faulty = Faulty::start(&engine, seed).await;
        let storage = Storage::Elsewhere(faulty.address.clone());
        let app = App::start_with(&options(storage)).await;
        World {
            engine,
            faulty,
            app,
            ledger: Ledger::default(),
        }
    }

    /// One attempt to record an event; whether it is known to be recorded.
    async fn post(&self, planned: &Planned, key: Option<&str>) -> bool {
        let document = event_with(
            &planned.user,
            &planned.at.to_string(),
            &planned.number.to_string(),
        );
        let mut headers = Vec::new();
        if let Some(key) = key {
            headers.push(("idempotency-key", key));
        }
        let uncertain = self.ledger.trying(planned);
        let response = if planned.number.is_multiple_of(3) {
            self.post_in_batch(key, &document).await
        } else {
            self.app.post_with(&headers, document).await
        };
        self.ledger.answered(planned, uncertain, &response)
    }

    /// Sends a document as an element of a batch. Its result is what it would be alone, and a batch
    /// that is refused as a whole says the same of each event.
    async fn post_in_batch(&self, key: Option<&str>, document: &str) -> Response {
        let element = match key {
            Some(key) => format!("{{\"key\":\"{key}\",\"event\":{document}}}"),
            None => document.to_owned(),
        };
        let mut response = self.app.post(format!("[{{}},{element}]")).await;
        if response.status == 200 {
            let result = &response.json()["results"][1];
            response.status = u16::try_from(result["status"].as_u64().unwrap()).unwrap();
            response.text = result.to_string();
            if response.status == 503 {
                let pause = HeaderValue::from_static("1");
                response.headers.insert("retry-after", pause);
            }
        }
        response
    }

    /// A client that repeats its request until the event is recorded; how many attempts that took.
    async fn post_until_recorded(&self, planned: &Planned) -> usize {
        let key = format!("key-{}", planned.number);
        for tries in 1..=MAX_TRIES {
            if self.post(planned, Some(&key)).await {
                return tries;
            }
        }
        panic!("{planned:?} was not recorded in {MAX_TRIES} attempts");
    }

    /// A job that runs again until its event is recorded, and stamps the time again each time; how
    /// many attempts that took. Each stamp is a planned event of its own, and one of them at most
    /// is recorded.
    async fn post_stamped_again(&self, planned: &Planned) -> usize {
        let key = format!("job-{}", planned.number);
        for tries in 1..=MAX_TRIES {
            let at = planned
                .at
                .saturating_add(Duration::from_millis(tries as u64));
            if self
                .post(
                    &Planned {
                        at,
                        ..planned.clone()
                    },
                    Some(&key),
                )
                .await
            {
                return tries;
            }
        }
        panic!("{planned:?} was not recorded in {MAX_TRIES} attempts");
    }

    /// A client that reports some events, each in one of the ways in which clients do. Every fifth
    /// is late, and every fifth ahead.
    async fn write(&self, numbers: Range<u64>) -> Figures {
        let mut figures = Figures::default();
        for number in numbers {
            let user = USERS[number as usize % USERS.len()].to_owned();
            let now = Effects::system().now();
            let away = Duration::from_secs(3600 + number);
            let at = match number % 5 {
                3 => now.saturating_sub(away),
                4 => now.saturating_add(away),
                _ => now,
            };
            let planned = Planned { number, user, at };
            let (tries, recorded) = match number % 4 {
                0 => (1, self.post(&planned, None).await),
                1 => (1, self.post(&planned, Some(&format!("key-{number}"))).await),
                2 => (self.post_stamped_again(&planned).await, true),
                _ => (self.post_until_recorded(&planned).await, true),
            };
            figures.posts += tries;
            figures.recorded += usize::from(recorded);
        }
        figures
    }

    /// `GET`s a path; `None` where the service says that it cannot tell now.
    async fn get(&self, path: &str, figures: &mut Figures) -> Option<Response> {
        figures.gets += 1;
        let response = self.app.get(path).await;
        match response.status {
            200 => figures.listed += 1,
            503 => assert!(response.header("retry-after").is_some(), "{response:?}"),
            500 => assert_eq!(response.json()["code"], "internal_error", "{response:?}"),
            _ => panic!("{path}: {response:?}"),
        }
        (response.status == 200).then_some(response)
    }

    /// A client that reads in every way in turn until the writers are done, and once more after
    /// that; longer, where no fault has been met, or not one that only a read meets.
    async fn read(&self, seed: u64, must_meet: &[Fault], done: &watch::Receiver<bool>) -> Figures {
        let (mut rng, mut figures) = (StdRng::seed_from_u64(seed), Figures::default());
        let mut rounds_after = 0;
        for round in seed.. {
            match round % WAYS_TO_READ {
                0 => self.read_list(None, &mut figures).await,
                1 => {
                    self.read_list(Some(USERS[rng.random_range(0..USERS.len())]), &mut figures)
                        .await;
                }
                2 => {
                    self.read_by_cursor(rng.random_range(3..10), &mut figures)
                        .await;
                }
                3 => {
                    self.read_page(rng.random_range(2..6), rng.random_range(1..8), &mut figures)
                        .await;
                }
                _ => self.read_one(rng.random_range(0..1000), &mut figures).await,
            }
            rounds_after += u64::from(*done.borrow());
            let met = self.faulty.met();
            let enough = !met.is_empty() && must_meet.iter().all(|fault| met.contains_key(fault));
            if rounds_after > WAYS_TO_READ && (enough || rounds_after > MAX_READS) {
                break;
            }
        }
        figures
    }

    async fn read_list(&self, user: Option<&str>, figures: &mut Figures) {
        let filter = user
            .map(|user| format!("&user_id={user}"))
            .unwrap_or_default();
        let before = self.ledger.claim();
        let Some(response) = self.get(&format!("/events?{WIDE}{filter}"), figures).await else {
            return;
        };
        let list = response.json();
        self.ledger
            .check(before, user, list["events"].as_array().unwrap(), false);
        self.ledger.check_total(before, user, &list);
    }

    /// From page to page; one that is refused is asked for again.
    async fn read_by_cursor(&self, per_page: u64, figures: &mut Figures) {
        let before = self.ledger.claim();
        let mut events = Vec::new();
        let mut cursor = Some(String::new());
        let mut refusals = 0;
        while let Some(from) = &cursor {
            let Some(response) = self
                .get(&format!("/events?per_page={per_page}{from}"), figures)
                .await
            else {
                refusals += 1;
                if refusals == MAX_REFUSALS {
                    return;
                }
                continue;
            };
            let page = response.json();
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            cursor = page["next_cursor"]
                .as_str()
                .map(|next| format!("&cursor={next}"));
        }
        self.ledger.check(before, None, &events, false);
    }

    /// A page by its number.
    async fn read_page(&self, page: u64, per_page: u64, figures: &mut Figures) {
        let before = self.ledger.claim();
        let path = format!("/events?per_page={per_page}&page={page}");
        let Some(response) = self.get(&path, figures).await else {
            return;
        };
        let list = response.json();
        self.ledger
            .check_page(before, None, (page - 1) * per_page, &list);
        self.ledger.check_total(before, None, &list);
    }

    /// An event that was acknowledged; a 404 would be a loss.
    async fn read_one(&self, nth: usize, figures: &mut Figures) {
        let Some((planned, id)) = self.ledger.acknowledged(nth) else {
            return;
        };
        let Some(response) = self.get(&format!("/events/{id}"), figures).await else {
            return;
        };
        let event = response.json();
        assert_eq!(
            (&event["id"], &event["app_data"]),
            (&id.into(), &planned.number.into())
        );
    }

    /// All faults are over: compares everything with everything.
    async fn settle(&self) {
        self.faulty.calm().await;
        // One more batch of the stream takes up what index-events could not end.
        let last = Planned {
            number: u64::MAX,
            user: USERS[0].to_owned(),
            at: Effects::system().now(),
        };
        self.post_until_recorded(&last).await;
        self.app.service().indexed().await;
        let mut figures = Figures::default();
        let later = Effects::system().now().saturating_add(LIVE_WINDOW * 2);
        let tables = Tables::at(self.engine.clone()).await;
        for user in [None].into_iter().chain(USERS.map(Some)) {
            let filter = user
                .map(|user| format!("&user_id={user}"))
                .unwrap_or_default();
            let response = self
                .get(&format!("/events?{WIDE}{filter}"), &mut figures)
                .await;
            let list = response.expect("no fault any more").json();
            let settled = self.ledger.settle(user, list["events"].as_array().unwrap());
            assert_eq!(list["total"], settled.len());
            // By the index alone: by then no event is counted live.
            for (page, expected) in settled.chunks(16).enumerate() {
                let (list, _) = tables
                    .get(&format!("per_page=16&page={}{filter}", page + 1), later)
                    .await;
                assert_eq!(
                    (ids(&list), &list["total"]),
                    (expected.to_vec(), &settled.len().into()),
                    "{user:?}"
                );
            }
        }
        tables
            .reconcile((0..SHARDS).map(Partition::Shard), later)
            .await;
    }
}

/// What is run, and how to run it again.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    seed: u64,
    plan: Plan,
    /// Without these the run has shown nothing.
    must_meet: Vec<Fault>,
    writers: u64,
    /// Of each writer.
    events: u64,
}

/// Runs clients on a service whose DynamoDB fails by a plan, and checks all they see, meanwhile and
/// afterwards.
async fn run(case: Case) {
    let started = Instant::now();
    let world = Arc::new(World::start(case.seed).await);
    world.faulty.fail(case.plan.clone());
    let (done, is_done) = watch::channel(false);
    let mut writing = JoinSet::new();
    for writer in 0..case.writers {
        let world = world.clone();
        writing.spawn(async move {
            world
                .write(writer * case.events..(writer + 1) * case.events)
                .await
        });
    }
    let reading = tokio::spawn({
        let world = world.clone();
        let must_meet = case.must_meet.clone();
        async move { world.read(case.seed, &must_meet, &is_done).await }
    });
    let mut all = Figures::default();
    while let Some(written) = writing.join_next().await {
        all.add(&written.unwrap());
    }
    done.send(true).unwrap();
    all.add(&reading.await.unwrap());
    let faulty_for = started.elapsed();
    world.settle().await;
    let met = world.faulty.met();
    let (settled_for, owed) = (started.elapsed() - faulty_for, world.ledger.owed());
    println!(
        "{} in {faulty_for:.1?}, then {settled_for:.1?}: {all:?}, {owed}; {met:?}",
        case.name
    );
    assert!(!met.is_empty(), "no fault was met");
    for fault in &case.must_meet {
        assert!(met.contains_key(fault), "{fault:?} was never met");
    }
}

/// Runs each case in a task of its own, so that one that fails says which it was, and hides no
/// other.
async fn run_all(cases: impl Iterator<Item = Case>) {
    let outcomes = iter(cases).map(async |case| {
        let failed = |failure| format!("{failure}\nin {case:?}");
        tokio::spawn(run(case.clone())).await.map_err(failed)
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Kinds of faults, and which part of the puts, and of other requests, meets them.
fn kinds() -> Vec<(&'static str, Vec<Fault>, f64, f64)> {
    vec![
        ("throttling", THROTTLES.to_vec(), 0.7, 0.2),
        ("server errors", SERVER_ERRORS.to_vec(), 0.7, 0.2),
        ("connections reset", vec![Fault::Reset], 0.7, 0.2),
        ("connections refused", vec![Fault::Refused], 0.4, 0.1),
        ("lost answers", vec![Fault::Lost], 0.7, 0.2),
        ("slow answers", vec![Fault::SlowAnswer], 0.3, 0.05),
        ("slow writes", vec![Fault::SlowWrite], 0.3, 0.05),
        ("truncated answers", vec![Fault::Truncated], 0.7, 0.2),
        ("shortened answers", vec![Fault::Shortened], 0.4, 0.05),
        ("partial batches", vec![Fault::Partial], 0.0, 0.8),
        ("transaction conflicts", CONFLICTS.to_vec(), 0.8, 0.0),
        ("refusals", REFUSALS.to_vec(), 0.4, 0.05),
    ]
}

/// Some kinds of faults together, on both tables or on one.
fn mixture(seed: u64) -> Plan {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut faults: Vec<Fault> = kinds()
        .into_iter()
        .flat_map(|(_, faults, ..)| faults)
        .collect();
    let share = rng.random_range(0.2..0.8);
    // The first, so that there is one that every request can meet.
    let first = rng.random_range(0..THROTTLES.len() + SERVER_ERRORS.len());
    let mut position = 0..;
    faults.retain(|_| position.next() == Some(first) || rng.random_bool(share));
    let (puts, others) = (rng.random_range(0.1..0.7), rng.random_range(0.01..0.2));
    let table = [
        None,
        None,
        Some("EventsTable"),
        Some("KeysTable"),
        Some("CountsTable"),
    ][rng.random_range(0..5)];
    Plan {
        faults,
        puts,
        others,
        table,
    }
}

/// The seeds of the mixtures: `200` is the first 200, `17..18` is one alone.
fn seeds() -> Range<u64> {
    let number = |text: &str| text.parse().expect(SEEDS);
    match std::env::var(SEEDS) {
        Err(_) => 0..SEEDS_SHORT,
        Ok(seeds) => match seeds.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => 0..number(&seeds),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_fault_loses_and_doubles_nothing() {
    let cases = kinds().into_iter().map(|(name, faults, puts, others)| {
        let (must_meet, plan) = (
            faults.clone(),
            Plan {
                faults,
                puts,
                others,
                table: None,
            },
        );
        Case {
            name: name.to_owned(),
            seed: 1,
            plan,
            must_meet,
            writers: 12,
            events: 2,
        }
    });
    run_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixtures_of_faults_lose_and_double_nothing() {
    let case = |seed| {
        let (name, must_meet) = (format!("{SEEDS}={seed}..{}", seed + 1), Vec::new());
        Case {
            name,
            seed,
            plan: mixture(seed),
            must_meet,
            writers: 12,
            events: 3,
        }
    };
    run_all(seeds().map(case)).await;
}

#[tokio::test]
async fn events_that_stay_unprocessed_are_a_503_and_no_shorter_list() {
    let tables = Tables::start().await;
    let event = events(1, Duration::from_secs(1));
    tables.write(&event).await;
    let faulty = Faulty::start(&tables.dynamodb, 1).await;
    let through = Tables::at(faulty.address.clone()).await;
    let function = ListEvents::new(through.deps());
    let list = async || function.handle(list_request("user_id=1")).await;
    assert_eq!(list().await.status(), 200);
    // Of one key, all but one is none.
    faulty.fail(Plan {
        faults: vec![Fault::Partial],
        puts: 0.0,
        others: 1.0,
        table: None,
    });
    let response = list().await;
    assert_eq!(response.status(), 503, "{response:?}");
    assert!(faulty.met()[&Fault::Partial] > 3, "{:?}", faulty.met());
    faulty.calm().await;
    assert_eq!(list().await.status(), 200);
}

/// A user with so many events that there is a trie of them, and batches that are handed back again
/// and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_whose_batches_meet_faults_ends_exact() {
    let tables = Tables::start().await;
    let now = Timestamp::parse("2024-03-01T00:00:00Z").unwrap();
    let mut events = events(2200, Duration::from_secs(30 * 24 * 3600));
    // Each other user is one more read for a batch, and nothing new.
    let mut others = 0..;
    events.retain(|event| {
        is_of_user(event, "1")
            || others
                .next()
                .is_some_and(|other: u32| other.is_multiple_of(10))
    });
    // The lanes are ready before there is any event: only what is delivered gets into them.
    tables.index(now).await;
    tables.write(&events).await;
    let faulty = Faulty::start(&tables.dynamodb, 1).await;
    let fast = |fault: &Fault| !matches!(fault, Fault::SlowAnswer | Fault::SlowWrite);
    let faults = kinds()
        .into_iter()
        .flat_map(|(_, faults, ..)| faults)
        .filter(fast)
        .collect();
    faulty.fail(Plan {
        faults,
        puts: 0.3,
        others: 0.05,
        table: None,
    });
    let through = Tables::at(faulty.address.clone()).await;
    let mut deliveries = 0;
    for batch in events.chunks(100) {
        let mut from = 0;
        loop {
            deliveries += 1;
            match through.deliver(&batch[from..], now).await.failures.first() {
                // The numbers are the positions in what was delivered.
                Some(failure) => from += failure.sequence_number.parse::<usize>().unwrap(),
                None => break,
            }
        }
    }
    faulty.calm().await;
    tables.promote(sample(&events), now).await;
    let batches = events.len().div_ceil(100);
    println!(
        "{deliveries} deliveries of {batches} batches; {:?}",
        faulty.met()
    );
    assert!(deliveries > batches, "no batch was handed back");
    let user = user("1");
    tables
        .reconcile((0..SHARDS).map(Partition::Shard).chain([user]), now)
        .await;
}
