//! The yardstick: a loop that writes the rows of refunds into the product's own schema, and nothing
//! else. No HTTP, no rules, no look-ups, no hashing, one thread. What the product reaches is
//! compared with this at the same number of commands a commit; [`footprint`] shows that both
//! write the same rows.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, params};

use crate::cli::Failure;

const SCHEMA: &str = include_str!("../../store/migrations/0001_books/sqlite.sql");
/// As the product's database file is called.
pub const FILE: &str = "refundry.db";
const ORDERS: i64 = 20_000;
/// What one refund gives back of a payment, and what its payment was.
const AMOUNT: i64 = 100;
const PAID: i64 = 100_000;
/// What an answer to `POST /v1/refunds` weighs.
const ANSWER_BYTES: usize = 880;
const AT: i64 = 1_700_000_000_000;

const REQUESTED: &str = r#"{"state":"pending","execution":"automatic","to":"original_payment","amount":100,"shares":[{"transaction":1000001,"payment":100001,"amount":100}],"parts":[]}"#;
const STARTED: &str = r#"{"from":"pending","to":"processing","amount":100,"refunded":0,"moves":[{"transaction":1000001,"payment":100001,"amount":100,"from":"pending","to":"processing"}],"shares":[],"released":[],"retaken":[],"failure":null}"#;
const SETTLED: &str = r#"{"from":"processing","to":"succeeded","amount":100,"refunded":100,"moves":[{"transaction":1000001,"payment":100001,"amount":100,"from":"processing","to":"succeeded","provider_reference":"sbx_0123456789ab-1000001"}],"shares":[],"released":[],"retaken":[],"failure":null}"#;

pub struct Bare {
    conn: Connection,
    next: i64,
    made: i64,
    answer: Vec<u8>,
}

/// A refund on its way.
#[derive(Clone, Copy)]
struct Life {
    order: i64,
    payment: i64,
    refund: i64,
    transaction: i64,
    last_event: i64,
}

/// What the loop did in the time it had.
pub struct Ran {
    pub refunds: u64,
    pub took: Duration,
}

impl Bare {
    /// A database with orders to refund, in a directory that is there.
    pub fn open(directory: &Path) -> Result<Bare, Failure> {
        let prepared = Bare::prepare(directory);
        prepared.map_err(|problem| Failure::new(format!("the bare loop: {problem}")))
    }

    fn prepare(directory: &Path) -> rusqlite::Result<Bare> {
        let conn = Connection::open(directory.join(FILE))?;
        conn.set_prepared_statement_cache_capacity(64);
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        conn.pragma_update(None, "cache_size", -32_768)?;
        conn.execute_batch(SCHEMA)?;
        let mut bare = Bare { conn, next: 2, made: 0, answer: vec![b'x'; ANSWER_BYTES] };
        bare.transaction(|bare| (0..ORDERS).try_for_each(|order| bare.order(2 + 2 * order)))?;
        bare.next = 2 + 2 * ORDERS;
        Ok(bare)
    }

    /// Whole lives of refunds (created, started, settled), so many commands a commit.
    pub fn run(&mut self, batch: usize, time: Duration) -> Result<Ran, Failure> {
        let ran = self.lives(batch, time);
        ran.map_err(|problem| Failure::new(format!("the bare loop: {problem}")))
    }

