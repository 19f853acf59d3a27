//! The one thread that writes: it takes whatever waits, carries it out in one transaction, and
//! answers once that is on disk.

use std::collections::HashSet;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use refundry_domain::command::Command;
use refundry_domain::ids::{MerchantId, Numbers, Timestamp};
use refundry_domain::outcome::Reporter;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Fail;
use super::checkpoint::Chore;
use super::commit::{Batch, settle};
use super::shelf::Shelf;
use super::{seal, work};
use crate::store::anchor::{Anchor, Mark};
use crate::store::facts::Sealing;
use crate::store::{Intent, Settlement, Standing, StoreError};

/// How many intents share a commit at most.
const MOST_INTENTS: usize = 256;

/// How many events a seal covers at most. Opening reads those that no seal covers.
const MOST_UNSEALED: i64 = 5_000;

/// How long workers' intents wait for a caller's to share the commit with, at most; and how long
/// after the last answer to a caller another is expected.
const LINGER: Duration = Duration::from_millis(1);
const CALLERS_STAY: Duration = Duration::from_millis(5);

pub type Settled = Result<Settlement, StoreError>;

pub enum Job {
    Commit {
        intent: Box<Intent>,
        reply: oneshot::Sender<Settled>,
    },
    /// Anything else that writes, in a transaction of its own.
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
    /// Ends the thread.
    Stop,
}

/// Whether writes are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Well,
    /// The disk is full; nothing was lost, and the next write tries again.
    Full(String),
    /// For good: what is on disk is not known.
    Broken(String),
}

/// Whether callers are about, who wait for their answers. Workers do not: while callers come and
/// go, a batch of nothing but workers' intents stays open for the next caller, who else would
/// stand behind its fsync.
#[derive(Default)]
struct Callers {
    /// When the batch before this, with a caller's intent in it, was answered.
    last_answered: Option<Instant>,
    /// Until when a batch without a caller stays open.
    open_until: Option<Instant>,
    heard: bool,
}

impl Callers {
    fn hear(&mut self, intent: &Intent) {
        self.heard |= !is_workers(&intent.command);
    }

    /// The next job to share the commit, if one is there or worth waiting for.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        let waiting = jobs.try_recv().ok();
        if waiting.is_some() || self.heard {
            return waiting;
        }
        let last = self.last_answered?;
        let now = Instant::now();
        if now.duration_since(last) > CALLERS_STAY {
            return None;
        }
        let until = *self.open_until.get_or_insert(now + LINGER);
        jobs.recv_timeout(until.checked_duration_since(now)?).ok()
    }

    fn answered(&mut self) {
        if take(&mut self.heard) {
            self.last_answered = Some(Instant::now());
        }
        self.open_until = None;
    }
}

/// Whether it comes from a worker, whom a moment's delay does not hurt.
fn is_workers(command: &Command) -> bool {
    match command {
        Command::Start { .. } | Command::Expire => true,
        Command::Report(report) => report.by != Reporter::Caller,
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::RequestRefund(_)
        | Command::ChangeRefund(_)
        | Command::Confirm { .. }
        | Command::Cancel { .. }
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Annotate { .. } => false,
    }
}

pub struct Writer {
    pub conn: Connection,
    pub instance: Arc<str>,
    pub next: i64,
    /// The merchants there are.
    pub merchants: HashSet<i64>,
    pub anchor: Anchor,
    pub mark: Mark,
    /// Over the events since the newest seal, and how many they are.
    pub sealing: Sealing,
    pub unsealed: i64,
    pub shelf: Shelf,
    pub health: Arc<RwLock<Health>>,
    pub standing: Arc<RwLock<Standing>>,
    pub chores: Sender<Chore>,
    /// Set by the checkpointer when most of the WAL is in the database file.
    pub settled: Arc<AtomicBool>,
    pub wal: super::checkpoint::Wal,
    // Last, so that nobody else opens the directory before all above is let go of.
    pub _lock: std::fs::File,
}

