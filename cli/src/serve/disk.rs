//! Makes what the engine has committed survive a power failure.
//!
//! SQLite appends each commit to its write-ahead log, which survives the end of the process at
//! once. It survives a power failure after a sync. If SQLite syncs each commit itself, every other
//! request waits for the engine's lock meanwhile. So the engine does not, and a response waits for
//! one sync of the log instead, which it shares with all requests of that moment.
//! <https://www.sqlite.org/pragma.html#pragma_synchronous>

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

/// What committed data has to survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// The end of the process, such as by kill -9, and a power failure.
    #[default]
    Power,
    /// The end of the process only. A power failure can lose the last seconds.
    Process,
}

/// The disk failed. The events since the last sync may be lost in a power failure, and a later sync
/// would not say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data folder cannot be synced: {0}; check the disk, and start the service again")]
pub struct SyncError(String);

/// The commits of the engine, and how many of them are synced. It is cheap to clone.
#[derive(Clone, Default)]
pub struct Disk {
    /// Nothing is there to sync if the database is in memory.
    log: Option<Arc<Log>>,
}

struct Log {
    sync: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    commits: AtomicU64,
    synced: AtomicU64,
    /// Held by the caller that syncs. The others wait for it.
    turn: Mutex<()>,
    failure: OnceLock<SyncError>,
}

impl Disk {
    /// A disk with a write-ahead log that `sync` makes durable.
    pub fn new(sync: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Disk {
        let log = Log {
            sync: Box::new(sync),
            commits: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            turn: Mutex::default(),
            failure: OnceLock::new(),
        };
        Disk {
            log: Some(Arc::new(log)),
        }
    }

    /// Says that the engine has committed a write, or may have.
    pub fn committed(&self) {
        if let Some(log) = &self.log {
            log.commits.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Ends once all that was committed before is synced.
    ///
    /// # Errors
    ///
    /// [`SyncError`], from the first sync that failed on. The kernel reports once that it could not
    /// write a page, so no later sync can be believed.
    pub async fn sync(&self) -> Result<(), SyncError> {
        let Some(log) = &self.log else {
            return Ok(());
        };
        let wanted = log.commits.load(Ordering::SeqCst);
        if log.has_synced(wanted)? {
            return Ok(());
        }
        // 1. Wait for the sync in progress. It may have begun too early for this caller.
        let _turn = log.turn.lock().await;
        if log.has_synced(wanted)? {
            return Ok(());
        }
        // 2. Sync all commits of this moment. Those who wait for their turn then need no sync.
        let syncing = log.clone();
        let result = tokio::task::spawn_blocking(move || syncing.sync()).await;
        result.map_err(|error| SyncError(error.to_string()))?
    }
}

impl Log {
    fn has_synced(&self, commits: u64) -> Result<bool, SyncError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        Ok(self.synced.load(Ordering::SeqCst) >= commits)
    }

    /// Syncs, and keeps the result. The caller may be gone by then.
    fn sync(&self) -> Result<(), SyncError> {
        let covered = self.commits.load(Ordering::SeqCst);
        match (self.sync)() {
            Ok(()) => {
                self.synced.store(covered, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => {
                let failure = self.failure.get_or_init(|| SyncError(error.to_string()));
                tracing::error!(error = %failure);
                Err(failure.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    /// A disk whose syncs wait for a permit, and the number of syncs that began.
    fn slow_disk() -> (Disk, mpsc::Sender<()>, Arc<AtomicUsize>) {
        let (permit, permits) = mpsc::channel();
        let permits = std::sync::Mutex::new(permits);
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = begun.clone();
        let disk = Disk::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            permits.lock().unwrap().recv().map_err(io::Error::other)
        });
        (disk, permit, begun)
    }

    #[tokio::test]
    async fn a_response_waits_until_its_commit_is_synced() {
        let (disk, permit, _) = slow_disk();
        disk.committed();
        let mut synced = Box::pin(disk.sync());
        assert!(futures_util::poll!(&mut synced).is_pending());
        permit.send(()).unwrap();
        assert_eq!(synced.await, Ok(()));
    }

    #[tokio::test]
    async fn a_read_after_a_sync_waits_for_nothing() {
        let (disk, permit, begun) = slow_disk();
        disk.committed();
        permit.send(()).unwrap();
        disk.sync().await.unwrap();
        // No further permit: a second sync would never end.
        disk.sync().await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn requests_of_the_same_moment_share_a_sync() {
        let (disk, permit, begun) = slow_disk();
        // The first caller syncs. 31 commit during its sync, which cannot cover them.
        disk.committed();
        let mut first = Box::pin(disk.sync());
        assert!(futures_util::poll!(&mut first).is_pending());
        while begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others = (0..31).map(|_| {
            disk.committed();
            disk.sync()
        });
        let mut others = Box::pin(futures_util::future::join_all(others));
        assert!(futures_util::poll!(&mut others).is_pending());
        permit.send(()).unwrap();
        first.await.unwrap();
        assert!(futures_util::poll!(&mut others).is_pending());
        permit.send(()).unwrap();
        assert!(others.await.iter().all(Result::is_ok));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged() {
        let calls = AtomicUsize::new(0);
        let disk = Disk::new(move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("input/output error")),
            // Linux drops the pages that it could not write, so the next sync succeeds.
            _ => Ok(()),
        });
        disk.committed();
        let failure = disk.sync().await.unwrap_err();
        assert!(failure.to_string().contains("input/output error"));
        disk.committed();
        assert_eq!(disk.sync().await, Err(failure));
    }

    #[tokio::test]
    async fn without_a_disk_nothing_waits() {
        let disk = Disk::default();
        disk.committed();
        assert_eq!(disk.sync().await, Ok(()));
    }
}
