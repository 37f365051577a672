//! When things happen in the month of the demo.
//!
//! People work on the days and at the hours of their own time zone. A few work at the weekend.
//! Programs run at night. All of it depends on the seed and on the end of the month only.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

use super::company::{Person, Role, SITES, people};
use super::event::{Event, Origin, spelled};
use super::story;
use super::work::{Act, daily_work};

/// How long the month is.
pub const DAYS: i64 = 30;
/// A month with fewer events than this has neither a burst nor a story.
const MIN_EVENTS_FOR_A_STORY: u64 = 500;
/// Which part of the events the nightly import writes when it fails: a fifteenth.
const BURST: u64 = 15;
/// How long before the end of the month the import fails.
const BURST_DAYS_AGO: i64 = 12;

/// The month: who did something, what and when.
pub struct Month {
    people: Vec<Person>,
    /// In the order of their times.
    moments: Vec<Moment>,
    seed: u64,
    /// What can be found in it.
    pub highlights: Option<Highlights>,
}

/// What can be found in a month.
#[derive(Debug, Clone, Copy)]
pub struct Highlights {
    /// When the nightly import failed.
    pub burst: (Timestamp, Timestamp),
    /// The suspicious evening.
    pub evening: (Timestamp, Timestamp),
}

struct Moment {
    at: Timestamp,
    happening: Happening,
}

enum Happening {
    /// A person does something from where the person works on that day.
    Work { person: u32, day: u16, act: Act },
    /// A program does something.
    Program(Act),
    /// A part of the story.
    Told(Box<Event>),
}

/// A person on a day.
struct Shift {
    person: u32,
    day: u16,
    date: Date,
}

impl Month {
    /// A month that ends at `end`, with `events` events of `users` people.
    pub fn new(events: u64, users: u32, seed: u64, end: Timestamp) -> Month {
        let mut rng = StdRng::seed_from_u64(seed);
        let people = people(users.max(1), &mut rng);
        let start = end - SignedDuration::from_hours(24 * DAYS);
        let mut moments = Vec::new();
        let mut highlights = None;

        // 1. The story and the burst are the same in a small and in a large month.
        if events >= MIN_EVENTS_FOR_A_STORY {
            let burst = burst_of(end);
            let evening = story::evening(&people, end, &mut rng);
            let told = evening.events.into_iter().map(|(at, event)| Moment {
                at,
                happening: Happening::Told(Box::new(event)),
            });
            moments.extend(told);
            add_burst(events / BURST, burst, &mut moments, &mut rng);
            highlights = Some(Highlights {
                burst,
                evening: (evening.start, evening.end),
            });
        }
        // 2. The nights.
        add_nights(start, end, &mut moments, &mut rng);
        moments.shuffle(&mut rng);
        moments.truncate(usize::try_from(events).unwrap_or(usize::MAX));
        // 3. People do the rest.
        let left = events - moments.len() as u64;
        add_work(left, &people, start, end, &mut moments, &mut rng);
        moments.sort_by_key(|moment| moment.at);
        Month {
            people,
            moments,
            seed,
            highlights,
        }
    }

    /// The number of people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// A document, of which the oldest has the number 0. `None` after the newest.
    pub fn document(&self, number: usize) -> Option<String> {
        let moment = self.moments.get(number)?;
        serde_json::to_string(&self.event(number, moment)).ok()
    }

    fn event(&self, number: usize, moment: &Moment) -> Event {
        // Each event has random numbers of its own, so a million of them need not be in memory.
        let mut rng = StdRng::seed_from_u64(self.seed ^ (number as u64 + 1).wrapping_mul(0x9e37));
        let (user_id, origin, act) = match &moment.happening {
            Happening::Told(event) => return (**event).clone(),
            Happening::Program(act) => (None, program_origin(), *act),
            Happening::Work { person, day, act } => {
                let origin = self.origin(*person, *day);
                let person = &self.people[*person as usize];
                (Some(person.user_id.clone()), origin, *act)
            }
        };
        let colleague = &self.people[rng.random_range(0..self.people.len())].user_id;
        let (event_type, src_service) = act.name();
        Event {
            user_id,
            event_type,
            timestamp: spelled(moment.at),
            src_service,
            invariant_data: origin.with_trace(rng.next_u64()),
            app_data: act.details(colleague, &mut rng),
        }
    }

    /// A person works at the office or at home, for a day at a time.
    fn origin(&self, number: u32, day: u16) -> Origin {
        let person = &self.people[number as usize];
        let mut rng = StdRng::seed_from_u64(self.seed ^ u64::from(number) << 16 ^ u64::from(day));
        let at_office = rng.random_bool(0.6);
        let (device, user_agent) = person.device;
        Origin {
            ip: if at_office {
                person.office_address()
            } else {
                person.home_address()
            },
            device: device.to_owned(),
            user_agent: user_agent.to_owned(),
        }
    }
}

fn program_origin() -> Origin {
    Origin {
        ip: "192.0.2.5".to_owned(),
        device: "server".to_owned(),
        user_agent: "tidewater-jobs/4.2".to_owned(),
    }
}

