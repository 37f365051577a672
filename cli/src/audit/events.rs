//! Steps 3 and 4: each event is in the log, and each entry has its event.

use audit_log::event::EventId;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};

use super::finding::Finding;
use super::ledger::{Claim, EntryState};
use super::walk::{Walk, before, readable};
use super::{Audit, Failure};
use crate::log::service::{List, Service, Total, first_id};
use crate::log::{Bundle, Log, LogError, RecordedEvent};

/// How many parts of everyone's list are read at a time.
const PARTS_AT_ONCE: usize = 4;
/// The events of a part, about. Each part costs up to one page more.
const PART: usize = 20_000;
/// How many events are asked for at a time.
const EVENTS_AT_ONCE: usize = 8;
/// How often something that lacks is asked for. An event that was just put may not be seen yet.
pub(super) const LOOKS: u32 = 3;

/// The events of everyone's list.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    /// All of them.
    events: u64,
    /// Those that are in the log.
    sealed: u64,
    /// Those that the service cannot show.
    skipped: u64,
}

/// A step through everyone's list.
enum Step {
    Events(Vec<RecordedEvent>),
    /// The service cannot show what follows.
    Stuck(Walk),
}

/// What the service says about an entry that no listed event has claimed.
enum Found {
    Nothing,
    Another,
    Unlisted,
    Listed(Box<RecordedEvent>),
}

