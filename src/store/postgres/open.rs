//! Opening the books in a database: its schema, and whether they are what this process has seen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use refundry_domain::merchant::Settings;
use sha2::{Digest, Sha256};

use super::fail::Fail;
use super::pool::{self, Lent, Step};
use super::seal;
use super::watch::Watch;
use super::{Books, Options, people};
use crate::clock::{Clock, SystemClock};
use crate::store::anchor::Found;
use crate::store::encode;
use crate::store::migrations::{Migration, POSTGRES as MIGRATIONS};
use crate::store::people::WORDS_FROM;

/// How many steps one version adds to the schema at most.
const MOST_STEPS_A_VERSION: i64 = 10;
/// How far numbers jump when books are behind: what was lost may have been told to providers, and
/// its numbers must not be given to anything else.
const LOST_NUMBERS: i64 = 10_000_000;
/// How long a migration may take, and another process may wait for it.
const MIGRATION: Duration = Duration::from_secs(600);
const MOST_TRIES: u32 = 20;

/// Why the books in a database cannot be opened.
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
        "the database's URL cannot be read: {0}; it looks like postgres://user:password@host/name"
    )]
    Url(String),
    #[error(
        "the database is of a newer version (it has migration {found}, this program knows {known}); \
        use that version of refundry"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "migration {0} was not applied to this database as this program knows it; \
        the database belongs to another build, use that one"
    )]
    Altered(String),
    #[error("there are no books in this database; begin them with `refundry serve --database URL`")]
    NoBooks,
    #[error("the database cannot be opened: {0}")]
    Database(String),
}

impl From<Fail> for OpenError {
    fn from(fail: Fail) -> OpenError {
        OpenError::Database(fail.to_string())
    }
}

pub async fn open(options: &Options, dir: Option<&Path>) -> Result<Arc<Books>, OpenError> {
    let (watch, found) = Watch::over(dir)?;
    let watch = Arc::new(watch);
    let pool = pool::open(options, &watch)?;
    let mut lent = pool::lend(&pool, MIGRATION).await?;
    if !options.begin {
        there_are_books(&mut lent).await?;
    }
    migrate(&mut lent).await?;
    let instance = instance(&mut lent).await?;
    let mut replica = [0; 8];
    let drawn = SysRng.try_fill_bytes(&mut replica);
    drawn.map_err(|error| OpenError::Database(format!("no random numbers: {error}")))?;
    let books = Books::new(pool, options, instance.into(), watch, i64::from_be_bytes(replica));
    look_back(&books, &mut lent, &found).await?;
    Ok(Arc::new(books))
}

async fn there_are_books(lent: &mut Lent) -> Result<(), OpenError> {
    let sql = "SELECT to_regclass('migrations') IS NULL";
    let rows = lent.send(&[Step::Query(sql, vec![])]).await?;
    lent.cleared();
    let none = rows.first().and_then(|rows| rows.first()).is_none_or(|row| row.get(0));
    if none { Err(OpenError::NoBooks) } else { Ok(()) }
}

/// The installation's name in its database.
async fn instance(lent: &mut Lent) -> Result<String, OpenError> {
    let sql = "SELECT value FROM state WHERE name = 'instance'";
    let rows = lent.send(&[Step::Query(sql, vec![])]).await?;
    lent.cleared();
    let row = rows.first().and_then(|rows| rows.first());
    let missing = || OpenError::Database("the installation has no name".to_owned());
    Ok(row.ok_or_else(missing)?.get(0))
}

