//! Whether a log keeps what it promised: nothing was changed, removed or left out.
//!
//! An audit compares every entry of the log with every event and with every list. It trusts the
//! verifier key, and what it kept from an earlier audit, and nothing else.
//!
//! | module | step |
//! |---|---|
//! | [`tree`], [`entries`] | the entries have the root that is signed |
//! | [`ledger`] | the entries by the ids of their events, and what is known about each event |
//! | [`events`] | each event is in the log, and each entry has its event |
//! | [`walk`] | a list is read, also past events that the service cannot show |
//! | [`lists`] | the lists of users, types and services have their events, and their totals |
//! | [`fresh`] | events that were recorded during the audit |
//! | [`state`] | what is kept for the next audit |
//! | [`finding`] | what is said |

pub mod entries;
pub mod events;
pub mod finding;
pub mod fresh;
pub mod ledger;
pub mod lists;
pub mod state;
pub mod tree;
pub mod walk;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log::event::{EventId, Field, Timestamp};
use audit_log::tree::{Entry, Hash, VerifierKey};
use indicatif::ProgressBar;

use crate::log::{Checked, Log, LogError, RecordedEvent, SignedCheckpoint, proof};
use entries::{damage, is_readable, read_entries, wrong_tile};
use finding::{Finding, Part};
use ledger::Ledger;
use state::{StateError, StateFolder};
use tree::GrowingTree;

/// What to audit, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The keys that may sign the log. Several, while one replaces another.
    pub keys: Vec<VerifierKey>,
    /// The folder for what is kept for the next audit.
    pub state: Option<PathBuf>,
    /// The lists to compare.
    pub lists: Lists,
    /// How long it may take until an event is in the log.
    pub delay: Duration,
    /// The pause before something that lacks is asked for again: a reader can be a moment behind.
    pub pause: Duration,
    /// The clock.
    pub effects: Effects,
}

/// The lists to compare with the log. Everyone's list always is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lists {
    /// The list of each user, each type and each service.
    All,
    /// No further list.
    None,
    /// The lists of these users.
    Users(Vec<String>),
}

/// What an audit went through.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The checkpoint that everything was compared with. `None` if the log has none.
    pub checkpoint: Option<SignedCheckpoint>,
    /// The number of faults.
    pub faults: u64,
    /// The number of events that were compared.
    pub events: u64,
    /// The number of lists that were compared.
    pub lists: u64,
    /// The fields by which this log has no lists.
    pub unfiltered: Vec<Field>,
}

/// An audit that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// See [`StateError`].
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry of a later version.
    #[error("entry {0} has a version that this program cannot read; use a newer one")]
    Version(u64),
}

/// An event that the log did not have when the audit began.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    leaf: Hash,
    at: Timestamp,
}

/// An audit in progress.
struct Audit<'a> {
    log: &'a Log,
    options: &'a Options,
    bar: &'a ProgressBar,
    report: &'a mut dyn FnMut(&Finding),
    outcome: Outcome,
    state: Option<StateFolder>,
    tree: GrowingTree,
    ledger: Ledger,
    strangers: HashMap<EventId, Stranger>,
}

/// Audits a log. Passes each finding to `report` as soon as it is certain.
///
/// # Errors
///
/// [`Failure`], if the audit could not be finished. What was found until then is reported.
pub async fn audit(
    log: &Log,
    options: &Options,
    bar: &ProgressBar,
    report: &mut dyn FnMut(&Finding),
) -> Result<Outcome, Failure> {
    let state = options
        .state
        .as_deref()
        .map(StateFolder::open)
        .transpose()?;
    let mut audit = Audit {
        log,
        options,
        bar,
        report,
        outcome: Outcome::default(),
        state,
        tree: GrowingTree::default(),
        ledger: Ledger::default(),
        strangers: HashMap::new(),
    };
    // Nothing can be compared with a tree that is not the one that was signed.
    if audit.read_tree().await? {
        audit.compare_events().await?;
        audit.compare_lists().await?;
        audit.compare_strangers().await?;
        audit.report_late();
    }
    audit.bar.finish_and_clear();
    Ok(audit.outcome)
}