impl Audit<'_> {
    /// Compares every event with the entries, then every entry with the events.
    pub(super) async fn compare_events(&mut self) -> Result<(), Failure> {
        match self.log {
            Log::Service(service) => {
                let total = readable(service.total(&List::All).await)?.flatten();
                let walked = self.walk(service).await?;
                self.look_up_unclaimed(service).await?;
                if let Some(total) = total {
                    self.compare_total(service, total, walked).await?;
                }
                Ok(())
            }
            Log::Bundle(bundle) => self.read_bundle(bundle),
        }
    }

    async fn walk(&mut self, service: &Service) -> Result<Walked, Failure> {
        self.stage("Events", self.ledger.len() as u64);
        let mut walked = Walked::default();
        // The ids of the entries divide the list into parts, which are read side by side. Events
        // that have no entry are in a part, too.
        let ends: Vec<EventId> = (PART..self.ledger.len())
            .step_by(PART)
            .map(|position| self.ledger.id(position))
            .collect();
        let starts = std::iter::once(first_id()).chain(ends.iter().copied());
        let lasts = ends.iter().copied().map(Some).chain([None]);
        let parts: Vec<_> = starts.zip(lasts).collect();
        let mut steps = iter(parts)
            .map(|(after, last)| steps(service, Walk::new(List::All, after, last)))
            .flatten_unordered(PARTS_AT_ONCE);
        let mut stuck = Vec::new();
        while let Some(step) = steps.try_next().await? {
            match step {
                Step::Events(events) => self.compare_all(&events, &mut walked),
                Step::Stuck(walk) => stuck.push(walk),
            }
        }
        for walk in stuck {
            self.walk_on(service, walk, &mut walked).await?;
        }
        self.outcome.events = walked.events;
        self.outcome.lists += 1;
        Ok(walked)
    }

    /// Reads a part of everyone's list on that has events which the service cannot show.
    async fn walk_on(
        &mut self,
        service: &Service,
        mut walk: Walk,
        walked: &mut Walked,
    ) -> Result<(), Failure> {
        while let Some(events) = walk.read(service, |id| self.ledger.first_after(id)).await? {
            self.compare_all(&events, walked);
            if let Some(after) = walk.take_passed() {
                let list = List::All;
                self.found(&Finding::Unreadable { list, after });
            }
        }
        walked.skipped += walk.skipped();
        Ok(())
    }

    fn compare_all(&mut self, events: &[RecordedEvent], walked: &mut Walked) {
        self.bar.inc(events.len() as u64);
        for event in events {
            walked.events += 1;
            walked.sealed += u64::from(self.compare(event));
        }
    }

    /// Compares an event with the entries, and returns whether it is one of them.
    fn compare(&mut self, event: &RecordedEvent) -> bool {
        match self.ledger.claim(event) {
            Claim::Sealed => return true,
            Claim::Unknown => self.remember(event),
            Claim::Changed(indexes) => {
                for index in indexes {
                    let id = event.id;
                    self.found(&Finding::Changed { id, index });
                }
            }
        }
        false
    }

    /// Asks for the events of entries that everyone's list did not show.
    async fn look_up_unclaimed(&mut self, service: &Service) -> Result<(), Failure> {
        let mut suspects: Vec<usize> = self.ledger.in_state(EntryState::Unclaimed).collect();
        self.stage("Entries without an event", suspects.len() as u64);
        for look in 1..=LOOKS {
            if suspects.is_empty() {
                break;
            }
            if look > 1 {
                tokio::time::sleep(self.options.pause).await;
            }
            let ids: Vec<(usize, EventId)> = suspects
                .drain(..)
                .map(|position| (position, self.ledger.id(position)))
                .collect();
            let mut answers = iter(ids)
                .map(|(position, id)| async move {
                    Ok::<_, LogError>((position, readable(service.event(id).await)?))
                })
                .buffer_unordered(EVENTS_AT_ONCE);
            while let Some((position, event)) = answers.try_next().await? {
                let found = self.judge(service, position, event).await?;
                let is_certain = look == LOOKS;
                if !self.conclude(position, &found, is_certain) {
                    suspects.push(position);
                }
            }
        }
        Ok(())
    }

    async fn judge(
        &self,
        service: &Service,
        position: usize,
        event: Option<Option<RecordedEvent>>,
    ) -> Result<Found, Failure> {
        let Some(event) = event else {
            // What the service cannot show was not sealed like this.
            return Ok(Found::Another);
        };
        let Some(event) = event else {
            return Ok(Found::Nothing);
        };
        if !self.ledger.is_of(position, &event) {
            return Ok(Found::Another);
        }
        let page = readable(service.page(&List::All, before(event.id), 1).await)?;
        if page.is_some_and(|page| page.recorded.first() == Some(&event)) {
            return Ok(Found::Listed(Box::new(event)));
        }
        Ok(Found::Unlisted)
    }

    /// Reports what is certain about an entry. Returns whether it was.
    fn conclude(&mut self, position: usize, found: &Found, is_certain: bool) -> bool {
        let id = self.ledger.id(position);
        let index = self.ledger.index(position);
        match found {
            Found::Listed(event) => {
                self.ledger.claim(event);
            }
            Found::Another => {
                self.ledger.set_state(position, EntryState::Changed);
                self.found(&Finding::Changed { id, index });
            }
            Found::Nothing | Found::Unlisted if !is_certain => return false,
            Found::Nothing => {
                self.ledger.set_state(position, EntryState::Missing);
                self.found(&Finding::Missing { id, index });
            }
            Found::Unlisted => {
                self.ledger.set_state(position, EntryState::Omitted);
                let list = List::All;
                self.found(&Finding::Omitted { list, id, index });
            }
        }
        true
    }

    /// Compares the total of everyone's list, which was asked for before the walk. So it has all
    /// entries, and nothing that the walk did not pass.
    async fn compare_total(
        &mut self,
        service: &Service,
        mut total: Total,
        walked: Walked,
    ) -> Result<(), Failure> {
        let in_state = |state| self.ledger.in_state(state).count() as u64;
        // The count index never forgets an event that was deleted.
        let unseen = in_state(EntryState::Omitted) + in_state(EntryState::Missing);
        let at_least = walked.sealed;
        let at_most = walked.events + walked.skipped + unseen;
        // An index that is behind catches up. Later totals say nothing about the most.
        for _ in 1..LOOKS {
            if !total.is_exact || total.events >= at_least {
                break;
            }
            tokio::time::sleep(self.options.pause).await;
            if let Some(later) = readable(service.total(&List::All).await)?.flatten() {
                total = Total {
                    events: later.events.min(at_most),
                    ..later
                };
            }
        }
        if let Some(finding) = miscount(List::All, total, at_least, at_most) {
            self.found(&finding);
        }
        Ok(())
    }

    /// A bundle has every event of its checkpoint, and no lists.
    fn read_bundle(&mut self, bundle: &Bundle) -> Result<(), Failure> {
        self.stage("Events", self.ledger.len() as u64);
        for event in bundle.events()? {
            let event = event?;
            self.bar.inc(1);
            self.outcome.events += 1;
            self.compare(&event);
        }
        let unclaimed: Vec<usize> = self.ledger.in_state(EntryState::Unclaimed).collect();
        for position in unclaimed {
            self.conclude(position, &Found::Nothing, true);
        }
        Ok(())
    }
}

/// What is wrong with a total. One that is not exact is a lower bound.
pub(super) fn miscount(list: List, total: Total, at_least: u64, at_most: u64) -> Option<Finding> {
    let is_too_low = total.is_exact && total.events < at_least;
    if !is_too_low && total.events <= at_most {
        return None;
    }
    Some(Finding::Miscounted {
        list,
        total: total.events,
        at_least,
        at_most,
    })
}

/// The events of a part of everyone's list.
fn steps(service: &Service, walk: Walk) -> BoxStream<'_, Result<Step, LogError>> {
    let steps = try_unfold(Some(walk), move |walk| async move {
        let Some(mut walk) = walk else {
            return Ok(None);
        };
        match readable(walk.next(service).await)? {
            Some(Some(events)) => Ok(Some((Step::Events(events), Some(walk)))),
            Some(None) => Ok(None),
            None => Ok(Some((Step::Stuck(walk), None))),
        }
    });
    steps.boxed()
}
