//! What the clients know: what they sent, what they were answered, and so what any list must and may show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use audit_log::limits::{EARLY, LIVE_WINDOW};
use audit_log::effects::Effects;
use audit_log::event::{EventId, Timestamp};
use serde_json::Value;

use crate::support::Answer;

/// An event that a client means to record. It is told from all others by its number, which is its `app_data`.
#[derive(Clone, Debug)]
pub struct Planned {
    pub number: u64,
    pub user: String,
    pub at: Timestamp,
}

/// What the log owes for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owed {
    /// Once, under this id.
    Once(String),
    /// Once, or not at all: no answer yet, or one that says that it does not know.
    AtMostOnce,
    /// Nothing: each answer said that it was not recorded.
    Never,
}

#[derive(Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    entries: BTreeMap<u64, (Planned, Owed)>,
    /// Their numbers, in the order of their answers.
    acknowledged: Vec<u64>,
    /// By id: which answer it was, and the number.
    by_id: BTreeMap<String, (usize, u64)>,
    /// What any list has shown: it must stay.
    shown: BTreeSet<u64>,
}

/// How many events had been acknowledged when a reader asked.
#[derive(Clone, Copy)]
pub struct Claim(usize);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// Notes that an attempt begins: until it is answered nobody knows what became of it. Gives whether an earlier one
    /// may have recorded the event.
    pub fn trying(&self, planned: &Planned) -> bool {
        let before = self.books().entries.insert(planned.number, (planned.clone(), Owed::AtMostOnce));
        matches!(before, Some((_, Owed::AtMostOnce)))
    }

    /// Notes an answer; `uncertain` is what [`trying`](Ledger::trying) said. Gives whether the event is recorded for
    /// certain.
    pub fn answered(&self, planned: &Planned, uncertain: bool, response: &Answer) -> bool {
        let says = |sentence: &str| response.json()["error"].as_str().is_some_and(|error| error.contains(sentence));
        let unknown = match response.status {
            200 | 201 => false,
            // The key recorded the event before, under another time.
            422 => {
                assert!(uncertain && says("differs from it in \"timestamp\""), "{response:?}");
                false
            }
            503 => {
                assert!(response.header("retry-after").is_some(), "{response:?}");
                let unknown = says("not known whether the event was recorded");
                assert!(unknown || says("this request recorded nothing"), "{response:?}");
                unknown
            }
            500 => {
                assert_eq!(response.json()["code"], "internal_error", "{response:?}");
                says("not known whether the event was recorded")
            }
            _ => panic!("{response:?}"),
        };
        let owed = match response.status {
            200 | 201 => Owed::Once(response.id()),
            422 => Owed::Once(first_id(&response.json())),
            _ if unknown || uncertain => Owed::AtMostOnce,
            _ => Owed::Never,
        };
        let recorded = matches!(owed, Owed::Once(_));
        let mut books = self.books();
        if let Owed::Once(id) = &owed {
            let responses = books.acknowledged.len();
            books.by_id.entry(id.clone()).or_insert((responses, planned.number));
            books.acknowledged.push(planned.number);
        }
        books.entries.insert(planned.number, (planned.clone(), owed));
        recorded
    }

    /// How many events are owed in each way.
    pub fn owed(&self) -> String {
        let books = self.books();
        let count = |wanted: fn(&Owed) -> bool| books.sent(None).filter(|(_, owed)| wanted(owed)).count();
        let (unknown, never) = (count(|owed| *owed == Owed::AtMostOnce), count(|owed| *owed == Owed::Never));
        format!("{} acknowledged, {unknown} not known, {never} refused", books.acknowledged.len())
    }

    /// An event that was acknowledged, and its id.
    pub fn acknowledged(&self, nth: usize) -> Option<(Planned, String)> {
        let books = self.books();
        let number = books.acknowledged.get(nth % books.acknowledged.len().max(1))?;
        books.acknowledged(*number).map(|(planned, id)| (planned.clone(), id.to_owned()))
    }

    pub fn claim(&self) -> Claim {
        Claim(self.books().acknowledged.len())
    }

    /// Checks what a list shows, of all events or of one user's, that was asked for after `before`. One that has more
    /// after it must be complete down to its last event.
    pub fn check(&self, before: Claim, user: Option<&str>, events: &[Value], more: bool) {
        self.check_from(before, user, events, None, more);
    }

    /// The same of a page by number, with so many events skipped: complete from its first event on, which had its place at
    /// some moment. As for a total, an event counts at the latest when the stream has delivered it.
    pub fn check_page(&self, before: Claim, user: Option<&str>, skipped: u64, list: &Value) {
        let (events, more) = (list["events"].as_array().unwrap(), !list["next_cursor"].is_null());
        let first = events.first().map(|event| event["id"].as_str().unwrap());
        if first.is_some() {
            self.check_from(before, user, events, first, more);
        }
        let (books, newest, (live, live_end)) = (self.books(), first.unwrap_or_default(), live_range());
        let young = books.before(before, user, newest.max(&live));
        let young = young.filter(|(_, id)| *id > newest && **id < *live_end).count() as u64;
        assert!(
            young <= skipped || list["total_exact"] == false,
            "{young} events before a page that skips {skipped}: one is missing"
        );
        let Some(first) = first.and_then(EventId::parse) else { return };
        let newer = |planned: &Planned| EventId::lowest_at(planned.at.plus(Duration::from_nanos(1))) > first;
        let sent = books.sent(user).filter(|(planned, _)| newer(planned)).count() as u64;
        // The page's first event is one of these.
        assert!(sent > skipped, "{sent} events as new as a page that skips {skipped}: one comes again");
    }

    fn check_from(&self, before: Claim, user: Option<&str>, events: &[Value], first: Option<&str>, more: bool) {
        let mut books = self.books();
        let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert!(ids.is_sorted_by(|newer, older| newer > older), "out of order, or twice: {ids:?}");
        let mut shown = BTreeMap::new();
        for event in events {
            let (number, id) = (event["app_data"].as_u64().unwrap(), event["id"].as_str().unwrap());
            assert!(shown.insert(number, id).is_none(), "event {number} twice: {ids:?}");
            let (planned, owed) = books.entries.get(&number).unwrap_or_else(|| panic!("event {number} was never sent"));
            assert!(user.is_none_or(|user| user == planned.user), "event {number} is another user's");
            assert!(!matches!(owed, Owed::Once(owed) if owed != id), "event {number} under another id");
        }
        let oldest = ids.last().filter(|_| more).copied().unwrap_or_default();
        let owed = books.before(before, user, oldest);
        for (planned, id) in owed.filter(|(_, id)| first.is_none_or(|first| *id <= first)) {
            assert_eq!(shown.get(&planned.number), Some(&id), "lost: {planned:?}");
        }
        books.shown.extend(shown.keys());
    }

    /// Checks a total. What was acknowledged counts at the latest when the stream has delivered it, and until then as
    /// long as it is live. A total that is not exact can be lower, and never higher.
    pub fn check_total(&self, before: Claim, user: Option<&str>, list: &Value) {
        let (books, (live, live_end)) = (self.books(), live_range());
        let young = books.before(before, user, &live).filter(|(_, id)| **id < *live_end).count() as u64;
        let least = if list["total_exact"] == true { young } else { 0 };
        let (total, sent) = (list["total"].as_u64().unwrap(), books.sent(user).count() as u64);
        assert!((least..=sent).contains(&total), "a total of {total}, not {least} to {sent}");
    }

    /// Checks a list of everything, or of all that is one user's, once nobody writes any more. Gives the ids.
    pub fn settle(&self, user: Option<&str>, events: &[Value]) -> Vec<String> {
        self.check(self.claim(), user, events, false);
        let numbers: BTreeSet<u64> = events.iter().map(|event| event["app_data"].as_u64().unwrap()).collect();
        let books = self.books();
        for (planned, owed) in books.sent(user) {
            let there = numbers.contains(&planned.number);
            assert!(!there || *owed != Owed::Never, "recorded against the answer: {planned:?}");
            assert!(there || !books.shown.contains(&planned.number), "shown, and then no more: {planned:?}");
        }
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The event that an Idempotency-Key recorded first, as the error of another document under it names it.
fn first_id(error: &Value) -> String {
    let sentence = error["error"].as_str().unwrap();
    let id = sentence.split([' ', ',']).find(|word| EventId::parse(word).is_some());
    id.unwrap_or_else(|| panic!("no id in {error}")).to_owned()
}

/// The ids between which every list counts events live that is asked for now: the first, and the one after the last.
fn live_range() -> (String, String) {
    let now = Effects::system().now();
    (EventId::lowest_at(now.minus(LIVE_WINDOW)).to_string(), EventId::lowest_at(now.plus(EARLY)).to_string())
}

impl Books {
    fn acknowledged(&self, number: u64) -> Option<(&Planned, &str)> {
        match self.entries.get(&number)? {
            (planned, Owed::Once(id)) => Some((planned, id)),
            _ => None,
        }
    }

    /// What had been acknowledged by then, from the id `oldest` on.
    fn before(&self, claim: Claim, user: Option<&str>, oldest: &str) -> impl Iterator<Item = (&Planned, &str)> {
        let answered = self.by_id.range(oldest.to_owned()..).filter(move |(_, (response, _))| *response < claim.0);
        let acknowledged = answered.filter_map(|(_, (_, number))| self.acknowledged(*number));
        acknowledged.filter(move |(planned, _)| user.is_none_or(|user| user == planned.user))
    }

    fn sent(&self, user: Option<&str>) -> impl Iterator<Item = &(Planned, Owed)> {
        self.entries.values().filter(move |(planned, _)| user.is_none_or(|user| user == planned.user))
    }
}