impl Audit<'_> {
    fn found(&mut self, finding: &Finding) {
        if finding.is_fault() {
            self.outcome.faults += 1;
        }
        let report = &mut self.report;
        self.bar.suspend(|| report(finding));
    }

    /// Steps 1 and 2: reads the checkpoint, and the entries up to it. Returns whether the entries
    /// are those of a genuine checkpoint that continues the one that was kept.
    async fn read_tree(&mut self) -> Result<bool, Failure> {
        let kept = match &self.state {
            Some(state) => state.checkpoint(&self.options.keys)?,
            None => None,
        };
        let shown = match SignedCheckpoint::of(self.log, &self.options.keys).await? {
            Checked::Signed(shown) => shown,
            Checked::Forged(reason) => {
                self.found(&Finding::Forged { reason });
                return Ok(false);
            }
            Checked::Absent => return Ok(self.without_checkpoint(kept.as_ref())),
        };
        if let Some(kept) = &kept
            && self.contradicts(kept, &shown)?
        {
            return Ok(false);
        }
        self.read_signed_tree(kept.as_ref(), shown).await
    }

    /// A log has no checkpoint before its first event is sealed.
    fn without_checkpoint(&mut self, kept: Option<&SignedCheckpoint>) -> bool {
        let kept = kept.map_or(0, |kept| kept.checkpoint.size);
        if kept > 0 {
            self.found(&Finding::RolledBack { kept, size: 0 });
            return false;
        }
        self.ledger.sort();
        true
    }

    /// Whether two checkpoints cannot both be of one log that only grows. Keeps both as evidence
    /// then, because both are signed.
    fn contradicts(
        &mut self,
        kept: &SignedCheckpoint,
        shown: &SignedCheckpoint,
    ) -> Result<bool, Failure> {
        let size = shown.checkpoint.size;
        let kept_size = kept.checkpoint.size;
        let finding = if kept_size > size {
            Finding::RolledBack {
                kept: kept_size,
                size,
            }
        } else if kept_size == size && kept.checkpoint.root != shown.checkpoint.root {
            Finding::Forked {
                kept: kept_size,
                size,
            }
        } else {
            return Ok(false);
        };
        self.contradiction(kept, shown, &finding)?;
        Ok(true)
    }

    fn contradiction(
        &mut self,
        kept: &SignedCheckpoint,
        shown: &SignedCheckpoint,
        finding: &Finding,
    ) -> Result<(), Failure> {
        self.found(finding);
        if let Some(state) = &self.state {
            state.keep_evidence(kept, shown)?;
        }
        Ok(())
    }

    async fn read_signed_tree(
        &mut self,
        kept: Option<&SignedCheckpoint>,
        shown: SignedCheckpoint,
    ) -> Result<bool, Failure> {
        let size = shown.checkpoint.size;
        self.stage("Entries", size);
        let continues = match kept {
            Some(kept) => proof::continues(self.log, &kept.checkpoint, &shown.checkpoint).await?,
            None => true,
        };
        if let (Some(state), Some(kept), true) = (&self.state, kept, continues) {
            let ledger = &mut self.ledger;
            let checkpoint = &kept.checkpoint;
            let known = state.entries(checkpoint.size, checkpoint.root, |index, entry, leaf| {
                add(ledger, index, entry, leaf);
            })?;
            match known {
                Some(tree) => self.tree = tree,
                None => self.ledger = Ledger::default(),
            }
        }

        // A log that does not continue the kept checkpoint may have damaged tiles only. All of its
        // entries tell.
        let mut old_tree = GrowingTree::default();
        let old_size = kept.map_or(0, |kept| kept.checkpoint.size);
        let mut file = match &self.state {
            Some(state) if continues => Some(state.appender(self.tree.size())?),
            _ => None,
        };
        let mut unreadable = None;
        let ledger = &mut self.ledger;
        let bar = self.bar;
        let missing = read_entries(self.log, &mut self.tree, size, |(index, entry, leaf)| {
            bar.inc(1);
            if !continues && old_tree.size() < old_size {
                old_tree.push(entry);
            }
            if !add(ledger, index, entry, leaf) {
                unreadable.get_or_insert(index);
                return Ok(());
            }
            if let Some(file) = &mut file {
                file.push(entry)?;
            }
            Ok(())
        })
        .await?;

        if let Some(bundle) = missing {
            let part = Part::Bundle(bundle);
            self.found(&Finding::Damaged { part });
            return Ok(false);
        }
        if self.tree.root() != shown.checkpoint.root {
            let finding = damage(self.log, &self.tree).await?;
            self.found(&finding);
            return Ok(false);
        }
        if let (Some(kept), false) = (kept, continues)
            && old_tree.root() != kept.checkpoint.root
        {
            let finding = Finding::Forked {
                kept: old_size,
                size,
            };
            self.contradiction(kept, &shown, &finding)?;
            return Ok(false);
        }
        if let Some(index) = unreadable {
            return Err(Failure::Version(index));
        }
        if let Some((tile, _)) = wrong_tile(self.log, &self.tree, size).await? {
            let part = Part::Tile(tile.to_string());
            self.found(&Finding::Damaged { part });
        } else if !continues {
            // The entries are right, so a tile of hashes at the bottom is not.
            let part = Part::Tile("tile/0".to_owned());
            self.found(&Finding::Damaged { part });
        }
        if let (Some(state), Some(file)) = (&self.state, &mut file) {
            file.sync()?;
            state.keep(&shown.note)?;
        }
        self.ledger.sort();
        for finding in self.ledger.repeated() {
            self.found(&finding);
        }
        self.outcome.checkpoint = Some(shown);
        Ok(true)
    }

    /// Notes an event that the log did not have when the audit began.
    fn remember(&mut self, event: &RecordedEvent) {
        let stranger = Stranger {
            leaf: event.leaf,
            at: event.at,
        };
        self.strangers.insert(event.id, stranger);
    }

    fn report_late(&mut self) {
        for finding in self.ledger.late(self.options.delay) {
            self.found(&finding);
        }
    }

    fn stage(&self, name: &'static str, length: u64) {
        self.bar.set_message(name);
        self.bar.set_position(0);
        self.bar.set_length(length);
    }
}

/// Adds an entry to the ledger, if this program can read it.
fn add(ledger: &mut Ledger, index: u64, entry: &[u8], leaf: Hash) -> bool {
    if !is_readable(entry) {
        return false;
    }
    let Some(entry) = Entry::from_bytes(entry) else {
        return false;
    };
    ledger.push(entry.id, index, leaf);
    true
}