/// Several processes may do this at once: a migration's row is put in before its statements run,
/// so whoever comes second waits at that row, and finds it done.
async fn migrate(lent: &mut Lent) -> Result<(), OpenError> {
    let table = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, \
        name TEXT NOT NULL, checksum BYTEA NOT NULL)";
    let mut tries = 0;
    // Even so, two that make the table at once may collide in the catalog.
    while let Err(fail) = lent.send(&[Step::Plain(table)]).await {
        tries += 1;
        if tries == MOST_TRIES {
            return Err(fail.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lent.cleared();
    let known = MIGRATIONS.last().map_or(0, |migration| migration.number);
    let found = applied(lent).await?;
    // The next version's schema is one that this version can work with, so that replicas can be
    // replaced one by one.
    if found > known + MOST_STEPS_A_VERSION {
        return Err(OpenError::Newer { found, known });
    }
    for migration in MIGRATIONS {
        apply(lent, migration).await?;
    }
    Ok(())
}

async fn applied(lent: &mut Lent) -> Result<i64, OpenError> {
    let sql = "SELECT coalesce(max(number), 0) FROM migrations";
    let rows = lent.send(&[Step::Query(sql, vec![])]).await?;
    lent.cleared();
    Ok(rows.first().and_then(|rows| rows.first()).map_or(0, |row| row.get(0)))
}

async fn apply(lent: &mut Lent, migration: &Migration) -> Result<(), OpenError> {
    let checksum: [u8; 32] = Sha256::digest(migration.sql.as_bytes()).into();
    let sum = &checksum[..];
    let begin = "BEGIN; SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'";
    let insert = "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3) \
        ON CONFLICT DO NOTHING RETURNING number";
    let check = "SELECT checksum FROM migrations WHERE number = $1";
    let steps = [
        Step::Plain(begin),
        Step::Query(insert, vec![&migration.number, &migration.name, &sum]),
        Step::Query(check, vec![&migration.number]),
    ];
    let answers = lent.send(&steps).await?;
    if answers[1].is_empty() {
        let same = answers[2].first().is_some_and(|row| row.get::<_, &[u8]>(0) == sum);
        lent.roll_back().await?;
        return if same { Ok(()) } else { Err(OpenError::Altered(migration.name.to_owned())) };
    }
    lent.send(&[Step::Plain(migration.sql)]).await?;
    if migration.number == WORDS_FROM {
        people::fill(lent).await?;
    }
    if migration.number == 1 {
        found_installation(lent).await?;
    }
    lent.send(&[Step::Plain("COMMIT")]).await?;
    lent.cleared();
    Ok(())
}

/// An installation begins with its name and one merchant, number 1, whose the first key will be.
async fn found_installation(lent: &mut Lent) -> Result<(), OpenError> {
    let mut name = [0; 6];
    let drawn = SysRng.try_fill_bytes(&mut name);
    drawn.map_err(|error| OpenError::Database(format!("no random numbers: {error}")))?;
    let instance: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let (settings, now) = (encode::settings(&Settings::default()), SystemClock.now().0);
    let zeros = vec![0_u8; 32];
    let merchant = "INSERT INTO merchants (number, name, settings, chain_length, chain_hash, \
        last_event, created_at, updated_at) VALUES (1, 'default', $1, 0, $2, 0, $3, $3)";
    let steps = [
        Step::Query("INSERT INTO state (name, value) VALUES ('instance', $1)", vec![&instance]),
        Step::Query(merchant, vec![&settings, &zeros, &now]),
    ];
    lent.send(&steps).await?;
    Ok(())
}

/// Compares the books with the anchor. A process without an anchor has seen nothing yet, such as a
/// new replica: it begins with what is there.
async fn look_back(books: &Books, lent: &mut Lent, found: &Found) -> Result<(), OpenError> {
    let (newest, event) = seal::end(lent).await?;
    let told = match found {
        Found::Mark(mark) => mark.event.map_or(0, |(_, number, _)| number),
        Found::Nothing | Found::Unreadable => 0,
    };
    let behind = match seal::behind(lent, found).await? {
        Some(why) => Some(why),
        None => seal::altered(lent).await?,
    };
    if let Some(why) = behind {
        books.watch.behind(why);
        let sql = "SELECT setval('numbers', greatest(last_value, $1) + $2) FROM numbers";
        lent.send(&[Step::Query(sql, vec![&told, &LOST_NUMBERS])]).await?;
        lent.cleared();
    }
    books.watch.saw(event, newest);
    if *found == Found::Nothing {
        books.watch.saw(event, newest);
        books.watch.sync();
    }
    Ok(())
}