impl Writer {
    /// Works until it is told to stop, or nobody is left to ask for anything.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let mut intents = Vec::with_capacity(MOST_INTENTS);
        let mut replies = Vec::with_capacity(MOST_INTENTS);
        let mut waiting = None;
        let mut callers = Callers::default();
        loop {
            let Some(job) = waiting.take().or_else(|| jobs.recv().ok()) else { return };
            match job {
                Job::Stop => return,
                Job::Alone(task) => task(&mut self),
                Job::Commit { intent, reply } => {
                    callers.hear(&intent);
                    intents.push(*intent);
                    replies.push(reply);
                    while intents.len() < MOST_INTENTS && waiting.is_none() {
                        match callers.next(jobs) {
                            Some(Job::Commit { intent, reply }) => {
                                callers.hear(&intent);
                                intents.push(*intent);
                                replies.push(reply);
                            }
                            Some(other) => waiting = Some(other),
                            None => break,
                        }
                    }
                    let settled = self.batch(&intents);
                    for (reply, settled) in replies.drain(..).zip(settled) {
                        // Whoever asked may have hung up; what was done stays done.
                        let _ = reply.send(settled);
                    }
                    callers.answered();
                    intents.clear();
                    self.tidy();
                }
            }
        }
    }

    /// All in one transaction; when one of them cannot be carried out, each in its own, so that
    /// it fails alone.
    fn batch(&mut self, intents: &[Intent]) -> Vec<Settled> {
        match self.together(intents) {
            Ok(settled) => settled.into_iter().map(Ok).collect(),
            Err(error) if intents.len() == 1 || self.is_broken() => {
                intents.iter().map(|_| Err(error.clone())).collect()
            }
            Err(_) => intents
                .iter()
                .map(|intent| {
                    let settled = self.together(std::slice::from_ref(intent))?;
                    let lost = || StoreError::Damaged("a command has no outcome".to_owned());
                    settled.into_iter().next().ok_or_else(lost)
                })
                .collect(),
        }
    }

    fn together(&mut self, intents: &[Intent]) -> Result<Vec<Settlement>, StoreError> {
        let latest = intents.iter().map(|intent| intent.at).max().unwrap_or(Timestamp(0));
        self.transaction(|writer, batch| {
            writer.seal_in_time(batch, latest)?;
            let mut settled = Vec::with_capacity(intents.len());
            for intent in intents {
                writer.known_merchant(intent.merchant)?;
                settled.push(settle(&writer.conn, &writer.instance, batch, intent)?);
            }
            Ok(settled)
        })
    }

    /// Seals before too many events are without one.
    pub fn seal_in_time(&mut self, batch: &mut Batch, at: Timestamp) -> Result<(), Fail> {
        if self.unsealed >= MOST_UNSEALED {
            seal::add(self, batch, at)?;
        }
        Ok(())
    }

    pub fn known_merchant(&self, merchant: MerchantId) -> Result<(), Fail> {
        if self.merchants.contains(&merchant.0) {
            return Ok(());
        }
        Err(Fail::Unavailable(format!("there is no merchant {merchant}")))
    }

    fn is_broken(&self) -> bool {
        matches!(*self.health.read(), Health::Broken(_))
    }

    /// Runs `work` in one transaction and commits it. When it comes back without an error, what
    /// it wrote is on disk; with any but [`StoreError::Broken`], nothing was written.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Writer, &mut Batch) -> Result<T, Fail>,
    ) -> Result<T, StoreError> {
        if let Health::Broken(why) = &*self.health.read() {
            return Err(StoreError::Broken(why.clone()));
        }
        let numbers = Numbers::starting_at(self.next);
        // Taken, so that a transaction that does not commit loses it.
        let mut batch = Batch { numbers, events: Vec::new(), shelf: take(&mut self.shelf) };
        let changes = self.conn.total_changes();
        let sealed = (self.sealing.clone(), self.unsealed, self.mark.clone());
        match self.attempt(&mut batch, work) {
            Ok(done) => {
                if self.conn.total_changes() != changes && self.recovers() {
                    *self.health.write() = Health::Well;
                }
                self.next = batch.numbers.peek();
                self.committed(&batch, sealed.2.seal);
                self.shelf = batch.shelf;
                Ok(done)
            }
            Err(fail) => {
                (self.sealing, self.unsealed, self.mark) = sealed;
                Err(self.failed(fail))
            }
        }
    }

    /// Whether a write that succeeded means that all do again.
    fn recovers(&self) -> bool {
        !matches!(*self.health.read(), Health::Full(_)) || work::room(&self.conn).is_ok()
    }

    fn attempt<T>(
        &mut self,
        batch: &mut Batch,
        work: impl FnOnce(&mut Writer, &mut Batch) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let before = batch.numbers.peek();
        // A book that is not what the rules left behind makes them panic. That is the book's
        // fault, and must stop this command and no other.
        let done = catch_unwind(AssertUnwindSafe(|| work(self, batch))).unwrap_or_else(|_| {
            Err(Fail::Damaged("a book contradicts itself; run verify".to_owned()))
        })?;
        if batch.numbers.peek() != before {
            let sql = "UPDATE state SET value = ?1 WHERE name = 'next'";
            self.conn.prepare_cached(sql)?.execute([batch.numbers.peek()])?;
        }
        self.conn.prepare_cached("COMMIT")?.execute([]).map_err(Fail::of_commit)?;
        Ok(done)
    }

    /// Rolls back and says what that means for the command, and for all after it.
    fn failed(&mut self, fail: Fail) -> StoreError {
        let rolled_back = self.conn.is_autocommit() || self.conn.execute_batch("ROLLBACK").is_ok();
        let error = match fail {
            fail if !rolled_back => StoreError::Broken(format!("{fail}, and no rollback")),
            Fail::Lost(why) => StoreError::Broken(why),
            Fail::Full(why) => {
                *self.health.write() = Health::Full(why.clone());
                return StoreError::Unavailable(why);
            }
            Fail::Unavailable(why) => return StoreError::Unavailable(why),
            Fail::Damaged(why) => return StoreError::Damaged(why),
        };
        if let StoreError::Broken(why) = &error {
            *self.health.write() = Health::Broken(why.clone());
        }
        error
    }

    fn committed(&mut self, batch: &Batch, sealed: Option<(i64, [u8; 32])>) {
        if self.mark.seal != sealed {
            // Nothing is lost without: the seal is in the database.
            let _ = self.chores.send(Chore::SyncAnchor);
        }
        for event in &batch.events {
            self.sealing.add(event.number, &event.hash);
            self.unsealed += 1;
        }
        if let Some(newest) = batch.events.last() {
            self.mark.event = Some((newest.merchant, newest.number, newest.hash));
        }
        self.write_anchor();
    }

    /// Tells the anchor what was committed. While the books are behind it, it stays as it is.
    pub fn write_anchor(&mut self) {
        if *self.standing.read() != Standing::Intact {
            return;
        }
        if let Err(error) = self.anchor.write(&self.mark) {
            let why = format!("the anchor cannot be written: {error}");
            *self.health.write() = Health::Broken(why);
        }
    }

    /// Chores between batches.
    fn tidy(&mut self) {
        self.wal.look_after(&self.conn, &self.chores, &self.settled);
    }
}
