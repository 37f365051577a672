//! The entries of a log, by the ids of their events, and what is known about each event.

use std::collections::HashMap;
use std::ops::Range;

use audit_log::event::{EventId, Field, Timestamp};
use audit_log::tree::Hash;

use super::finding::Finding;
use crate::log::RecordedEvent;
use crate::log::service::first_id;

/// The number of fields by which lists can be filtered.
const FIELDS: usize = Field::ALL.len();
/// The number of a value that an event does not have.
const NO_VALUE: u32 = u32::MAX;

/// About 80 bytes an entry, so that ten million fit into 1 GB.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By id, then by index.
    entries: Vec<Sealed>,
    states: Vec<EntryState>,
    /// When the event was recorded, in milliseconds since 1970.
    recorded: Vec<u64>,
    /// The numbers of the values of each event, for each field.
    values: [Vec<u32>; FIELDS],
    /// The numbers of all values, for each field.
    numbers: [HashMap<Box<str>, u32>; FIELDS],
}

/// An entry, without its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sealed {
    /// As bytes, which need no alignment. They sort as ids do.
    id: [u8; 16],
    index: u64,
    leaf: Hash,
}

/// What is known about the event of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Nothing yet.
    Unclaimed,
    /// Its event was listed as it was sealed.
    Right,
    /// Its event is another one. This is said already.
    Changed,
    /// Its event does not exist. This is said already.
    Missing,
    /// Its event exists as it was sealed, and everyone's list lacks it. This is said already.
    Omitted,
}

/// What the ledger says about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is in the log.
    Sealed,
    /// Its id has these entries, and none of them is this event's.
    Changed(Vec<u64>),
    /// Its id has no entry.
    Unknown,
}

impl Ledger {
    /// Adds an entry. [`Ledger::sort`] follows the last one.
    pub fn push(&mut self, id: EventId, index: u64, leaf: Hash) {
        self.entries.push(Sealed {
            id: id.to_bits().to_be_bytes(),
            index,
            leaf,
        });
    }

