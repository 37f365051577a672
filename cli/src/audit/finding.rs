//! What an audit says.

use std::fmt;

use audit_log::event::{EventId, Field};
use serde::{Serialize, Serializer};

use crate::log::service::List;

/// One thing that an audit found. Its JSON has the verdict and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict")]
pub enum Finding {
    /// The checkpoint is not signed by a known key of the log.
    #[serde(rename = "forged")]
    Forged {
        /// Why it is not genuine.
        reason: String,
    },
    /// The log was larger before.
    #[serde(rename = "rolled back")]
    RolledBack {
        /// The size of the checkpoint that was kept.
        kept: u64,
        /// The size of the log now.
        size: u64,
    },
    /// The log does not continue a checkpoint that it signed.
    #[serde(rename = "forked")]
    Forked {
        /// The size of the checkpoint that was kept.
        kept: u64,
        /// The size of the checkpoint that does not continue it.
        size: u64,
    },
    /// The entries of a bundle are not those that were signed.
    #[serde(rename = "damaged")]
    Damaged {
        /// The number of the bundle, or the path of a tile of hashes.
        #[serde(flatten)]
        part: Part,
    },
    /// An id has several entries: its event was deleted, and another one put in its place.
    #[serde(rename = "re-recorded")]
    ReRecorded {
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
        /// The entries.
        indexes: Vec<u64>,
    },
    /// An entry is in the log several times.
    #[serde(rename = "sealed twice")]
    SealedTwice {
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
        /// The entries.
        indexes: Vec<u64>,
    },
    /// The event is not the one that was sealed.
    #[serde(rename = "changed")]
    Changed {
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
        /// The entry.
        index: u64,
    },
    /// There is no event for an entry.
    #[serde(rename = "missing")]
    Missing {
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
        /// The entry.
        index: u64,
    },
    /// The event exists, and a list does not show it.
    #[serde(rename = "omitted")]
    Omitted {
        /// The list.
        #[serde(serialize_with = "as_text")]
        list: List,
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
        /// The entry.
        index: u64,
    },
    /// A list shows an event that does not belong there, or not as it was sealed.
    #[serde(rename = "extra")]
    Extra {
        /// The list.
        #[serde(serialize_with = "as_text")]
        list: List,
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
    },
    /// The total of a list is not the number of its events.
    #[serde(rename = "miscounted")]
    Miscounted {
        /// The list.
        #[serde(serialize_with = "as_text")]
        list: List,
        /// What the service says.
        total: u64,
        /// The least that it can be.
        at_least: u64,
        /// The most that it can be.
        at_most: u64,
    },
    /// The service cannot show what follows in a list, and it is no entry of the log.
    #[serde(rename = "unreadable")]
    Unreadable {
        /// The list.
        #[serde(serialize_with = "as_text")]
        list: List,
        /// The id up to which the list can be read.
        #[serde(serialize_with = "as_text")]
        after: EventId,
    },
    /// An event is not in the log, although it was recorded long enough ago.
    #[serde(rename = "unsealed")]
    Unsealed {
        /// The id.
        #[serde(serialize_with = "as_text")]
        id: EventId,
    },
    /// An event is too new to be in the log. This is no fault.
    #[serde(rename = "pending")]
    Pending {
        /// How many events.
        events: u64,
    },
    /// Events were sealed long after they say that they were recorded: by a backfill, after an
    /// outage, or with a false time. This is no fault by itself.
    #[serde(rename = "late")]
    Late {
        /// The first entry of a row of them.
        first: u64,
        /// The last entry.
        last: u64,
        /// The id of the first.
        #[serde(serialize_with = "as_text")]
        id: EventId,
    },
}

/// A part of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// 256 entries.
    Bundle(u64),
    /// A tile of hashes, by its path.
    Tile(String),
}

impl Finding {
    /// Whether this is a fault of the log.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Finding::Pending { .. } | Finding::Late { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Forged { reason } => {
                write!(f, "forged: the checkpoint is not genuine: {reason}")
            }
            Finding::RolledBack { kept, size } => write!(
                f,
                "rolled back: the log has {size} entries, and had {kept} before"
            ),
            Finding::Forked { kept, size } => write!(
                f,
                "forked: the checkpoint of {size} entries does not continue that of {kept} \
                 entries, which the log signed before"
            ),
            Finding::Damaged {
                part: Part::Bundle(bundle),
            } => write!(
                f,
                "damaged: bundle {bundle} does not have the entries that were signed"
            ),
            Finding::Damaged {
                part: Part::Tile(tile),
            } => write!(f, "damaged: {tile} does not have the hashes of the entries"),
            Finding::ReRecorded { id, indexes } => write!(
                f,
                "re-recorded: several events had the id {id} (entries {})",
                comma_separated(indexes)
            ),
            Finding::SealedTwice { id, indexes } => write!(
                f,
                "sealed twice: {id} (entries {})",
                comma_separated(indexes)
            ),
            Finding::Changed { id, index } => {
                write!(f, "changed: {id} is not what was sealed as entry {index}")
            }
            Finding::Missing { id, index } => {
                write!(f, "missing: {id}, which was sealed as entry {index}")
            }
            Finding::Omitted { list, id, index } => {
                write!(f, "omitted from {list}: {id} (entry {index})")
            }
            Finding::Extra { list, id } => {
                write!(f, "extra in {list}: {id} does not belong there like this")
            }
            Finding::Miscounted {
                list,
                total,
                at_least,
                at_most,
            } if at_least == at_most => {
                write!(f, "miscounted: {list} has {at_most} events, not {total}")
            }
            Finding::Miscounted {
                list,
                total,
                at_least,
                at_most,
            } => write!(
                f,
                "miscounted: {list} has {at_least} to {at_most} events, not {total}"
            ),
            Finding::Unreadable { list, after } => {
                write!(f, "unreadable: {list} fails right after {after}")
            }
            Finding::Unsealed { id } => {
                write!(f, "unsealed: {id} was recorded, and the log lacks it")
            }
            Finding::Pending { events } => write!(
                f,
                "pending: {events} new {} not in the log yet",
                if *events == 1 {
                    "event is"
                } else {
                    "events are"
                }
            ),
            Finding::Late { first, last, id } if first == last => {
                write!(f, "late: {id} (entry {first}) was sealed late")
            }
            Finding::Late { first, last, id } => write!(
                f,
                "late: the entries {first} to {last}, from {id} on, were sealed late"
            ),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            List::All => f.write_str("everyone's list"),
            List::With(Field::UserId, user) => write!(f, "the list of user {user:?}"),
            List::With(field, value) => write!(f, "the list of {} {value:?}", field.name()),
        }
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn comma_separated(indexes: &[u64]) -> String {
    let indexes: Vec<String> = indexes.iter().map(u64::to_string).collect();
    indexes.join(", ")
}
