//! A copy of the books as they are at one moment, taken while a server works on them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::open::{FILE, connect};

/// How many pages are copied before somebody is told how far it has come.
const PAGES_A_STEP: i32 = 1_000;

/// Why there is no backup; nothing is left at its place then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there are no books in {}", .0.display())]
    NoBooks(PathBuf),
    #[error("{} is there already; a backup replaces nothing, name a new file", .0.display())]
    Exists(PathBuf),
    #[error("the backup cannot be written to {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the books cannot be copied: {0}")]
    Copy(String),
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> BackupError {
        BackupError::Copy(error.to_string())
    }
}

/// Copies the database of a data directory into a new file, readable by its owner alone, and
/// answers its bytes. It has every commit from before the call and none in part; the server that
/// writes meanwhile is not kept waiting. The file appears under its name once it is whole and on
/// disk. `told` hears how many pages of how many are copied.
pub fn backup(dir: &Path, to: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<u64, BackupError> {
    if !dir.join(FILE).is_file() {
        return Err(BackupError::NoBooks(dir.to_owned()));
    }
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = |source| BackupError::Write { path: part.clone(), source };
    // Customers' names are in there: nobody else may look.
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&part);
    let file = file.map_err(write)?;
    let copied = copy(dir, &part, told).and_then(|()| {
        file.sync_all().map_err(write)?;
        // Unlike a rename, this replaces nothing that somebody has put there meanwhile.
        fs::hard_link(&part, to)
            .map_err(|source| BackupError::Write { path: to.to_owned(), source })
    });
    fs::remove_file(&part).map_err(write)?;
    copied?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(write)?;
    folder.sync_all().map_err(write)?;
    Ok(file.metadata().map_err(write)?.len())
}

fn copy(dir: &Path, to: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<(), BackupError> {
    let books = connect(dir, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let books = books.map_err(|error| BackupError::Copy(error.to_string()))?;
    // One reading transaction over all steps: each would begin anew after every commit otherwise,
    // and never end beside a busy server.
    books.execute_batch("BEGIN")?;
    books.query_row("SELECT count(*) FROM migrations", [], |_| Ok(()))?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The file is synced as a whole once it is written, and thrown away when that fails.
    target.pragma_update(None, "journal_mode", "OFF")?;
    target.pragma_update(None, "synchronous", "OFF")?;
    copy_pages(&books, &mut target, dir, told)?;
    // One file, with no log beside it. And whatever these books were behind: when they are put back,
    // they are behind anew, with all that is open in them.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.execute("DELETE FROM state WHERE name = 'behind_from'", [])?;
    Ok(())
}

fn copy_pages(
    books: &Connection,
    target: &mut Connection,
    dir: &Path,
    told: &mut dyn FnMut(u64, u64),
) -> Result<(), BackupError> {
    let steps = Backup::new(books, target)?;
    loop {
        let step = steps.step(PAGES_A_STEP)?;
        let progress = steps.progress();
        let count = |pages: i32| u64::from(pages.unsigned_abs());
        let all = count(progress.pagecount);
        told(all.saturating_sub(count(progress.remaining)), all);
        if step == StepResult::Done {
            return Ok(());
        }
        if step != StepResult::More {
            return Err(BackupError::Copy(format!("{} is locked", dir.join(FILE).display())));
        }
    }
}