/// The night in which the import failed, from 02:10 to 02:32 in UTC.
fn burst_of(end: Timestamp) -> (Timestamp, Timestamp) {
    let day = end - SignedDuration::from_hours(24 * BURST_DAYS_AGO);
    let midnight = midnight(day);
    let start = midnight + SignedDuration::from_mins(130);
    (start, start + SignedDuration::from_mins(22))
}

fn midnight(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_millis(at.as_millisecond().rem_euclid(24 * 60 * 60 * 1000))
}

fn add_burst(
    events: u64,
    (start, end): (Timestamp, Timestamp),
    moments: &mut Vec<Moment>,
    rng: &mut StdRng,
) {
    for _ in 0..events {
        let at = between(start, end, rng);
        moments.push(Moment {
            at,
            happening: Happening::Program(Act::StockUpdated),
        });
    }
}

/// Each night a backup of three databases, and the import of a few articles.
fn add_nights(start: Timestamp, end: Timestamp, moments: &mut Vec<Moment>, rng: &mut StdRng) {
    let mut night = midnight(start);
    while night < end {
        let acts = [Act::BackupCompleted, Act::StockUpdated].repeat(3);
        for (number, act) in acts.into_iter().enumerate() {
            let minutes = 30 + 20 * number as i64;
            let at = night
                + SignedDuration::from_mins(minutes)
                + SignedDuration::from_millis(rng.random_range(0..60_000));
            if (start..end).contains(&at) {
                moments.push(Moment {
                    at,
                    happening: Happening::Program(act),
                });
            }
        }
        night += SignedDuration::from_hours(24);
    }
}

fn add_work(
    events: u64,
    people: &[Person],
    start: Timestamp,
    end: Timestamp,
    moments: &mut Vec<Moment>,
    rng: &mut StdRng,
) {
    let zones: Vec<TimeZone> = people.iter().map(zone).collect();
    // 1. Who works on which day, and how much compared with the others.
    let (shifts, weights) = shifts(people, &zones, start, rng);
    // 2. Draw a shift and a time in it for each event. `weights` has running totals.
    let total = weights.last().copied().unwrap_or_default();
    let mut drawn: Vec<(usize, Timestamp)> = Vec::new();
    while (drawn.len() as u64) < events {
        let point = rng.random_range(0.0..total.max(f64::MIN_POSITIVE));
        let shift = weights.partition_point(|weight| *weight <= point);
        let shift = shift.min(shifts.len() - 1);
        let at = at_work(&shifts[shift], &zones, rng);
        if (start..end).contains(&at) {
            drawn.push((shift, at));
        }
    }
    drawn.sort_unstable();
    // 3. A shift begins with a login and ends with a logout.
    for day in drawn.chunk_by(|(one, _), (next, _)| one == next) {
        let shift = &shifts[day[0].0];
        let role = people[shift.person as usize].role;
        for (number, (_, at)) in day.iter().enumerate() {
            moments.push(Moment {
                at: *at,
                happening: Happening::Work {
                    person: shift.person,
                    day: shift.day,
                    act: act_of(number, day.len(), role, rng),
                },
            });
        }
    }
}

fn act_of(number: usize, acts: usize, role: Role, rng: &mut StdRng) -> Act {
    if number == 0 {
        return Act::LoggedIn;
    }
    if number + 1 == acts && acts > 3 {
        return Act::LoggedOut;
    }
    // After lunch the password is sometimes wrong.
    if rng.random_bool(0.008) {
        return Act::LoginFailed;
    }
    let work = daily_work(role);
    let total = work.iter().map(|(_, weight)| weight).sum();
    let mut point = rng.random_range(0..total);
    for (act, weight) in work {
        if point < *weight {
            return *act;
        }
        point -= weight;
    }
    Act::DocumentViewed
}

/// The shifts of the month, and the running totals of their weights.
fn shifts(
    people: &[Person],
    zones: &[TimeZone],
    start: Timestamp,
    rng: &mut StdRng,
) -> (Vec<Shift>, Vec<f64>) {
    let mut shifts = Vec::new();
    let mut weights = Vec::new();
    let mut total = 0.0;
    for (number, person) in people.iter().enumerate() {
        let first = start.to_zoned(zones[number].clone()).date();
        // One in five is away for a week.
        let away = rng.random_range(0..DAYS * 5);
        for day in 0..=DAYS {
            let Ok(date) = first.checked_add(day.days()) else {
                continue;
            };
            let is_away = (away..away + 7).contains(&day);
            let weight = person.diligence * presence(date, is_away, rng);
            if weight == 0.0 {
                continue;
            }
            total += weight;
            weights.push(total);
            shifts.push(Shift {
                person: number as u32,
                day: day as u16,
                date,
            });
        }
    }
    (shifts, weights)
}

/// How much of a day a person works.
fn presence(date: Date, is_away: bool, rng: &mut StdRng) -> f64 {
    let is_weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let works = match (is_weekend, is_away) {
        (_, true) => 0.0,
        (true, _) => 0.08,
        (false, _) => 0.94,
    };
    if !rng.random_bool(works) {
        return 0.0;
    }
    match date.weekday() {
        Weekday::Saturday | Weekday::Sunday => 0.25,
        Weekday::Friday => 0.8,
        _ => 1.0,
    }
}

