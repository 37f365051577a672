//! Step 6: the lists of users, types and services have their events, and their totals.

use std::time::Duration;

use audit_log::event::{EventId, Field, Timestamp};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::events::{LOOKS, miscount};
use super::finding::Finding;
use super::ledger::{EntryState, Ledger};
use super::walk::{Walk, readable};
use super::{Audit, Failure, Lists};
use crate::log::service::{List, Service, first_id};
use crate::log::{Log, LogError, RecordedEvent};

/// How many lists are read at a time.
const LISTS_AT_ONCE: usize = 4;
/// How long the index of a list may be behind. A younger event can be missing there.
const INDEX_DELAY: Duration = Duration::from_secs(60);

/// A list to compare.
struct Task {
    field: Field,
    value: String,
    /// Where the entries of the value's events are, by id.
    positions: Vec<u32>,
}

/// What holds for every list.
#[derive(Clone, Copy)]
struct Expectation {
    now: Timestamp,
    /// The events that a list may count although it does not show them.
    unseen: u64,
}

/// What was found about a list.
#[derive(Default)]
struct Compared {
    findings: Vec<Finding>,
    /// Events that the log did not have when the audit began.
    strangers: Vec<RecordedEvent>,
    /// The events that the list shows.
    events: u64,
}

impl Audit<'_> {
    /// Compares the lists that the options name.
    pub(super) async fn compare_lists(&mut self) -> Result<(), Failure> {
        let Log::Service(service) = self.log else {
            return Ok(());
        };
        for field in Field::ALL {
            let tasks = self.tasks(field);
            let Some(first) = tasks.first() else {
                continue;
            };
            let list = List::With(field, first.value.clone());
            match service.has_lists_by(field).await? {
                true => {}
                // Every log has these.
                false if field == Field::UserId => {
                    let after = first_id();
                    self.found(&Finding::Unreadable { list, after });
                    continue;
                }
                false => {
                    self.outcome.unfiltered.push(field);
                    continue;
                }
            }
            self.compare_lists_by(service, field, tasks).await?;
        }
        Ok(())
    }

    fn tasks(&self, field: Field) -> Vec<Task> {
        let values: Vec<(String, Option<u32>)> = match &self.options.lists {
            Lists::All => self
                .ledger
                .values(field)
                .map(|(value, number)| (value.to_owned(), Some(number)))
                .collect(),
            Lists::Users(users) if field == Field::UserId => users
                .iter()
                .map(|user| (user.clone(), self.ledger.number(field, user)))
                .collect(),
            Lists::None | Lists::Users(_) => Vec::new(),
        };
        if values.is_empty() {
            return Vec::new();
        }
        let groups = self.ledger.group(field);
        let tasks = values.into_iter().map(|(value, number)| Task {
            field,
            value,
            positions: number
                .map(|number| groups.positions(number).to_vec())
                .unwrap_or_default(),
        });
        tasks.collect()
    }

    async fn compare_lists_by(
        &mut self,
        service: &Service,
        field: Field,
        tasks: Vec<Task>,
    ) -> Result<(), Failure> {
        let name = match field {
            Field::UserId => "Lists of users",
            Field::EventType => "Lists of types",
            Field::SrcService => "Lists of services",
        };
        let events = tasks.iter().map(|task| task.positions.len() as u64).sum();
        self.stage(name, events);
        let now = self.options.effects.now();
        let pause = self.options.pause;
        let expectation = Expectation {
            now,
            unseen: unseen(&self.ledger),
        };
        let lists = tasks.len() as u64;
        let bar = self.bar;
        let mut all_findings = Vec::new();
        let mut all_strangers = Vec::new();
        {
            let ledger = &self.ledger;
            let mut compared = iter(tasks)
                .map(|task| async move {
                    let compared = look(service, ledger, &task, pause, expectation).await?;
                    bar.inc(task.positions.len() as u64);
                    Ok::<_, LogError>(compared)
                })
                .buffer_unordered(LISTS_AT_ONCE);
            while let Some(Compared {
                findings,
                strangers,
                ..
            }) = compared.try_next().await?
            {
                all_findings.extend(findings);
                all_strangers.extend(strangers);
            }
        }
        for finding in &all_findings {
            self.found(finding);
        }
        for stranger in &all_strangers {
            self.remember(stranger);
        }
        self.outcome.lists += lists;
        Ok(())
    }
}

