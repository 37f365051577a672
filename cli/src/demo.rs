//! `audit-log demo`: reports realistic events through the HTTP API of a running audit log.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log_client::without_tls;
use futures_util::stream::{StreamExt, iter};
use rand::RngExt;
use rand::seq::IndexedRandom;
use reqwest::{Client, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::say;

/// Reports realistic events through the HTTP API of a running audit log.
///
/// Exit code: 0 if every event was recorded, 1 if some were not, 2 if no audit log responds at the
/// URL.
#[derive(clap::Args)]
pub struct Arguments {
    /// The number of events to report.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// The number of users. Some of them do much more than others.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// The URL of the audit log, over plain HTTP.
    #[arg(long, default_value = "http://127.0.0.1:5001")]
    url: String,
    /// The number of requests that run at the same time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
}

/// The form of the progress bar.
const PROGRESS: &str = "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";
/// How often an event is sent at most.
const MAX_ATTEMPTS: u32 = 6;
/// The pause before the second attempt. It grows by as much with each attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// An event type, the service that reports it, and its frequency relative to the others.
const KINDS: [(&str, &str, u32); 10] = [
    ("user_logged_in", "auth", 40),
    ("user_logged_out", "auth", 20),
    ("login_failed", "auth", 8),
    ("document_viewed", "documents", 60),
    ("document_edited", "documents", 25),
    ("document_shared", "documents", 6),
    ("invoice_paid", "billing", 5),
    ("payment_failed", "billing", 1),
    ("permission_granted", "admin", 2),
    ("account_deleted", "user_service", 1),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    let http = match without_tls().build() {
        Ok(http) => http,
        Err(error) => {
            eprintln!("audit-log: cannot set up the HTTP client: {error}.");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    let events = format!("{}/events", arguments.url.trim_end_matches('/'));
    if let Err(error) = probe(&http, &events).await {
        eprintln!(
            "audit-log: there is no log at {events}: {error}; start one with cargo run, or name it \
             with --url."
        );
        return ExitCode::from(crate::EXIT_USAGE);
    }

    let bar = crate::progress_bar(arguments.events, PROGRESS);
    let started = Effects::system().now();
    let failed = AtomicU64::new(0);
    let connections = usize::from(arguments.connections);
    let reports = iter(0..arguments.events).for_each_concurrent(connections, |_| async {
        if let Err(problem) = report(&http, &events, arguments.users).await {
            let earlier = failed.fetch_add(1, Ordering::Relaxed);
            // The first problem is enough: the others are usually the same.
            if earlier == 0 {
                bar.println(format!("An event was not recorded: {problem}"));
            }
        }
        bar.inc(1);
    });
    reports.await;
    bar.finish_and_clear();

    let failed = failed.into_inner();
    let recorded = arguments.events - failed;
    let seconds = Effects::system().now().since(started).as_secs_f64();
    say(&format!(
        "Recorded {recorded} events in {seconds:.1} s, {:.0} a second.",
        recorded as f64 / seconds
    ));
    if failed == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("audit-log: {failed} events were not recorded.");
    ExitCode::from(1)
}

/// Checks that an audit log responds.
async fn probe(http: &Client, events: &str) -> Result<(), reqwest::Error> {
    let request = http.get(events).query(&[("per_page", "1")]);
    request.send().await?.error_for_status()?;
    Ok(())
}

/// Reports one event until it is recorded. Its Idempotency-Key makes retries safe.
async fn report(http: &Client, events: &str, users: u32) -> Result<(), String> {
    let document = event(users);
    let key = Uuid::new_v4().to_string();
    let mut problem = String::new();
    for attempt in 0..MAX_ATTEMPTS {
        tokio::time::sleep(PAUSE * attempt).await;
        let request = http
            .post(events)
            .header("content-type", "application/json")
            .header("idempotency-key", &key);
        match request.body(document.clone()).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => {
                let status = response.status();
                problem = format!("{status}: {}", response.text().await.unwrap_or_default());
                if status != StatusCode::SERVICE_UNAVAILABLE {
                    break;
                }
            }
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}

/// A random event of one of `users` users.
fn event(users: u32) -> String {
    let rng = &mut rand::rng();
    let (event_type, service, _) = KINDS
        .choose_weighted(rng, |(_, _, weight)| *weight)
        .unwrap_or(&KINDS[0]);
    // The square gives the first users most of the events.
    let share: f64 = rng.random();
    let user = 1 + (share * share * f64::from(users)) as u32;
    let agent = ["web", "ios", "android", "api"].choose(rng);
    json!({
        "user_id": user.to_string(),
        "event_type": event_type,
        "timestamp": Effects::system().now().to_string(),
        "src_service": service,
        "invariant_data": {
            "trace": format!("{:016x}", rng.random::<u64>()),
            "priority": rng.random_range(1..=3),
        },
        "app_data": {
            "ip": format!("203.0.113.{}", rng.random_range(1..255)),
            "session": format!("{:08x}", rng.random::<u32>()),
            "object": format!("obj_{}", rng.random_range(1..100_000)),
            "agent": agent,
        },
    })
    .to_string()
}
