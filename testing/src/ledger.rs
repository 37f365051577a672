//! What the clients know: what they sent, what the responses said, and so what any list must and
//! may show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use audit_log::limits::{EARLY, LIVE_WINDOW};
use serde_json::Value;

use crate::{Response, event_with, leaf};

const NOT_KNOWN: &str = "not known whether the event was recorded";
const NOT_RECORDED: &str = "this request recorded nothing";

/// An event that a client means to record, with the document of [`event_with`]. Its number, which is
/// its `app_data`, tells it from all others.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its number.
    pub number: u64,
    /// Its user.
    pub user: String,
    /// Its timestamp.
    pub at: Timestamp,
}

/// What the log owes for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owed {
    /// Once, under this ID.
    Once(String),
    /// Once, or not at all: there is no response yet, or only one that leaves it open.
    AtMostOnce,
    /// Nothing: each response said that it was not recorded.
    Never,
}

/// What all clients of one log were promised.
#[derive(Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    entries: BTreeMap<u64, (Planned, Owed)>,
    /// The numbers of acknowledged events, in the order of the responses.
    acknowledged: Vec<u64>,
    /// By ID: the position of the response in that order, and the number.
    by_id: BTreeMap<String, (usize, u64)>,
    /// The leaf hashes of acknowledged events, by number.
    leaves: BTreeMap<u64, String>,
    /// The numbers that any list has shown: they must stay.
    shown: BTreeSet<u64>,
}