    /// Makes the entries ready to be looked up.
    pub fn sort(&mut self) {
        self.entries.sort_unstable();
        let entries = self.entries.len();
        self.states = vec![EntryState::Unclaimed; entries];
        self.recorded = vec![0; entries];
        self.values = std::array::from_fn(|_| vec![NO_VALUE; entries]);
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The id of the entry at this position.
    pub fn id(&self, position: usize) -> EventId {
        let bits = u128::from_be_bytes(self.entries[position].id);
        // Only ids are pushed.
        EventId::from_bits(bits).unwrap_or(first_id())
    }

    /// The index of the entry at this position.
    pub fn index(&self, position: usize) -> u64 {
        self.entries[position].index
    }

    /// Whether the entry at this position is that of the event.
    pub fn is_of(&self, position: usize, event: &RecordedEvent) -> bool {
        self.entries[position].leaf == event.leaf
    }

    /// What is known about the entry at this position.
    pub fn state(&self, position: usize) -> EntryState {
        self.states[position]
    }

    /// Notes what is known about the entry at this position.
    pub fn set_state(&mut self, position: usize, state: EntryState) {
        self.states[position] = state;
    }

    /// The positions of the entries of an id.
    pub fn positions(&self, id: EventId) -> Range<usize> {
        let id = id.to_bits().to_be_bytes();
        let start = self.entries.partition_point(|entry| entry.id < id);
        let same = self.entries[start..].partition_point(|entry| entry.id == id);
        start..start + same
    }

    /// The id of the first entry that follows an id.
    pub fn first_after(&self, id: EventId) -> Option<EventId> {
        let bytes = id.to_bits().to_be_bytes();
        let position = self.entries.partition_point(|entry| entry.id <= bytes);
        (position < self.len()).then(|| self.id(position))
    }

    /// The positions in this state.
    pub fn in_state(&self, state: EntryState) -> impl Iterator<Item = usize> {
        let states = self.states.iter().enumerate();
        states.filter_map(move |(position, other)| (*other == state).then_some(position))
    }

    /// Compares an event with the entries of its id, and notes what it says.
    pub fn claim(&mut self, event: &RecordedEvent) -> Claim {
        let positions = self.positions(event.id);
        if positions.is_empty() {
            return Claim::Unknown;
        }
        let mut is_sealed = false;
        for position in positions.clone() {
            if self.is_of(position, event) {
                is_sealed = true;
                self.states[position] = EntryState::Right;
                self.note(position, event);
            }
        }
        if is_sealed {
            return Claim::Sealed;
        }
        let mut indexes = Vec::new();
        let mut states = positions.clone().map(|position| self.states[position]);
        if states.any(|state| state == EntryState::Right) {
            // A second text under an id whose event was right.
            return Claim::Changed(vec![self.entries[positions.start].index]);
        }
        for position in positions {
            if self.states[position] == EntryState::Unclaimed {
                indexes.push(self.entries[position].index);
                self.states[position] = EntryState::Changed;
            }
        }
        Claim::Changed(indexes)
    }

    fn note(&mut self, position: usize, event: &RecordedEvent) {
        self.recorded[position] = event.at.millis();
        for field in 0..FIELDS {
            let Some(value) = event.values[field].as_deref() else {
                continue;
            };
            let numbers = &mut self.numbers[field];
            let number = match numbers.get(value) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(numbers.len()).unwrap_or(NO_VALUE);
                    numbers.insert(value.into(), number);
                    number
                }
            };
            self.values[field][position] = number;
        }
    }

    /// The values of a field, each with its number.
    pub fn values(&self, field: Field) -> impl Iterator<Item = (&str, u32)> {
        let numbers = self.numbers[field as usize].iter();
        numbers.map(|(value, number)| (value.as_ref(), *number))
    }

    /// The number of a value, if an event has it.
    pub fn number(&self, field: Field, value: &str) -> Option<u32> {
        self.numbers[field as usize].get(value).copied()
    }

    /// When the event of an entry was recorded.
    pub fn recorded(&self, position: usize) -> Timestamp {
        Timestamp::from_millis(self.recorded[position])
    }

    /// The entries whose events are right, grouped by their value of a field.
    pub fn group(&self, field: Field) -> Groups {
        let numbers = &self.values[field as usize];
        let counted = |position: &usize| {
            self.states[*position] == EntryState::Right && numbers[*position] != NO_VALUE
        };
        let groups = self.numbers[field as usize].len();
        let mut ends = vec![0_u32; groups + 1];
        for position in (0..self.len()).filter(counted) {
            ends[numbers[position] as usize + 1] += 1;
        }
        for group in 0..groups {
            ends[group + 1] += ends[group];
        }
        let mut positions = vec![0; ends[groups] as usize];
        let mut next = ends.clone();
        for position in (0..self.len()).filter(counted) {
            let next = &mut next[numbers[position] as usize];
            positions[*next as usize] = position as u32;
            *next += 1;
        }
        Groups { ends, positions }
    }

    /// Ids that have several entries, and entries that are there several times.
    pub fn repeated(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for same_id in self.entries.chunk_by(|a, b| a.id == b.id) {
            if same_id.len() == 1 {
                continue;
            }
            let id = self.id(self
                .entries
                .partition_point(|entry| entry.id < same_id[0].id));
            let mut by_leaf: Vec<&Sealed> = same_id.iter().collect();
            by_leaf.sort_by_key(|entry| (entry.leaf, entry.index));
            let mut first_of_each = Vec::new();
            for same in by_leaf.chunk_by(|a, b| a.leaf == b.leaf) {
                first_of_each.push(same[0].index);
                if same.len() > 1 {
                    let indexes = same.iter().map(|entry| entry.index).collect();
                    findings.push(Finding::SealedTwice { id, indexes });
                }
            }
            if first_of_each.len() > 1 {
                first_of_each.sort_unstable();
                let indexes = first_of_each;
                findings.push(Finding::ReRecorded { id, indexes });
            }
        }
        findings
    }

    /// Rows of entries whose events were recorded more than `delay` before an event that was sealed
    /// earlier.
    pub fn late(&self, delay: std::time::Duration) -> Vec<Finding> {
        let delay = delay.as_millis() as u64;
        let mut by_index: Vec<u32> = (0..self.len() as u32).collect();
        by_index.sort_unstable_by_key(|position| self.entries[*position as usize].index);
        let mut findings: Vec<Finding> = Vec::new();
        let mut latest = 0;
        for position in by_index {
            let position = position as usize;
            let recorded = self.recorded[position];
            if self.states[position] != EntryState::Right {
                continue;
            }
            if recorded.saturating_add(delay) < latest {
                let at = self.index(position);
                match findings.last_mut() {
                    Some(Finding::Late { last, .. }) if *last + 1 == at => *last = at,
                    _ => findings.push(Finding::Late {
                        first: at,
                        last: at,
                        id: self.id(position),
                    }),
                }
            }
            latest = latest.max(recorded);
        }
        findings
    }
}

/// Positions by the number of a value.
#[derive(Debug)]
pub struct Groups {
    ends: Vec<u32>,
    positions: Vec<u32>,
}

impl Groups {
    /// The positions of the entries with this value, by id.
    pub fn positions(&self, number: u32) -> &[u32] {
        let number = number as usize;
        let start = self.ends.get(number).copied().unwrap_or_default() as usize;
        let end = self.ends.get(number + 1).copied().unwrap_or_default() as usize;
        self.positions.get(start..end).unwrap_or_default()
    }
}
