//! Step 5: events that the log did not have when the audit began must be there by now, unless they
//! are new.

use std::collections::HashMap;

use audit_log::event::{EventId, Timestamp};
use audit_log::tree::{Entry, Hash};

use super::entries::{damage, is_readable, read_entries};
use super::finding::{Finding, Part};
use super::{Audit, Failure};
use crate::log::{Checked, Log, SignedCheckpoint, proof};

/// The entries that were added during the audit, by the ids of their events.
type Added = HashMap<EventId, Vec<(Hash, u64)>>;

impl Audit<'_> {
    /// Compares the events that are left with the newest entries.
    pub(super) async fn compare_strangers(&mut self) -> Result<(), Failure> {
        if self.strangers.is_empty() {
            return Ok(());
        }
        let added = match self.log {
            Log::Service(_) => self.read_added().await?,
            Log::Bundle(_) => Some(Added::new()),
        };
        let Some(added) = added else {
            return Ok(());
        };
        let is_overdue = self.overdue();

        let mut pending = 0;
        let mut strangers: Vec<_> = self.strangers.drain().collect();
        strangers.sort_unstable_by_key(|(id, _)| *id);
        for (id, stranger) in strangers {
            match added.get(&id) {
                Some(entries) if entries.iter().any(|(leaf, _)| *leaf == stranger.leaf) => {}
                Some(entries) => {
                    for (_, index) in entries {
                        self.found(&Finding::Changed { id, index: *index });
                    }
                }
                None if is_overdue(stranger.at) => {
                    self.found(&Finding::Unsealed { id });
                }
                None => pending += 1,
            }
        }
        if pending > 0 {
            self.found(&Finding::Pending { events: pending });
        }
        Ok(())
    }

    /// Whether an event that was recorded at a time must be in the log by now.
    fn overdue(&self) -> impl Fn(Timestamp) -> bool + use<> {
        let delay = self.options.delay;
        let is_bundle = matches!(self.log, Log::Bundle(_));
        // A copy takes time, so events that were recorded meanwhile can be in it. It is as old as
        // the newest event of its checkpoint.
        let sealed = (0..self.ledger.len()).map(|position| self.ledger.recorded(position));
        let now = match is_bundle {
            true => sealed.max().unwrap_or(Timestamp::EPOCH),
            false => self.options.effects.now(),
        };
        move |at| {
            // A time in the future is no excuse.
            let is_ahead = !is_bundle && at.since(now) > delay;
            is_ahead || now.since(at) > delay
        }
    }

    /// Reads the entries that were added. `None` if they are not those of a genuine checkpoint that
    /// continues the first one.
    async fn read_added(&mut self) -> Result<Option<Added>, Failure> {
        let fresh = match SignedCheckpoint::of(self.log, &self.options.keys).await? {
            Checked::Signed(fresh) => fresh,
            Checked::Forged(reason) => {
                self.found(&Finding::Forged { reason });
                return Ok(None);
            }
            Checked::Absent => {
                let kept = self.tree.size();
                if kept == 0 {
                    return Ok(Some(Added::new()));
                }
                self.found(&Finding::RolledBack { kept, size: 0 });
                return Ok(None);
            }
        };
        let first = self.outcome.checkpoint.clone();
        if let Some(first) = &first
            && self.contradicts(first, &fresh)?
        {
            return Ok(None);
        }

        let kept = self.tree.size();
        let size = fresh.checkpoint.size;
        // Without a first checkpoint nothing was kept, so that there is nothing to continue.
        let mut file = match (&self.state, &first) {
            (Some(state), Some(_)) => Some(state.appender(kept)?),
            _ => None,
        };
        let mut added = Added::new();
        let mut unreadable = None;
        let missing = read_entries(self.log, &mut self.tree, size, |(index, bytes, leaf)| {
            let entry = Entry::from_bytes(bytes).filter(|_| is_readable(bytes));
            let Some(entry) = entry else {
                unreadable.get_or_insert(index);
                return Ok(());
            };
            added.entry(entry.id).or_default().push((leaf, index));
            if let Some(file) = &mut file {
                file.push(bytes)?;
            }
            Ok(())
        })
        .await?;
        if let Some(bundle) = missing {
            let part = Part::Bundle(bundle);
            self.found(&Finding::Damaged { part });
            return Ok(None);
        }
        if self.tree.root() != fresh.checkpoint.root {
            self.explain(first.as_ref(), &fresh).await?;
            return Ok(None);
        }
        if let Some(index) = unreadable {
            return Err(Failure::Version(index));
        }
        if let (Some(state), Some(file)) = (&self.state, &mut file) {
            file.sync()?;
            state.keep(&fresh.note)?;
        }
        Ok(Some(added))
    }

    /// Reports why the new entries, behind those that were verified, do not have the new root.
    async fn explain(
        &mut self,
        first: Option<&SignedCheckpoint>,
        fresh: &SignedCheckpoint,
    ) -> Result<(), Failure> {
        if let Some(first) = first
            && !proof::continues(self.log, &first.checkpoint, &fresh.checkpoint).await?
        {
            let finding = Finding::Forked {
                kept: first.checkpoint.size,
                size: fresh.checkpoint.size,
            };
            return self.contradiction(first, fresh, &finding);
        }
        let finding = damage(self.log, &self.tree).await?;
        self.found(&finding);
        Ok(())
    }
}