    fn lives(&mut self, batch: usize, time: Duration) -> rusqlite::Result<Ran> {
        let began = Instant::now();
        let mut refunds = 0;
        let mut open = Vec::with_capacity(batch);
        while began.elapsed() < time {
            self.transaction(|bare| {
                for _ in 0..batch {
                    open.push(bare.create()?);
                }
                Ok(())
            })?;
            self.transaction(|bare| open.iter_mut().try_for_each(|life| bare.start(life)))?;
            self.transaction(|bare| open.iter_mut().try_for_each(|life| bare.settle(life)))?;
            refunds += u64::try_from(open.len()).unwrap_or(0);
            open.clear();
        }
        Ok(Ran { refunds, took: began.elapsed() })
    }

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Bare) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = work(self)?;
        if self.next > 0 {
            let sql = "INSERT INTO state (name, value) VALUES ('next', ?1) \
                ON CONFLICT DO UPDATE SET value = excluded.value";
            self.conn.prepare_cached(sql)?.execute([self.next])?;
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(done)
    }

    fn order(&mut self, number: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO orders (merchant, number, reference, currency, captured, held, \
            refunded, blocked, chain_length, chain_hash, last_event, last_refund, created_at, \
            updated_at) VALUES (1, ?1, ?2, 'GBP', ?3, 0, 0, 0, 2, zeroblob(32), 0, 0, ?4, ?4)";
        let reference = number.to_string();
        self.conn.prepare_cached(sql)?.execute(params![number, reference, PAID, AT])?;
        let sql = "INSERT INTO transactions (merchant, number, order_number, currency, kind, \
            provider, method, amount, captured, created_at, updated_at) \
            VALUES (1, ?1, ?2, 'GBP', 'payment', 'sandbox', 'card', ?3, ?3, ?4, ?4)";
        self.conn.prepare_cached(sql)?.execute(params![number + 1, number, PAID, AT])?;
        Ok(())
    }

    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn create(&mut self) -> rusqlite::Result<Life> {
        let order = 2 + 2 * (self.made % ORDERS);
        self.made += 1;
        let (refund, transaction) = (self.number(), self.number());
        let mut life = Life { order, payment: order + 1, refund, transaction, last_event: 0 };
        self.balances(&life, AMOUNT, 0)?;
        let key = format!("0123456789ab-{transaction}");
        let sql = "INSERT INTO transactions (merchant, number, order_number, currency, kind, \
            parent, provider, method, amount, refund, execution, state, provider_key, sends, \
            superseded, created_at, updated_at) VALUES (1, ?1, ?2, 'GBP', 'refund', ?3, \
            'sandbox', 'card', ?4, ?5, 'automatic', 'pending', ?6, 0, 0, ?7, ?7)";
        let row = params![transaction, order, life.payment, AMOUNT, refund, key, AT];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let sql = "INSERT INTO refunds (merchant, number, order_number, previous, state, \
            execution, destination, currency, amount, refunded, asked_by, requested_by, \
            confirmed_by, created_at, updated_at) VALUES (1, ?1, ?2, 0, 'pending', 'automatic', \
            'original_payment', 'GBP', ?3, 0, 'amount', 'key:12345', 'key:12345', ?4, ?4)";
        self.conn.prepare_cached(sql)?.execute(params![refund, order, AMOUNT, AT])?;
        let sql = "INSERT INTO work (merchant, queue, subject, due) VALUES (1, 'pay', ?1, ?2)";
        self.conn.prepare_cached(sql)?.execute((transaction, AT))?;
        self.event(&mut life, "refund.requested", "key:12345", REQUESTED)?;
        self.claim()?;
        Ok(life)
    }

    fn claim(&mut self) -> rusqlite::Result<()> {
        let answer = self.number();
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&scattered(answer).to_be_bytes());
        let sql = "INSERT INTO claims (merchant, digest, answer) VALUES (1, ?1, ?2)";
        self.conn.prepare_cached(sql)?.execute((digest, answer))?;
        let sql = "INSERT INTO answers (merchant, number, fingerprint, status, answered_at, body) \
            VALUES (1, ?1, zeroblob(32), 201, ?2, ?3)";
        self.conn.prepare_cached(sql)?.execute(params![answer, AT, self.answer])?;
        Ok(())
    }

    /// A worker takes it.
    fn start(&mut self, life: &mut Life) -> rusqlite::Result<()> {
        let sql = "UPDATE transactions SET state = 'processing', sends = 1, failure_code = NULL, \
            failure_message = NULL, superseded = 0, message = NULL, updated_at = ?2, \
            settled_at = NULL WHERE merchant = 1 AND number = ?1";
        self.conn.prepare_cached(sql)?.execute((life.transaction, AT))?;
        self.refund(life, "processing", 0)?;
        let sql = "INSERT INTO work (merchant, queue, subject, due, lease_worker, lease_until) \
            VALUES (1, 'pay', ?1, ?2, 7, ?2) ON CONFLICT DO UPDATE SET due = excluded.due, \
            lease_worker = excluded.lease_worker, lease_until = excluded.lease_until";
        self.conn.prepare_cached(sql)?.execute((life.transaction, AT + 60_000))?;
        self.event(life, "refund.processing", "worker", STARTED)
    }

    /// Its provider has paid.
    fn settle(&mut self, life: &mut Life) -> rusqlite::Result<()> {
        self.balances(life, -AMOUNT, AMOUNT)?;
        let sql = "UPDATE transactions SET state = 'succeeded', sends = 1, failure_code = NULL, \
            failure_message = NULL, superseded = 0, message = NULL, updated_at = ?2, \
            settled_at = ?2, provider_reference = ?3 WHERE merchant = 1 AND number = ?1";
        let reference = format!("sbx_0123456789ab-{}", life.transaction);
        self.conn.prepare_cached(sql)?.execute((life.transaction, AT, reference))?;
        self.refund(life, "succeeded", AMOUNT)?;
        let sql = "DELETE FROM work WHERE merchant = 1 AND queue = 'pay' AND subject = ?1";
        self.conn.prepare_cached(sql)?.execute([life.transaction])?;
        self.event(life, "refund.succeeded", "worker", SETTLED)
    }

    fn balances(&mut self, life: &Life, held: i64, refunded: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE transactions SET held = held + ?2, refunded = refunded + ?3, \
            updated_at = ?4 WHERE merchant = 1 AND number = ?1";
        self.conn.prepare_cached(sql)?.execute((life.payment, held, refunded, AT))?;
        let sql = "UPDATE orders SET held = held + ?2, refunded = refunded + ?3 \
            WHERE merchant = 1 AND number = ?1";
        self.conn.prepare_cached(sql)?.execute((life.order, held, refunded))?;
        Ok(())
    }

    fn refund(&mut self, life: &Life, state: &str, refunded: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE refunds SET state = ?2, refunded = ?3, updated_at = ?4, \
            settled_at = ?4 WHERE merchant = 1 AND number = ?1";
        self.conn.prepare_cached(sql)?.execute((life.refund, state, refunded, AT))?;
        Ok(())
    }

    /// An event, and the order that its chain ends in.
    fn event(&mut self, life: &mut Life, name: &str, by: &str, data: &str) -> rusqlite::Result<()> {
        let number = self.number();
        let hash = [0x5a_u8; 32];
        let sql = "INSERT INTO events (merchant, number, order_number, previous, position, name, \
            subject_kind, subject, happened_at, done_by, data, hash) \
            VALUES (1, ?1, ?2, ?3, 3, ?4, 'refund', ?5, ?6, ?7, ?8, ?9)";
        let row =
            params![number, life.order, life.last_event, name, life.refund, AT, by, data, hash];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let sql = "UPDATE orders SET chain_length = chain_length + 1, chain_hash = ?2, \
            last_event = ?3, last_refund = ?4, updated_at = ?5 WHERE merchant = 1 AND number = ?1";
        let row = params![life.order, hash, number, life.refund, AT];
        self.conn.prepare_cached(sql)?.execute(row)?;
        life.last_event = number;
        Ok(())
    }
}

