//! What this process has seen of the books: kept in its anchor, and compared with every database
//! that it is connected to, since that may have become another one.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use deadpool_postgres::ClientWrapper;
use parking_lot::{Mutex, RwLock};

use super::open::OpenError;
use crate::store::Standing;
use crate::store::anchor::{self, Anchor, Found, Mark};

pub struct Watch {
    kept: Mutex<Kept>,
    standing: RwLock<Standing>,
    /// Why the anchor can no longer be written; then no more writes are taken.
    broken: RwLock<Option<String>>,
}

struct Kept {
    /// None for a process that only looks.
    anchor: Option<Anchor>,
    mark: Mark,
    /// The directory is this process's own.
    lock: Option<File>,
}

impl Watch {
    /// Takes the directory and reads its anchor.
    pub fn over(dir: Option<&Path>) -> Result<(Watch, Found), OpenError> {
        let mut kept = Kept { anchor: None, mark: Mark::default(), lock: None };
        let mut found = Found::Nothing;
        if let Some(dir) = dir {
            let failed = |source| OpenError::Directory { path: dir.to_owned(), source };
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
            let lock = anchor::lock(dir).map_err(failed)?;
            kept.lock = Some(lock.ok_or_else(|| OpenError::InUse(dir.to_owned()))?);
            let (opened, what) = Anchor::open(dir).map_err(failed)?;
            (kept.anchor, found) = (Some(opened), what);
        }
        let watch = Watch {
            kept: Mutex::new(kept),
            standing: RwLock::new(Standing::Intact),
            broken: RwLock::new(None),
        };
        Ok((watch, found))
    }

    pub fn standing(&self) -> Standing {
        self.standing.read().clone()
    }

    pub fn broken(&self) -> Option<String> {
        self.broken.read().clone()
    }

    /// No more writes are taken, for this reason.
    pub fn end(&self, why: &str) {
        self.broken.write().get_or_insert_with(|| why.to_owned());
    }

    /// The directory is free for another process.
    pub fn let_go(&self) {
        let mut kept = self.kept.lock();
        (kept.anchor, kept.lock) = (None, None);
    }

    pub fn behind(&self, why: String) {
        let mut standing = self.standing.write();
        if *standing == Standing::Intact {
            tracing::error!(why, "the books are not what this process has seen of them");
            *standing = Standing::Behind(why);
        }
    }

    /// An operator has taken the books as they are for the truth.
    pub fn accepted(&self) {
        *self.standing.write() = Standing::Intact;
        self.saw(None, None);
        self.sync();
    }

    /// Keeps what was committed, unless something newer is kept already. While the books are
    /// behind, the anchor stays as it is.
    pub fn saw(&self, event: Option<(i64, i64, [u8; 32])>, seal: Option<(i64, [u8; 32])>) {
        let mut kept = self.kept.lock();
        let newest = kept.mark.event.map_or(0, |(_, number, _)| number);
        if event.is_some_and(|(_, number, _)| number > newest) {
            kept.mark.event = event;
        }
        let newest = kept.mark.seal.map_or(0, |(number, _)| number);
        if seal.is_some_and(|(number, _)| number > newest) {
            kept.mark.seal = seal;
        }
        if self.standing() != Standing::Intact {
            return;
        }
        let mark = kept.mark.clone();
        let written = kept.anchor.as_mut().map_or(Ok(()), |anchor| anchor.write(&mark));
        if let Err(error) = written {
            self.end(&format!("the anchor cannot be written: {error}"));
        }
    }

    pub fn sync(&self) {
        let synced = self.kept.lock().anchor.as_ref().map_or(Ok(()), Anchor::sync);
        if let Err(error) = synced {
            tracing::warn!(%error, "the anchor could not be synced");
        }
    }

    /// Whether a database that was just connected to has what this process saw committed: after a
    /// failover, what had not reached the new primary is missing there.
    pub async fn compare(&self, client: &ClientWrapper) -> Result<(), tokio_postgres::Error> {
        let seen = self.kept.lock().mark.event;
        let Some((merchant, number, hash)) = seen else { return Ok(()) };
        let sql = "SELECT hash FROM events WHERE merchant = $1 AND number = $2";
        let kept = client.query_opt(sql, &[&merchant, &number]).await?;
        let same = kept.as_ref().is_some_and(|row| row.get::<_, &[u8]>(0) == hash);
        if !same {
            let how = if kept.is_some() { "says something else" } else { "is not there" };
            self.behind(format!(
                "event {number} was committed before and {how} in the database that is connected \
                 now; it may be a standby that did not have everything"
            ));
        }
        Ok(())
    }
}
