//! Moving what was committed from the WAL into the database file, beside the writer.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use rusqlite::Connection;

use super::open::BUSY_TIMEOUT;

/// How many pages the WAL has when it is time.
const ENOUGH_PAGES: i32 = 2_000;
/// How many more it has each time that the writer waits for the readers, so that it does not grow
/// for ever, and how long it waits.
const MANY_PAGES: i32 = 50_000;
const PATIENCE: Duration = Duration::from_millis(100);

/// What is done beside the writer.
pub enum Chore {
    Checkpoint,
    SyncAnchor,
}

/// The length of the WAL, as the last commit left it.
#[derive(Clone, Default)]
pub struct Wal {
    pages: Arc<AtomicI32>,
    asked: Arc<AtomicBool>,
    /// How many times many pages it had when the writer last waited.
    waited_at: Arc<AtomicI32>,
}

impl Wal {
    /// Follows the WAL of the connection that writes.
    pub fn of(conn: &mut Connection) -> rusqlite::Result<Wal> {
        let wal = Wal::default();
        let pages = wal.pages.clone();
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(wal)
    }

    /// Has the WAL moved when it is long. The other thread does nearly all of it; then little is
    /// left, which the writer moves itself, since only then does the WAL begin again at its start.
    pub fn look_after(&self, conn: &Connection, chores: &Sender<Chore>, settled: &AtomicBool) {
        let pages = self.pages.load(Ordering::Relaxed);
        self.waited_at.fetch_min(pages / MANY_PAGES, Ordering::Relaxed);
        if settled.swap(false, Ordering::AcqRel) {
            self.asked.store(false, Ordering::Relaxed);
            checkpoint(conn, "PASSIVE");
        } else if pages / MANY_PAGES > self.waited_at.load(Ordering::Relaxed) {
            self.waited_at.store(pages / MANY_PAGES, Ordering::Relaxed);
            // A reader that takes long must not keep the writer: the pages are safe in the WAL.
            let _ = conn.busy_timeout(PATIENCE);
            checkpoint(conn, "RESTART");
            let _ = conn.busy_timeout(BUSY_TIMEOUT);
        } else if pages > ENOUGH_PAGES && !self.asked.swap(true, Ordering::Relaxed) {
            // Without the other thread, the limit above remains.
            let _ = chores.send(Chore::Checkpoint);
        }
    }
}

/// The other thread; it ends with the writer.
pub fn run(conn: &Connection, anchor: &File, chores: &Receiver<Chore>, settled: &AtomicBool) {
    while let Ok(chore) = chores.recv() {
        match chore {
            Chore::Checkpoint => {
                checkpoint(conn, "PASSIVE");
                settled.store(true, Ordering::Release);
            }
            Chore::SyncAnchor => {
                if let Err(error) = anchor.sync_data() {
                    tracing::warn!(%error, "the anchor could not be synced");
                }
            }
        }
    }
}

/// Moves what can be moved. What cannot stays in the WAL, where it is as safe.
pub fn checkpoint(conn: &Connection, how: &str) {
    if let Err(error) = conn.execute_batch(&format!("PRAGMA wal_checkpoint({how})")) {
        tracing::warn!(%error, "the WAL could not be moved into the database");
    }
}
