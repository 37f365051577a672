//! The suspicious evening.
//!
//! Someone guesses passwords from a network that was never seen before, gets into the account of an
//! administrator with a recovery code, grants a role to a forgotten account, silences the alarm,
//! exports the customers and the staff's documents, and takes the role away again.

use jiff::civil::{Date, Weekday, time};
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

use super::company::{ADMINISTRATOR, DOCUMENTS, Person};
use super::event::{Event, Origin, spelled};
use super::month::home_zone;

/// The first numbers of the addresses of the evening.
pub const NETWORK: &str = "203.0.113.";
/// An account of a temporary worker that was never closed.
const FORGOTTEN: &str = "temp.helpdesk";
/// At least this much time is between the evening and the end of the month.
const DAYS_AGO: i64 = 3;

/// What happened on the evening.
pub struct Evening {
    /// The first event.
    pub start: Timestamp,
    /// The last event.
    pub end: Timestamp,
    /// The events, in their order.
    pub events: Vec<(Timestamp, Event)>,
}

/// Tells what happened on a Thursday before `end`.
pub fn evening(people: &[Person], end: Timestamp, rng: &mut StdRng) -> Evening {
    let mut told = Telling::new(end, rng);
    let administrator = people[ADMINISTRATOR].user_id.as_str();

    // 1. A program tries the same password on many accounts, and then many on one.
    let guesser = origin("41", "unknown", "python-requests/2.32.3");
    for attempt in 0..24 {
        let account = &people[(attempt * 5 + 2) % people.len()].user_id;
        told.by(account, "login_failed", "auth", &guesser, failed(1));
        told.pass(4..25);
    }
    told.pass(60..180);
    for attempt in 1..=11 {
        told.by(
            administrator,
            "login_failed",
            "auth",
            &guesser,
            failed(attempt),
        );
        told.pass(20..50);
    }

    // 2. A person takes over. The second factor is a recovery code.
    let intruder = origin(
        "47",
        "unknown",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0",
    );
    let login =
        json!({ "method": "password", "second_factor": "recovery_code", "new_device": true });
    told.by(administrator, "user_logged_in", "auth", &intruder, login);
    told.pass(90..150);
    let grant = json!({ "to": FORGOTTEN, "role": "data-export", "ticket": null });
    told.by(
        administrator,
        "role_granted",
        "directory",
        &intruder,
        grant.clone(),
    );
    told.pass(60..120);
    let reset = json!({ "of": FORGOTTEN, "ticket": null });
    told.by(administrator, "password_reset", "auth", &intruder, reset);
    told.pass(40..80);
    let alarm = json!({ "setting": "audit.alert_on_export", "before": "on", "after": "off" });
    told.by(
        administrator,
        "setting_changed",
        "directory",
        &intruder,
        alarm,
    );
    told.pass(60..120);

    // 3. The forgotten account copies what it can reach.
    let login = json!({ "method": "password", "second_factor": "none", "new_device": true });
    told.by(FORGOTTEN, "user_logged_in", "auth", &intruder, login);
    told.pass(60..100);
    for part in 1..=5 {
        let export =
            json!({ "format": "csv", "part": part, "rows": if part < 5 { 5000 } else { 1318 } });
        told.by(FORGOTTEN, "customers_exported", "crm", &intruder, export);
        told.pass(50..110);
    }
    let private = DOCUMENTS
        .iter()
        .filter(|(folder, ..)| matches!(*folder, "Finance" | "People"));
    for (folder, number, title) in private.cycle().take(18) {
        let bytes = told.rng.random_range(40_000..4_000_000);
        let document =
            json!({ "document": number, "folder": folder, "title": title, "bytes": bytes });
        told.by(
            FORGOTTEN,
            "document_downloaded",
            "documents",
            &intruder,
            document,
        );
        told.pass(5..40);
    }

    // 4. Traces are removed, as far as that is possible.
    told.by(
        FORGOTTEN,
        "user_logged_out",
        "auth",
        &intruder,
        json!({ "reason": "user" }),
    );
    told.pass(60..120);
    told.by(administrator, "role_revoked", "directory", &intruder, grant);
    told.pass(20..60);
    let reason = json!({ "reason": "user" });
    told.by(administrator, "user_logged_out", "auth", &intruder, reason);
    Evening {
        start: told.start,
        end: told.now,
        events: told.events,
    }
}

struct Telling<'a> {
    start: Timestamp,
    now: Timestamp,
    events: Vec<(Timestamp, Event)>,
    rng: &'a mut StdRng,
}

impl Telling<'_> {
    /// The evening begins at 21:43 in the first office.
    fn new(end: Timestamp, rng: &mut StdRng) -> Telling<'_> {
        let zone = home_zone();
        let newest = end - SignedDuration::from_hours(24 * DAYS_AGO);
        let day = thursday(newest.to_zoned(zone.clone()).date());
        let start = zone
            .to_timestamp(day.to_datetime(time(21, 43, 7, 0)))
            .unwrap_or(newest);
        Telling {
            start,
            now: start,
            events: Vec::new(),
            rng,
        }
    }

    /// An account does something now.
    fn by(
        &mut self,
        user_id: &str,
        event_type: &'static str,
        src_service: &'static str,
        origin: &Origin,
        app_data: Value,
    ) {
        let event = Event {
            user_id: Some(user_id.to_owned()),
            event_type,
            timestamp: spelled(self.now),
            src_service,
            invariant_data: origin.with_trace(self.rng.next_u64()),
            app_data,
        };
        self.events.push((self.now, event));
    }

    /// Some seconds pass.
    fn pass(&mut self, seconds: std::ops::Range<i64>) {
        let millis = self
            .rng
            .random_range(seconds.start * 1000..seconds.end * 1000);
        self.now += SignedDuration::from_millis(millis);
    }
}

fn origin(host: &str, device: &str, user_agent: &str) -> Origin {
    Origin {
        ip: format!("{NETWORK}{host}"),
        device: device.to_owned(),
        user_agent: user_agent.to_owned(),
    }
}

fn failed(attempt: u32) -> Value {
    json!({ "reason": "wrong_password", "attempt": attempt })
}

/// The newest Thursday up to a date.
fn thursday(newest: Date) -> Date {
    let days = i64::from(newest.weekday().since(Weekday::Thursday));
    newest.checked_sub(days.days()).unwrap_or(newest)
}