/// The same number scattered over all numbers, as digests are.
fn scattered(number: i64) -> u64 {
    let mut mixed = number.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How many rows each table has that refunds write to, and how many bytes the database.
pub struct Footprint {
    pub rows: Vec<(&'static str, u64)>,
    pub bytes: u64,
}

impl Footprint {
    /// What one of so many refunds has added, rows in thousandths.
    pub fn since(&self, before: &Footprint, refunds: u64) -> Footprint {
        let refunds = refunds.max(1);
        let rows = self.rows.iter().zip(&before.rows);
        Footprint {
            rows: rows
                .map(|((table, now), (_, then))| (*table, (now - then) * 1000 / refunds))
                .collect(),
            bytes: (self.bytes - before.bytes) / refunds,
        }
    }
}

/// Reads it from a database that nobody writes to now.
pub fn footprint(directory: &Path) -> Result<Footprint, Failure> {
    let read = || -> rusqlite::Result<Footprint> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(directory.join(FILE), flags)?;
        let one = |sql: &str| -> rusqlite::Result<u64> {
            conn.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))
        };
        let rows = [
            ("transactions", one("SELECT count(*) FROM transactions")?),
            ("refunds", one("SELECT count(*) FROM refunds")?),
            ("events", one("SELECT count(*) FROM events")?),
            ("claims", one("SELECT count(*) FROM claims")?),
            ("answers", one("SELECT count(*) FROM answers")?),
            ("work", one("SELECT count(*) FROM work")?),
        ];
        let bytes = one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?;
        Ok(Footprint { rows: rows.to_vec(), bytes })
    };
    read().map_err(|problem| Failure::new(format!("the database cannot be read: {problem}")))
}
