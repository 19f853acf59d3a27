//! The connections that answer questions, beside the one that writes.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{Fail, OpenError, open};
use crate::store::StoreError;

/// How many questions are answered at once.
const READERS: usize = 4;

pub struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    /// As many as there are connections.
    free: Arc<Semaphore>,
}

impl Readers {
    pub fn open(dir: &Path) -> Result<Readers, OpenError> {
        let mut idle = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = open::connect(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            reader.pragma_update(None, "cache_size", -8_192)?;
            idle.push(reader);
        }
        Ok(Readers { idle: Arc::new(Mutex::new(idle)), free: Arc::new(Semaphore::new(READERS)) })
    }

    /// Asks one of them. All that one question reads is of one moment.
    pub async fn ask<T: Send + 'static>(
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
            let conn = lent.conn.as_ref().ok_or_else(closed)?;
            let asked = || -> Result<T, Fail> {
                conn.prepare_cached("BEGIN")?.execute([])?;
                question(conn)
            };
            asked().map_err(StoreError::from)
        });
        answered.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Nobody is answered from now on; connections in use are let go of when they are done.
    pub fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

/// A connection that goes back when its question is answered, or has panicked.
struct Lent {
    conn: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if !conn.is_autocommit() {
            // Nothing was written; there is nothing that could fail to be undone.
            let _ = conn.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        }
        self.idle.lock().push(conn);
    }
}
