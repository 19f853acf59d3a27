//! Moving what was committed from the WAL into the database file, beside the writer.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OpenFlags};

use super::Fail;
use super::open::{self, BUSY_TIMEOUT, OpenError};
use super::writer::Health;

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
pub struct Wal {
    mover: Arc<Mover>,
    pages: Arc<AtomicI32>,
    asked: Arc<AtomicBool>,
    /// How many times many pages it had when the writer last waited.
    waited_at: Arc<AtomicI32>,
}

impl Wal {
    /// Follows the WAL of the connection that writes.
    pub fn of(conn: &mut Connection, mover: Arc<Mover>) -> rusqlite::Result<Wal> {
        let (pages, asked, waited_at) =
            <(Arc<AtomicI32>, Arc<AtomicBool>, Arc<AtomicI32>)>::default();
        let wal = Wal { mover, pages, asked, waited_at };
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
            self.mover.checkpoint(conn, "PASSIVE");
        } else if pages / MANY_PAGES > self.waited_at.load(Ordering::Relaxed) {
            self.waited_at.store(pages / MANY_PAGES, Ordering::Relaxed);
            // A reader that takes long must not keep the writer: the pages are safe in the WAL.
            let _ = conn.busy_timeout(PATIENCE);
            self.mover.checkpoint(conn, "RESTART");
            let _ = conn.busy_timeout(BUSY_TIMEOUT);
        } else if pages > ENOUGH_PAGES && !self.asked.swap(true, Ordering::Relaxed) {
            // Without the other thread, the limit above remains.
            let _ = chores.send(Chore::Checkpoint);
        }
    }
}

/// The connection of the other thread, which keeps nothing in memory.
pub fn connect(dir: &Path) -> Result<Connection, OpenError> {
    let conn = open::connect(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -512)?;
    Ok(conn)
}

/// The other thread; it ends with the writer.
pub fn run(
    conn: &Connection,
    mover: &Mover,
    anchor: &File,
    chores: &Receiver<Chore>,
    settled: &AtomicBool,
) {
    while let Ok(chore) = chores.recv() {
        match chore {
            Chore::Checkpoint => {
                mover.checkpoint(conn, "PASSIVE");
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

/// Who moves pages out of the WAL: one thread at a time, and nobody once that has failed.
pub struct Mover {
    health: Arc<RwLock<Health>>,
    at_it: Mutex<()>,
}

impl Mover {
    pub fn new(health: Arc<RwLock<Health>>) -> Mover {
        Mover { health, at_it: Mutex::default() }
    }

    /// Moves what can be moved. What cannot stays in the WAL, where it is as safe.
    ///
    /// When the database file could not be written or synced, nobody knows what of it is on disk.
    /// SQLite would take the pages that it had written for moved, and the next sync, which the
    /// system answers as if nothing had been, would let the WAL begin again over the only copy of
    /// them. So writes end here, and the WAL stays for the next start, which reads all of it.
    pub fn checkpoint(&self, conn: &Connection, how: &str) {
        let Some(_at_it) = self.at_it.try_lock_for(PATIENCE) else { return };
        if matches!(*self.health.read(), Health::Broken(_)) {
            return;
        }
        let Err(error) = conn.execute_batch(&format!("PRAGMA wal_checkpoint({how})")) else {
            return;
        };
        match Fail::from(error) {
            Fail::Full(why) | Fail::Unavailable(why) => {
                tracing::warn!(why, "the WAL could not be moved into the database");
            }
            Fail::Lost(why) | Fail::Damaged(why) => {
                tracing::error!(why, "the WAL could not be moved into the database; writes end");
                let why = format!("the log could not be moved into the database: {why}");
                *self.health.write() = Health::Broken(why);
            }
        }
    }
}
