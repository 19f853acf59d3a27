//! The connections that answer questions, beside the one that writes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{Fail, OpenError, open};
use crate::store::StoreError;

/// How many questions of callers are answered at once.
const READERS: usize = 4;
/// How long one may take; a question that reads millions of rows would keep all others waiting.
const LONGEST: Duration = Duration::from_secs(10);
/// How many steps of SQLite's machine go by between looks at the clock: about a millisecond's.
const STEPS: i32 = 50_000;

/// Until when the question may go on that a connection is answering.
type Deadline = Arc<Mutex<Option<Instant>>>;

/// Connections for what callers ask, and one for the workers' looks, which callers' questions never
/// keep waiting.
pub struct Readers {
    callers: Pool,
    workers: Pool,
}

impl Readers {
    pub fn open(dir: &Path) -> Result<Readers, OpenError> {
        Ok(Readers { callers: Pool::open(dir, READERS)?, workers: Pool::open(dir, 1)? })
    }

    /// Asks one of them. All that one question reads is of one moment.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.callers.ask(question).await
    }

    /// As [`Readers::ask`], for what goes on without anybody asking.
    pub async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.workers.ask(question).await
    }

    /// Nobody is answered from now on; connections in use are let go of when they are done.
    pub fn close(&self) {
        self.callers.close();
        self.workers.close();
    }
}

struct Pool {
    idle: Arc<Mutex<Vec<(Connection, Deadline)>>>,
    /// As many as there are connections.
    free: Arc<Semaphore>,
}

impl Pool {
    fn open(dir: &Path, count: usize) -> Result<Pool, OpenError> {
        let mut idle = Vec::with_capacity(count);
        for _ in 0..count {
            let mut reader = open::connect(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            reader.pragma_update(None, "cache_size", -8_192)?;
            let deadline = Deadline::default();
            let until = deadline.clone();
            let is_late = move || until.lock().is_some_and(|until| Instant::now() > until);
            reader.progress_handler(STEPS, Some(is_late))?;
            idle.push((reader, deadline));
        }
        Ok(Pool { idle: Arc::new(Mutex::new(idle)), free: Arc::new(Semaphore::new(count)) })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let turn = self.free.clone().acquire_owned().await.map_err(|_| closed())?;
        let idle = self.idle.clone();
        let answered = tokio::task::spawn_blocking(move || {
            // Whoever asked may hang up; the turn lasts until the connection is back.
            let _turn = turn;
            let taken = idle.lock().pop();
            let lent = Lent { conn: taken, idle };
            let (conn, deadline) = lent.conn.as_ref().ok_or_else(closed)?;
            *deadline.lock() = Some(Instant::now() + LONGEST);
            let asked = || -> Result<T, Fail> {
                conn.prepare_cached("BEGIN")?.execute([])?;
                question(conn)
            };
            asked().map_err(StoreError::from)
        });
        answered.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

/// A connection that goes back when its question is answered, or has panicked.
struct Lent {
    conn: Option<(Connection, Deadline)>,
    idle: Arc<Mutex<Vec<(Connection, Deadline)>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((conn, deadline)) = self.conn.take() else { return };
        *deadline.lock() = None;
        if !conn.is_autocommit() {
            // Nothing was written; there is nothing that could fail to be undone.
            let _ = conn.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        }
        self.idle.lock().push((conn, deadline));
    }
}