/// Compares a list, and looks again before anything is said about it: its index can be behind.
async fn look(
    service: &Service,
    ledger: &Ledger,
    task: &Task,
    pause: Duration,
    expectation: Expectation,
) -> Result<Compared, LogError> {
    let mut compared = Compared::default();
    for look in 1..=LOOKS {
        if look > 1 {
            tokio::time::sleep(pause).await;
        }
        compared = compare(service, ledger, task, expectation).await?;
        if compared.findings.is_empty() {
            break;
        }
    }
    Ok(compared)
}

async fn compare(
    service: &Service,
    ledger: &Ledger,
    task: &Task,
    expectation: Expectation,
) -> Result<Compared, LogError> {
    let list = List::With(task.field, task.value.clone());
    // Before the walk, which so passes everything that was counted.
    let total = readable(service.total(&list).await)?.flatten();
    let mut compared = Compared::default();
    let mut omitted = Vec::new();
    let mut expected = task.positions.iter().map(|at| *at as usize).peekable();
    let mut walk = Walk::new(list.clone(), first_id(), None);
    let next_entry = |id| first_after(ledger, &task.positions, id);
    while let Some(events) = walk.read(service, next_entry).await? {
        if let Some(after) = walk.take_passed() {
            let list = list.clone();
            compared.findings.push(Finding::Unreadable { list, after });
        }
        compared.events += events.len() as u64;
        for event in events {
            while let Some(passed) = expected.next_if(|at| ledger.id(*at) < event.id) {
                omitted.push(passed);
            }
            let mut is_expected = false;
            while let Some(at) = expected.next_if(|at| ledger.id(*at) == event.id) {
                is_expected |= ledger.is_of(at, &event);
            }
            if !is_expected {
                compared.judge(ledger, &list, task, event);
            }
        }
    }
    omitted.extend(expected);

    let mut certain = 0;
    for position in &omitted {
        if expectation.now.since(ledger.recorded(*position)) <= INDEX_DELAY {
            continue;
        }
        certain += 1;
        compared.findings.push(Finding::Omitted {
            list: list.clone(),
            id: ledger.id(*position),
            index: ledger.index(*position),
        });
    }
    let unsettled = omitted.len() as u64 - certain;
    if let Some(total) = total {
        let expected = distinct(ledger, &task.positions);
        let at_least = expected.saturating_sub(omitted.len() as u64);
        let at_most = compared.events + walk.skipped() + certain + unsettled + expectation.unseen;
        let finding = miscount(list.clone(), total, at_least, at_most);
        compared.findings.extend(finding);
    }
    Ok(compared)
}

impl Compared {
    /// Judges an event that the list shows, and that is not an entry of this value.
    fn judge(&mut self, ledger: &Ledger, list: &List, task: &Task, event: RecordedEvent) {
        let positions = ledger.positions(event.id);
        let belongs = event.value(task.field) == Some(&task.value);
        if positions.is_empty() && belongs {
            self.strangers.push(event);
            return;
        }
        // Whatever is wrong with these is said already.
        let is_known = |state| match state {
            EntryState::Changed | EntryState::Missing => true,
            EntryState::Omitted | EntryState::Unclaimed => belongs,
            EntryState::Right => false,
        };
        if positions.clone().any(|at| is_known(ledger.state(at))) {
            return;
        }
        self.findings.push(Finding::Extra {
            list: list.clone(),
            id: event.id,
        });
    }
}

/// The id of the first entry that follows an id, of these and of those that were changed: a list can
/// fail because of them.
fn first_after(ledger: &Ledger, positions: &[u32], after: EventId) -> Option<EventId> {
    let first = positions.partition_point(|at| ledger.id(*at as usize) <= after);
    let listed = positions.get(first).map(|at| ledger.id(*at as usize));
    let changed = ledger
        .in_state(EntryState::Changed)
        .map(|at| ledger.id(at))
        .find(|id| *id > after);
    listed.into_iter().chain(changed).min()
}

/// The number of events that these entries are of. An entry can be there twice.
fn distinct(ledger: &Ledger, positions: &[u32]) -> u64 {
    let ids = positions.iter().map(|at| ledger.id(*at as usize));
    let mut events = 0;
    let mut previous = None;
    for id in ids {
        events += u64::from(previous != Some(id));
        previous = Some(id);
    }
    events
}

/// The count index never forgets an event that was deleted, and its user is no longer known.
fn unseen(ledger: &Ledger) -> u64 {
    let states = [
        EntryState::Changed,
        EntryState::Missing,
        EntryState::Omitted,
    ];
    let in_state = |state| ledger.in_state(state).count() as u64;
    states.map(in_state).iter().sum()
}
