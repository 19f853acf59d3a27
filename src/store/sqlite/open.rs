//! Opening a data directory: its lock, its schema, and whether the books are what they were.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use refundry_domain::merchant::Settings;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::{Fail, people, seal};
use crate::clock::{Clock, SystemClock};
use crate::store::anchor::{self, Anchor, Found, Mark};
use crate::store::facts::Sealing;
use crate::store::migrations::SQLITE as MIGRATIONS;
use crate::store::people::WORDS_FROM;
use crate::store::{Standing, encode};

/// The database's file name in the data directory.
pub const FILE: &str = "refundry.db";

/// How long a connection waits for a lock that another one has.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How far numbers jump when books are behind: what was lost may have been told to providers, and
/// its numbers must not be given to anything else.
const LOST_NUMBERS: i64 = 10_000_000;

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory {} cannot be used: {source}", .path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(
        "another process uses the data directory {}; stop it, or give this one a directory of its own",
        .0.display()
    )]
    InUse(PathBuf),
    #[error(
        "the database is of a newer version (it has migration {found}, this program knows {known}); \
        use that version of refundry, or restore a backup that was made before it"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "migration {0} was not applied to this database as this program knows it; \
        the file belongs to another build, restore a backup or use that build"
    )]
    Altered(String),
    #[error("the database cannot be opened: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        OpenError::Database(error.to_string())
    }
}

impl From<Fail> for OpenError {
    fn from(fail: Fail) -> OpenError {
        OpenError::Database(fail.to_string())
    }
}

/// Everything a writer starts from.
pub struct Opened {
    pub conn: Connection,
    pub lock: File,
    pub instance: Arc<str>,
    pub next: i64,
    pub anchor: Anchor,
    pub mark: Mark,
    pub sealing: Sealing,
    pub unsealed: i64,
    pub standing: Standing,
}

pub fn open(dir: &Path) -> Result<Opened, OpenError> {
    let failed = |source| OpenError::Directory { path: dir.to_owned(), source };
    // Customers' names are in there: nobody else may look.
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let lock = lock(dir)?;
    let mut conn = connect(dir, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    conn.pragma_update(None, "cache_size", -32_768)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    migrate(&mut conn)?;
    let (anchor, found) = Anchor::open(dir).map_err(failed)?;
    let number = |name: &str| -> Result<i64, OpenError> {
        let sql = "SELECT value FROM state WHERE name = ?1";
        Ok(conn.query_row(sql, [name], |row| row.get(0))?)
    };
    let instance: String =
        conn.query_row("SELECT value FROM state WHERE name = 'instance'", [], |row| row.get(0))?;
    let mut opened = Opened {
        next: number("next")?,
        conn,
        lock,
        instance: instance.into(),
        anchor,
        mark: Mark::default(),
        sealing: Sealing::after(&[0; 32]),
        unsealed: 0,
        standing: Standing::Intact,
    };
    let new = found == Found::Nothing;
    look_back(&mut opened, &found)?;
    if new && opened.standing == Standing::Intact {
        // The anchor must not be lost to a crash of the machine that the database survives, and
        // has both its places on the disk before that is full.
        opened.anchor.write(&opened.mark).map_err(failed)?;
        opened.anchor.write(&opened.mark).map_err(failed)?;
        opened.anchor.sync().map_err(failed)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    }
    Ok(opened)
}

/// A connection with what all of them need.
pub fn connect(dir: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let conn =
        Connection::open_with_flags(dir.join(FILE), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(128);
    // Otherwise every binding of a value prepares the statements again that a partial index might
    // serve for some other value.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Who closes last would move the WAL, whatever went wrong before; what moves it knows that.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if !flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
    }
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    match anchor::lock(dir) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(OpenError::InUse(dir.to_owned())),
        Err(source) => Err(OpenError::Directory { path: dir.to_owned(), source }),
    }
}

fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let transaction = conn.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
            number   INTEGER NOT NULL PRIMARY KEY,
            name     TEXT    NOT NULL,
            checksum BLOB    NOT NULL
        ) STRICT",
    )?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.number);
    let found: i64 =
        transaction
            .query_row("SELECT ifnull(max(number), 0) FROM migrations", [], |row| row.get(0))?;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for migration in MIGRATIONS {
        let checksum: [u8; 32] = Sha256::digest(migration.sql.as_bytes()).into();
        if migration.number <= found {
            let applied: Option<[u8; 32]> =
                rusqlite::OptionalExtension::optional(transaction.query_row(
                    "SELECT checksum FROM migrations WHERE number = ?1",
                    [migration.number],
                    |row| row.get(0),
                ))?;
            if applied != Some(checksum) {
                return Err(OpenError::Altered(migration.name.to_owned()));
            }
            continue;
        }
        transaction.execute_batch(migration.sql)?;
        if migration.number == WORDS_FROM {
            people::fill(&transaction)?;
        }
        transaction.execute(
            "INSERT INTO migrations (number, name, checksum) VALUES (?1, ?2, ?3)",
            (migration.number, migration.name, checksum),
        )?;
    }
    if found == 0 {
        found_installation(&transaction)?;
    }
    transaction.commit()?;
    Ok(())
}

/// An installation begins with its name and one merchant, number 1, whose the first key will be.
fn found_installation(conn: &Connection) -> Result<(), OpenError> {
    let mut name = [0; 6];
    let drawn = SysRng.try_fill_bytes(&mut name);
    drawn.map_err(|error| OpenError::Database(format!("no random numbers: {error}")))?;
    let instance: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    conn.execute("INSERT INTO state (name, value) VALUES ('instance', ?1)", [instance])?;
    conn.execute("INSERT INTO state (name, value) VALUES ('next', 2)", [])?;
    let now = SystemClock.now().0;
    conn.execute(
        "INSERT INTO merchants (number, name, settings, chain_length, chain_hash, last_event, \
        created_at, updated_at) VALUES (1, 'default', ?1, 0, zeroblob(32), 0, ?2, ?2)",
        (encode::settings(&Settings::default()), now),
    )?;
    Ok(())
}

/// Compares the books with the anchor, and takes up the seal where it was left.
fn look_back(opened: &mut Opened, found: &Found) -> Result<(), OpenError> {
    let conn = &opened.conn;
    let newest = seal::newest(conn)?;
    let (mut last, mut predecessor) = (0, [0; 32]);
    if let Some(seal) = &newest {
        (last, predecessor) = (seal.last_event.0, seal.digest);
        opened.mark.seal = Some((seal.number, seal.digest));
    }
    opened.sealing = Sealing::after(&predecessor);
    let tail = seal::hashes(conn, last, u32::MAX)?;
    for (merchant, number, hash) in &tail {
        opened.sealing.add(*number, hash);
        opened.unsealed += 1;
        opened.mark.event = Some((*merchant, *number, *hash));
    }
    if tail.is_empty() && last > 0 {
        opened.mark.event = seal::event_numbered(conn, last)?;
    }
    let told = match found {
        Found::Mark(mark) => mark.event.map_or(0, |(_, number, _)| number),
        Found::Nothing | Found::Unreadable => 0,
    };
    let behind = match seal::behind(conn, found, &opened.mark)? {
        Some(why) => Some(why),
        None => seal::altered(conn, &tail)?,
    };
    if let Some(why) = behind {
        // What has a number from here on is asked for after the books were put back.
        let sql =
            "INSERT INTO state (name, value) VALUES ('behind_from', ?1) ON CONFLICT DO NOTHING";
        conn.execute(sql, [opened.next])?;
        opened.next = opened.next.max(told).saturating_add(LOST_NUMBERS);
        opened.standing = Standing::Behind(why);
    }
    Ok(())
}
