//! What the sandbox did, by key: an SQLite file of its own, written by one thread in batches. It is
//! not synced (it survives the death of the process, not of the machine): it stands for somebody
//! else's books, and must not cost the benchmark what ours cost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use refundry_domain::ids::{MerchantId, Timestamp, TransactionId};
use refundry_domain::money::{Currency, Minor};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::script::{self, Fate, Reply, Row, Says, Script};
use crate::clock::Clock;
use crate::gateways::{Attempt, Notice};

const FILE: &str = "sandbox.db";
/// How many calls share a commit at most.
const BATCH_MOST: usize = 1024;
/// How often the clock is looked at while notifications wait for their time.
const NOTICE_LOOK: Duration = Duration::from_millis(50);

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS payouts (
    key TEXT NOT NULL PRIMARY KEY,
    merchant INTEGER NOT NULL,
    payment INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    fate INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    asks INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    -- Whether the payment had a script; only those are looked up by payment.
    scripted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS scripted_payments ON payouts (payment) WHERE scripted = 1;
CREATE TABLE IF NOT EXISTS notices (
    number INTEGER PRIMARY KEY,
    due INTEGER NOT NULL,
    key TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notices_due ON notices (due);
";

/// The record cannot be opened, read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the sandbox's record cannot be used: {0}")]
pub struct RecordError(String);

impl From<rusqlite::Error> for RecordError {
    fn from(error: rusqlite::Error) -> RecordError {
        RecordError(error.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Pay,
    Ask,
}

struct Entry {
    call: Call,
    script: Script,
    key: String,
    merchant: MerchantId,
    payment: TransactionId,
    amount: Minor,
    currency: Currency,
    reply: oneshot::Sender<Result<Reply, RecordError>>,
}

enum Errand {
    Enter(Entry),
    Deliver(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

pub struct Record {
    errands: mpsc::Sender<Errand>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Record {
    pub fn open(
        directory: &Path,
        clock: Arc<dyn Clock>,
        notices: UnboundedSender<Notice>,
    ) -> Result<Record, RecordError> {
        let books = Connection::open(directory.join(FILE))?;
        books.execute_batch(SCHEMA)?;
        let waiting = books.query_one("SELECT count(*) FROM notices", [], |row| row.get(0))?;
        let (errands, inbox) = mpsc::channel();
        let writer = Writer { books, clock, notices, waiting };
        let thread = thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| RecordError(error.to_string()))?;
        Ok(Record { errands, writer: Mutex::new(Some(thread)) })
    }

    pub async fn call(
        &self,
        call: Call,
        script: Script,
        attempt: &Attempt,
    ) -> Result<Reply, RecordError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry {
            call,
            script,
            key: attempt.key.clone(),
            merchant: attempt.merchant,
            payment: attempt.payment,
            amount: attempt.amount.minor(),
            currency: attempt.amount.currency(),
            reply,
        };
        self.send(Errand::Enter(entry))?;
        answer.await.map_err(|_| closed())?
    }

    pub async fn deliver_due(&self) {
        let (done, wait) = oneshot::channel();
        if self.send(Errand::Deliver(done)).is_ok() {
            let _ = wait.await;
        }
    }

    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.send(Errand::Close(done)).is_ok() {
            let _ = wait.await;
        }
        if let Some(thread) = self.writer.lock().take() {
            let _ = thread.join();
        }
    }

    fn send(&self, errand: Errand) -> Result<(), RecordError> {
        self.errands.send(errand).map_err(|_| closed())
    }
}

fn closed() -> RecordError {
    RecordError("it is closed".to_owned())
}

/// The thread that owns the file.
struct Writer {
    books: Connection,
    clock: Arc<dyn Clock>,
    notices: UnboundedSender<Notice>,
    /// How many notifications wait for their time.
    waiting: i64,
}

impl Writer {
    fn run(mut self, inbox: &mpsc::Receiver<Errand>) {
        loop {
            let first = if self.waiting > 0 {
                match inbox.recv_timeout(NOTICE_LOOK) {
                    Ok(errand) => errand,
                    Err(RecvTimeoutError::Timeout) => {
                        self.deliver();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                let Ok(errand) = inbox.recv() else { return };
                errand
            };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(errand) = next {
                match errand {
                    Errand::Enter(entry) => batch.push(entry),
                    Errand::Deliver(done) => {
                        self.carry_out(std::mem::take(&mut batch));
                        self.deliver();
                        let _ = done.send(());
                    }
                    Errand::Close(done) => {
                        self.carry_out(batch);
                        let _ = done.send(());
                        return;
                    }
                }
                next = if batch.len() < BATCH_MOST { inbox.try_recv().ok() } else { None };
            }
            self.carry_out(batch);
        }
    }

    /// Enters a batch in one commit and answers each; nobody is answered what was not kept.
    fn carry_out(&mut self, batch: Vec<Entry>) {
        if batch.is_empty() {
            return;
        }
        let waiting = self.waiting;
        match self.enter_all(&batch) {
            Ok(replies) => {
                // Before the answers: a notification can overtake the answer that it is about.
                if self.waiting > 0 {
                    self.deliver();
                }
                for (entry, reply) in batch.into_iter().zip(replies) {
                    let _ = entry.reply.send(Ok(reply));
                }
            }
            Err(error) => {
                self.waiting = waiting;
                let _ = self.books.execute_batch("ROLLBACK");
                for entry in batch {
                    let _ = entry.reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn enter_all(&mut self, batch: &[Entry]) -> Result<Vec<Reply>, RecordError> {
        let now = self.clock.now();
        self.books.execute_batch("BEGIN IMMEDIATE")?;
        let mut replies = Vec::with_capacity(batch.len());
        for entry in batch {
            let reply = match entry.call {
                Call::Pay => self.pay(entry, now)?,
                Call::Ask => self.ask(entry, now)?,
            };
            for due in &reply.notices {
                self.books
                    .prepare_cached("INSERT INTO notices (due, key) VALUES (?1, ?2)")?
                    .execute(params![due.0, entry.key])?;
                self.waiting += 1;
            }
            replies.push(reply);
        }
        self.books.execute_batch("COMMIT")?;
        Ok(replies)
    }

    fn pay(&self, entry: &Entry, now: Timestamp) -> Result<Reply, RecordError> {
        let scripted = entry.script != Script::Succeed;
        let fate = if scripted { Fate::Open } else { Fate::Paid };
        let mut row = self
            .books
            .prepare_cached(
                "INSERT INTO payouts
                 (key, merchant, payment, amount, currency, fate, calls, asks, first_at, scripted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 0, ?7, ?8)
                 ON CONFLICT (key) DO UPDATE SET calls = calls + 1
                 RETURNING fate, amount, calls, asks, first_at",
            )?
            .query_one(
                params![
                    entry.key,
                    entry.merchant.0,
                    entry.payment.0,
                    entry.amount.get(),
                    entry.currency.code(),
                    fate.code(),
                    now.0,
                    scripted,
                ],
                read_row,
            )?;
        let before = row.fate;
        let first = entry.script == Script::DeclineOnce && self.is_first(entry)?;
        let reply = script::on_pay(entry.script, &mut row, &entry.key, first, now);
        self.keep(entry, &row, before)?;
        Ok(reply)
    }

    fn ask(&self, entry: &Entry, now: Timestamp) -> Result<Reply, RecordError> {
        let found = self
            .books
            .prepare_cached(
                "UPDATE payouts SET asks = asks + 1 WHERE key = ?1
                 RETURNING fate, amount, calls, asks, first_at",
            )?
            .query_one([&entry.key], read_row)
            .optional()?;
        let Some(mut row) = found else {
            return Ok(Reply { says: Says::Missing, notices: Vec::new() });
        };
        let before = row.fate;
        let reply = script::on_ask(entry.script, &mut row, &entry.key, now);
        self.keep(entry, &row, before)?;
        Ok(reply)
    }

    fn keep(&self, entry: &Entry, row: &Row, before: Fate) -> Result<(), RecordError> {
        if row.fate != before {
            self.books
                .prepare_cached("UPDATE payouts SET fate = ?2 WHERE key = ?1")?
                .execute(params![entry.key, row.fate.code()])?;
        }
        Ok(())
    }

    /// Whether the entry is the earliest attempt on its payment.
    fn is_first(&self, entry: &Entry) -> Result<bool, RecordError> {
        let earliest: Option<String> = self
            .books
            .prepare_cached(
                "SELECT key FROM payouts WHERE payment = ?1 AND scripted = 1
                 ORDER BY fate = 2 DESC, first_at, key LIMIT 1",
            )?
            .query_one([entry.payment.0], |row| row.get(0))
            .optional()?;
        Ok(earliest.is_none_or(|key| key == entry.key))
    }

    /// Hands on the notifications whose time has come.
    fn deliver(&mut self) {
        if let Err(error) = self.deliver_or_fail() {
            tracing::warn!(%error, "the sandbox could not send its notifications");
        }
    }

    fn deliver_or_fail(&mut self) -> Result<(), RecordError> {
        let now = self.clock.now();
        let mut due =
            self.books.prepare_cached("DELETE FROM notices WHERE due <= ?1 RETURNING key")?;
        let keys = due.query_map([now.0], |row| row.get::<_, String>(0))?;
        for key in keys {
            self.waiting -= 1;
            // Without workers nobody listens; they ask by themselves when they are back.
            let _ = self.notices.send(Notice::about(&key?));
        }
        Ok(())
    }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let amount: i64 = row.get(1)?;
    Ok(Row {
        fate: Fate::from_code(row.get(0)?).unwrap_or(Fate::Open),
        amount: Minor::new(amount).unwrap_or(Minor::ZERO),
        calls: row.get(2)?,
        asks: row.get(3)?,
        first_at: Timestamp(row.get(4)?),
    })
}

/// What the sandbox did in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Attempts that it paid, each counted once however often it was called.
    pub payouts: i64,
    /// Of these, how many it took back later.
    pub reversed: i64,
    /// How often it was told to pay.
    pub calls: i64,
    pub asks: i64,
    /// What it paid and did not take back, in minor units, by currency.
    pub amounts: Vec<(String, i64)>,
}

/// What the sandbox paid of one payment and did not take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentTotal {
    pub merchant: MerchantId,
    pub payment: TransactionId,
    pub currency: String,
    pub payouts: i64,
    pub amount: i64,
}

/// Reads the totals of the record in a data directory, while a server uses it or not.
pub fn totals(directory: &Path) -> Result<Totals, RecordError> {
    let Some(books) = existing(&directory.join(FILE))? else { return Ok(Totals::default()) };
    let mut totals = books.query_one(
        "SELECT coalesce(sum(fate IN (1, 3)), 0), coalesce(sum(fate = 3), 0),
                coalesce(sum(calls), 0), coalesce(sum(asks), 0) FROM payouts",
        [],
        |row| {
            let (payouts, reversed) = (row.get(0)?, row.get(1)?);
            let (calls, asks) = (row.get(2)?, row.get(3)?);
            Ok(Totals { payouts, reversed, calls, asks, amounts: Vec::new() })
        },
    )?;
    let mut by_currency = books.prepare(
        "SELECT currency, sum(amount) FROM payouts WHERE fate = 1 GROUP BY 1 ORDER BY 1",
    )?;
    let amounts = by_currency.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    totals.amounts = amounts.collect::<Result<_, _>>()?;
    Ok(totals)
}

/// Reads what was paid of each payment, in order of their numbers.
pub fn each_payment(
    directory: &Path,
    mut tell: impl FnMut(&PaymentTotal),
) -> Result<(), RecordError> {
    let Some(books) = existing(&directory.join(FILE))? else { return Ok(()) };
    let mut statement = books.prepare(
        "SELECT merchant, payment, currency, count(*), sum(amount) FROM payouts
         WHERE fate = 1 GROUP BY 1, 2, 3 ORDER BY 1, 2",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tell(&PaymentTotal {
            merchant: MerchantId(row.get(0)?),
            payment: TransactionId(row.get(1)?),
            currency: row.get(2)?,
            payouts: row.get(3)?,
            amount: row.get(4)?,
        });
    }
    Ok(())
}

fn existing(file: &PathBuf) -> Result<Option<Connection>, RecordError> {
    if !file.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let books = Connection::open_with_flags(file, flags)?;
    books.busy_timeout(Duration::from_secs(5))?;
    Ok(Some(books))
}