/// A time between nine and six. Fewer events are at the edges of the day, and at lunch.
fn at_work(shift: &Shift, zones: &[TimeZone], rng: &mut StdRng) -> Timestamp {
    let hours = loop {
        let hours: f64 = 8.6 + 9.4 * (rng.random::<f64>() + rng.random::<f64>() * 0.35) / 1.35;
        let is_lunch = (12.4..13.2).contains(&hours);
        if !is_lunch || rng.random_bool(0.25) {
            break hours;
        }
    };
    let midnight = shift.date.to_datetime(Time::midnight());
    let zone = &zones[shift.person as usize];
    let midnight = zone.to_timestamp(midnight).unwrap_or_default();
    midnight + SignedDuration::from_millis((hours * 3_600_000.0) as i64)
}

fn zone(person: &Person) -> TimeZone {
    TimeZone::get(person.site.zone).unwrap_or(TimeZone::UTC)
}

/// The zone of the first office, in which the company's evenings are.
pub fn home_zone() -> TimeZone {
    TimeZone::get(SITES[0].zone).unwrap_or(TimeZone::UTC)
}

/// A time between two others.
pub fn between(start: Timestamp, end: Timestamp, rng: &mut StdRng) -> Timestamp {
    let millis = end.as_millisecond() - start.as_millisecond();
    start + SignedDuration::from_millis(rng.random_range(0..millis.max(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use audit_log::event::NewEvent;
    use serde_json::Value;

    use super::*;

    fn end() -> Timestamp {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    fn texts(events: u64, users: u32, seed: u64) -> Vec<String> {
        let month = Month::new(events, users, seed, end());
        (0..).map_while(|number| month.document(number)).collect()
    }

    fn documents(events: u64, users: u32, seed: u64) -> Vec<Value> {
        let texts = texts(events, users, seed).into_iter();
        texts
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_month_each_time() {
        assert_eq!(texts(700, 40, 1), texts(700, 40, 1));
        assert_ne!(texts(700, 40, 1), texts(700, 40, 2));
    }

    #[test]
    fn a_month_has_exactly_the_events_that_were_asked_for() {
        for (events, users) in [(0, 1), (1, 1), (7, 40), (499, 3), (500, 1), (3000, 200)] {
            assert_eq!(documents(events, users, 5).len() as u64, events);
        }
    }

    #[test]
    fn the_log_accepts_every_event_of_a_month() {
        let now = audit_log::event::Timestamp::parse("2026-11-30T12:00:00Z").unwrap();
        for text in texts(3000, 60, 9) {
            NewEvent::parse(&text, now).unwrap();
        }
    }

    #[test]
    fn weekends_are_quiet_and_the_burst_is_not() {
        let month = Month::new(10_000, 40, 1, end());
        let burst = month.highlights.unwrap().burst;
        let burst = (spelled(burst.0), spelled(burst.1));
        let mut days: BTreeMap<String, u32> = BTreeMap::new();
        let mut in_burst = 0;
        let documents = documents(10_000, 40, 1);
        for event in &documents {
            let at = event["timestamp"].as_str().unwrap();
            if (&*burst.0..&*burst.1).contains(&at) {
                in_burst += 1;
                continue;
            }
            *days.entry(at[..10].to_owned()).or_default() += 1;
        }
        assert!((600..1000).contains(&in_burst), "{in_burst}");
        let weekend = days["2026-11-21"] + days["2026-11-22"];
        let weekdays = days["2026-11-23"] + days["2026-11-24"];
        assert!(weekend * 5 < weekdays, "{weekend} and {weekdays}");
        // Users, services and types are enough to filter by, and not too many to choose from.
        let values = |field: &str| -> HashSet<String> {
            documents
                .iter()
                .map(|event| event[field].to_string())
                .collect()
        };
        assert!((40..50).contains(&values("user_id").len()));
        assert!((8..15).contains(&values("src_service").len()));
        assert!((20..40).contains(&values("event_type").len()));
    }

    #[test]
    fn the_suspicious_evening_is_the_only_time_of_its_network() {
        let month = Month::new(10_000, 40, 1, end());
        let (start, end) = month.highlights.unwrap().evening;
        let documents = documents(10_000, 40, 1);
        let strange: Vec<&Value> = documents
            .iter()
            .filter(|event| {
                let ip = event["invariant_data"]["ip"].as_str().unwrap();
                ip.starts_with(story::NETWORK)
            })
            .collect();
        assert!(strange.len() > 50, "{}", strange.len());
        for event in &strange {
            let at: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
            assert!(start <= at && at <= end, "{event}");
        }
        let types: Vec<&str> = strange
            .iter()
            .map(|event| event["event_type"].as_str().unwrap())
            .collect();
        let first = |name: &str| types.iter().position(|found| *found == name).unwrap();
        assert!(first("login_failed") < first("user_logged_in"));
        assert!(first("user_logged_in") < first("role_granted"));
        assert!(first("role_granted") < first("setting_changed"));
        assert!(first("setting_changed") < first("customers_exported"));
    }
}