/// How many events had been acknowledged when a reader sent a request.
#[derive(Clone, Copy)]
pub struct Claim(usize);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// Records that an attempt begins: until the response its outcome is unknown. Gives
    /// whether an earlier one may have recorded the event.
    pub fn trying(&self, planned: &Planned) -> bool {
        let entry = (planned.clone(), Owed::AtMostOnce);
        let before = self.books().entries.insert(planned.number, entry);
        matches!(before, Some((_, Owed::AtMostOnce)))
    }

    /// Records a response. `uncertain` is the result of [`trying`](Ledger::trying). Gives whether
    /// the event is certainly recorded.
    pub fn answered(&self, planned: &Planned, uncertain: bool, response: &Response) -> bool {
        let owed = owed(response, uncertain);
        let recorded = matches!(owed, Owed::Once(_));
        let mut books = self.books();
        if let Owed::Once(id) = &owed {
            let position = books.acknowledged.len();
            books
                .by_id
                .entry(id.clone())
                .or_insert((position, planned.number));
            books.acknowledged.push(planned.number);
        }
        if matches!(response.status, 200 | 201) {
            let leaf = response.leaf();
            let first = books.leaves.entry(planned.number).or_insert(leaf.clone());
            assert_eq!(*first, leaf, "another leaf than before: {planned:?}");
        }
        books
            .entries
            .insert(planned.number, (planned.clone(), owed));
        recorded
    }

    /// How many events are owed in each way.
    pub fn owed(&self) -> String {
        let books = self.books();
        let count = |wanted| books.sent(None).filter(|(_, owed)| *owed == wanted).count();
        let acknowledged = books.acknowledged.len();
        let unknown = count(Owed::AtMostOnce);
        let never = count(Owed::Never);
        format!("{acknowledged} acknowledged, {unknown} not known, {never} refused")
    }

    /// An event that was acknowledged, and its ID.
    pub fn acknowledged(&self, nth: usize) -> Option<(Planned, String)> {
        let books = self.books();
        let position = nth.checked_rem(books.acknowledged.len())?;
        let (planned, id) = books.acknowledged(books.acknowledged[position])?;
        Some((planned.clone(), id.to_owned()))
    }

    /// What is promised by now.
    pub fn claim(&self) -> Claim {
        Claim(self.books().acknowledged.len())
    }

    /// Checks the events of a list, of everyone or of one user, that was requested after `before`.
    /// If it has `more` after it, it must be complete down to its last event.
    pub fn check(&self, before: Claim, user: Option<&str>, events: &[Value], more: bool) {
        self.check_from(before, user, events, None, more);
    }

    /// The same of a page by number, with so many events skipped: it is complete from its first
    /// event on, which had its place at some moment. As for a total, an event counts at the latest
    /// when the stream has delivered it.
    pub fn check_page(&self, before: Claim, user: Option<&str>, skipped: u64, list: &Value) {
        let events = list["events"].as_array().unwrap();
        let more = !list["next_cursor"].is_null();
        let first = events.first().map(|event| event["id"].as_str().unwrap());
        if first.is_some() {
            self.check_from(before, user, events, first, more);
        }

        // Live events that are newer than the page were skipped, or it would have them.
        let books = self.books();
        let newest = first.unwrap_or_default();
        let (live, live_end) = live_range();
        let young = books.before(before, user, newest.max(&live));
        let young = young
            .filter(|(_, id)| *id > newest && **id < *live_end)
            .count() as u64;
        assert!(
            young <= skipped || list["total_exact"] == false,
            "{young} events before a page that skips {skipped}: one is missing"
        );

        // No more events were skipped than there are, besides the page's first one.
        let Some(first) = first.and_then(EventId::parse) else {
            return;
        };
        let sent = books.sent(user).filter(|(planned, _)| {
            let after = planned.at.saturating_add(Duration::from_nanos(1));
            EventId::lowest_at(after) > first
        });
        let sent = sent.count() as u64;
        assert!(
            sent > skipped,
            "{sent} events as new as a page that skips {skipped}: one comes again"
        );
    }

    fn check_from(
        &self,
        before: Claim,
        user: Option<&str>,
        events: &[Value],
        first: Option<&str>,
        more: bool,
    ) {
        let mut books = self.books();
        let ids: Vec<&str> = events
            .iter()
            .map(|event| event["id"].as_str().unwrap())
            .collect();
        assert!(
            ids.is_sorted_by(|newer, older| newer > older),
            "out of order, or twice: {ids:?}"
        );

        // Nothing is shown that was not sent, or twice, or to the wrong user.
        let mut shown = BTreeMap::new();
        for event in events {
            let number = event["app_data"].as_u64().unwrap();
            let id = event["id"].as_str().unwrap();
            assert!(
                shown.insert(number, id).is_none(),
                "event {number} twice: {ids:?}"
            );
            let Some((planned, owed)) = books.entries.get(&number) else {
                panic!("event {number} was never sent");
            };
            assert!(is_of(planned, user), "event {number} is another user's");
            if let Owed::Once(owed) = owed {
                assert_eq!(owed, id, "event {number} under another id");
            }
            if let Some(promised) = books.leaves.get(&number) {
                let at = event["timestamp"].as_str().unwrap();
                let document = event_with(&planned.user, at, &number.to_string());
                let shown = leaf(id, &event["recorded"], &document);
                assert_eq!(*promised, shown, "event {number} has another leaf");
            }
        }

        // All that was acknowledged is shown, as far as the list reaches.
        let oldest = if more {
            ids.last().copied().unwrap_or_default()
        } else {
            ""
        };
        for (planned, id) in books.before(before, user, oldest) {
            if first.is_none_or(|first| id <= first) {
                assert_eq!(shown.get(&planned.number), Some(&id), "lost: {planned:?}");
            }
        }
        books.shown.extend(shown.keys());
    }

    /// Checks a total.
    ///
    /// An acknowledged event counts at the latest when the stream has delivered it, and until then
    /// as long as it is live. A total that is not exact can be lower, and never higher.
    pub fn check_total(&self, before: Claim, user: Option<&str>, list: &Value) {
        let books = self.books();
        let (live, live_end) = live_range();
        let young = books
            .before(before, user, &live)
            .filter(|(_, id)| **id < *live_end);
        let least = match list["total_exact"] == true {
            true => young.count() as u64,
            false => 0,
        };
        let sent = books.sent(user).count() as u64;
        let total = list["total"].as_u64().unwrap();
        assert!(
            (least..=sent).contains(&total),
            "a total of {total}, not {least} to {sent}"
        );
    }

    /// Checks a list of everything, or of all events of one user, once all writers have stopped.
    /// Gives the IDs.
    pub fn settle(&self, user: Option<&str>, events: &[Value]) -> Vec<String> {
        self.check(self.claim(), user, events, false);
        let numbers = events
            .iter()
            .map(|event| event["app_data"].as_u64().unwrap());
        let numbers: BTreeSet<u64> = numbers.collect();
        let books = self.books();
        for (planned, owed) in books.sent(user) {
            if numbers.contains(&planned.number) {
                assert_ne!(
                    *owed,
                    Owed::Never,
                    "recorded against the response: {planned:?}"
                );
            } else {
                let shown = books.shown.contains(&planned.number);
                assert!(!shown, "shown, and then no more: {planned:?}");
            }
        }
        events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What the log owes after a response.
fn owed(response: &Response, uncertain: bool) -> Owed {
    let says = |sentence: &str| {
        let body = response.json();
        body["error"]
            .as_str()
            .is_some_and(|error| error.contains(sentence))
    };
    let unknown = match response.status {
        200 | 201 => return Owed::Once(response.id()),
        // The key recorded the event before, under another time.
        422 => {
            let by_time = says("differs from it in \"timestamp\"");
            assert!(uncertain && by_time, "{response:?}");
            return Owed::Once(first_id(&response.json()));
        }
        503 => {
            assert!(response.header("retry-after").is_some(), "{response:?}");
            assert!(says(NOT_KNOWN) || says(NOT_RECORDED), "{response:?}");
            says(NOT_KNOWN)
        }
        500 => {
            assert_eq!(response.json()["code"], "internal_error", "{response:?}");
            says(NOT_KNOWN)
        }
        _ => panic!("{response:?}"),
    };
    if unknown || uncertain {
        return Owed::AtMostOnce;
    }
    Owed::Never
}

/// The event that an `Idempotency-Key` recorded first, as the error for another document under it
/// names it.
fn first_id(error: &Value) -> String {
    let sentence = error["error"].as_str().unwrap();
    let mut words = sentence.split([' ', ',']);
    let id = words.find(|word| EventId::parse(word).is_some());
    id.unwrap_or_else(|| panic!("no id in {error}")).to_owned()
}

/// The IDs between which every list that is requested now counts events live: the first, and the
/// one after the last.
fn live_range() -> (String, String) {
    let now = Effects::system().now();
    let first = EventId::lowest_at(now.saturating_sub(LIVE_WINDOW));
    let end = EventId::lowest_at(now.saturating_add(EARLY));
    (first.to_string(), end.to_string())
}

fn is_of(planned: &Planned, user: Option<&str>) -> bool {
    user.is_none_or(|user| user == planned.user)
}

impl Books {
    fn acknowledged(&self, number: u64) -> Option<(&Planned, &str)> {
        match self.entries.get(&number)? {
            (planned, Owed::Once(id)) => Some((planned, id)),
            _ => None,
        }
    }

    /// The events that had been acknowledged by then, from the ID `oldest` on.
    fn before(
        &self,
        claim: Claim,
        user: Option<&str>,
        oldest: &str,
    ) -> impl Iterator<Item = (&Planned, &str)> {
        let responses = self
            .by_id
            .range(oldest.to_owned()..)
            .map(|(_, response)| response);
        let in_time = responses.filter(move |(position, _)| *position < claim.0);
        let acknowledged = in_time.filter_map(|(_, number)| self.acknowledged(*number));
        acknowledged.filter(move |(planned, _)| is_of(planned, user))
    }

    fn sent(&self, user: Option<&str>) -> impl Iterator<Item = &(Planned, Owed)> {
        self.entries
            .values()
            .filter(move |(planned, _)| is_of(planned, user))
    }
}
