//! Pays out: every refund transaction is committed as sent before it is sent, sent under one key,
//! and looked up before it is sent again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use refundry_domain::changes::{Queue, Work};
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, Timestamp, TransactionId};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Refund, RefundTransaction, TransactionState};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::attempt::{attempt_of, note, subject};
use super::lanes::{Lanes, Payout, Place};
use super::learn::{self, Stage};
use super::{Count, Tally};
use crate::access::Caller;
use crate::connections::{Connections, Found};
use crate::gateways::{Attempt, Gateway, Notice};
use crate::ledger::{Answered, Fault, Hint, Ledger};
use crate::store::{Movement, Standing, StoreError};

/// Looking again: after a second, then twice as long each time, an hour at most.
const LOOK_FIRST_MS: i64 = 1_000;
const LOOK_MOST_MS: i64 = 60 * 60 * 1000;
/// How long to wait for what somebody has to switch on or put right.
const SWITCHED_OFF_MS: i64 = 60_000;
/// Kept free at the end of a lease, for the report.
const LEASE_MARGIN_MS: i64 = 1_000;
/// How many rows one look at the store brings.
const LOOK_ROWS: u32 = 2_048;
const NOTICES_MOST: usize = 256;

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub timeout: Duration,
    pub lease_ms: i64,
    /// Payouts at once a provider; 0 leaves it to the gateway.
    pub concurrency: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { timeout: Duration::from_secs(30), lease_ms: 60_000, concurrency: 0 }
    }
}

pub struct Pay {
    pub(super) ledger: Arc<Ledger>,
    pub(super) connections: Arc<Connections>,
    pub(super) rules: Rules,
    /// Names this process in leases.
    worker: i64,
    by: Arc<str>,
    dice: Mutex<StdRng>,
    /// What this process works on right now: never the same payout twice at once.
    in_flight: Mutex<HashSet<TransactionId>>,
    /// Whether the store's trouble was logged.
    troubled: AtomicBool,
    pub(super) tally: Arc<Tally>,
}

/// Where news comes in.
pub struct Inbox {
    pub hints: mpsc::UnboundedReceiver<Hint>,
    pub notices: mpsc::UnboundedReceiver<Notice>,
}

/// What one of the futures of the loop has done.
enum Done {
    Round { lane: Place, healthy: bool },
    Notice,
    Look(Result<Vec<(MerchantId, Work)>, StoreError>),
    Sorted(Payout, Place, usize),
}

impl Pay {
    /// `seed` is where the worker's name and the spread of its looks come from; two processes over
    /// one store need different ones.
    pub fn new(
        ledger: Arc<Ledger>,
        connections: Arc<Connections>,
        rules: Rules,
        seed: u64,
        tally: Arc<Tally>,
    ) -> Pay {
        let mut dice = StdRng::seed_from_u64(seed);
        let worker = dice.random_range(1..=i64::MAX);
        let dice = Mutex::new(dice);
        Pay {
            ledger,
            connections,
            rules,
            worker,
            by: "worker".into(),
            dice,
            in_flight: Mutex::default(),
            troubled: AtomicBool::new(false),
            tally,
        }
    }

    /// One round over everything that is due now; answers how many payouts were worked on.
    pub async fn tick(&self) -> usize {
        if self.is_halted() {
            return 0;
        }
        let due = match self.ledger.books().offer(Queue::Pay, self.ledger.now(), LOOK_ROWS).await {
            Ok(due) => due,
            Err(error) => {
                self.trouble(&error);
                return 0;
            }
        };
        let rounds =
            due.iter().map(|(merchant, work)| self.round((*merchant, TransactionId(work.subject))));
        // Collected first: a stream over a borrowing iterator of futures is not Send.
        let rounds: Vec<_> = rounds.collect();
        stream::iter(rounds).buffer_unordered(64).count().await
    }

    /// Works until the stop, then finishes what is under way, for `drain` at most.
    pub async fn run(
        &self,
        inbox: &mut Inbox,
        period: Duration,
        drain: Duration,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut lanes = Lanes::new(self.connections.built_in(), self.rules.concurrency);
        let mut running: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut beat = tokio::time::interval(period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fresh = Vec::new();
        let (mut look, mut looking, mut noticing) = (false, false, 0);
        loop {
            while let Some((lane, payout)) = lanes.next() {
                running.push(Box::pin(async move {
                    Done::Round { lane, healthy: self.round(payout).await }
                }));
            }
            self.tally.set_in_flight(lanes.running());
            look |= lanes.wants_more();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => break,
                Some(done) = running.next(), if !running.is_empty() => match done {
                    Done::Round { lane, healthy } => {
                        lanes.done(&lane);
                        if !healthy {
                            lanes.clear();
                        }
                    }
                    Done::Notice => noticing -= 1,
                    Done::Look(found) => {
                        looking = false;
                        self.take(found, &mut lanes, &running);
                    }
                    Done::Sorted(payout, place, usual) => lanes.add(&place, usual, payout),
                },
                Some(notice) = inbox.notices.recv(), if noticing < NOTICES_MOST => {
                    noticing += 1;
                    running.push(Box::pin(async move {
                        self.notice(&notice).await;
                        Done::Notice
                    }));
                }
                _ = beat.tick() => look = true,
                1.. = inbox.hints.recv_many(&mut fresh, 1024) => {
                    let now = self.ledger.now();
                    let is_due = |work: &Work| work.lease.is_none() && work.due <= now;
                    for (merchant, work) in fresh.drain(..).filter(|(_, work)| is_due(work)) {
                        self.sort((merchant, TransactionId(work.subject)), &mut lanes, &running);
                    }
                }
            }
            if look && !looking && !self.is_halted() {
                (look, looking) = (false, true);
                running.push(Box::pin(async {
                    let now = self.ledger.now();
                    if let Err(error) = self.connections.look().await {
                        return Done::Look(Err(error));
                    }
                    Done::Look(self.ledger.books().offer(Queue::Pay, now, LOOK_ROWS).await)
                }));
            }
        }
        let rest = async { while running.next().await.is_some() {} };
        if tokio::time::timeout(drain, rest).await.is_err() {
            tracing::warn!("payouts still under way are left to their leases");
        }
    }

    /// Puts found work into the lanes.
    fn take<'a>(
        &'a self,
        found: Result<Vec<(MerchantId, Work)>, StoreError>,
        lanes: &mut Lanes,
        running: &FuturesUnordered<BoxFuture<'a, Done>>,
    ) {
        let due = match found {
            Ok(due) => due,
            Err(error) => {
                self.trouble(&error);
                return;
            }
        };
        let full = due.len() >= usize::try_from(LOOK_ROWS).unwrap_or(usize::MAX);
        let mut any = false;
        for (merchant, work) in due {
            let payout = (merchant, TransactionId(work.subject));
            if !self.in_flight.lock().contains(&payout.1) {
                any = true;
                self.sort(payout, lanes, running);
            }
        }
        if full && any {
            lanes.overflowed();
        }
    }

    /// Says once that the store is in trouble, and not again until it has recovered.
    fn trouble(&self, error: &dyn std::fmt::Display) {
        self.tally.add(Count::Troubled);
        if !self.troubled.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "payouts are put off: the store does not let them happen");
        }
    }

    /// Puts a payout into its provider's lane, which has to be looked up when there are several.
    fn sort<'a>(
        &'a self,
        payout: Payout,
        lanes: &mut Lanes,
        running: &FuturesUnordered<BoxFuture<'a, Done>>,
    ) {
        if let Some(only) = lanes.only().filter(|_| !self.connections.may_have_any()) {
            lanes.add(&only, 0, payout);
            return;
        }
        running.push(Box::pin(async move {
            let (place, usual) = self.place_of(payout).await;
            Done::Sorted(payout, place, usual)
        }));
    }

    async fn place_of(&self, (merchant, transaction): Payout) -> (Place, usize) {
        let row = self.ledger.books().transaction(merchant, transaction).await;
        let provider = match row.ok().flatten().map(|row| row.movement) {
            Some(Movement::Back(row)) => row.provider,
            Some(Movement::In(_)) | None => return (Place::Nowhere, 1),
        };
        match self.connections.find(merchant, &provider).await {
            Ok(Found::Live(gateway) | Found::Disabled(gateway)) => {
                let built_in = self.connections.built_in().named(&provider);
                let own = built_in.is_none_or(|known| !Arc::ptr_eq(known, &gateway));
                let usual = gateway.concurrency();
                let place =
                    if own { Place::Own(merchant, provider) } else { Place::BuiltIn(provider) };
                (place, usual)
            }
            Ok(Found::Broken(_) | Found::Nothing) | Err(_) => (Place::Nowhere, 1),
        }
    }

    /// Whether payouts are held back because the books lack what was seen of them before.
    fn is_halted(&self) -> bool {
        match self.ledger.books().standing() {
            Standing::Intact => {
                if self.tally.halt(false) {
                    tracing::info!("the books were accepted; payouts go on");
                }
                false
            }
            Standing::Behind(why) => {
                if !self.tally.halt(true) {
                    tracing::error!(
                        why,
                        "no money is sent: the books are behind their anchor; look into it, then \
                         run `refundry verify --accept`"
                    );
                }
                true
            }
        }
    }

    /// Works on one payout; answers whether the store let it.
    async fn round(&self, payout: Payout) -> bool {
        if self.is_halted() || !self.in_flight.lock().insert(payout.1) {
            return true;
        }
        let _leave = Leave { pay: self, transaction: payout.1 };
        match self.work(payout).await {
            Ok(()) => {
                if self.troubled.load(Ordering::Relaxed) {
                    self.troubled.store(false, Ordering::Relaxed);
                    tracing::info!("payouts go on");
                }
                true
            }
            // Its own trouble and nobody else's: the others go on.
            Err(Fault::Store(StoreError::Damaged(why))) => {
                tracing::error!(transaction = %payout.1, why, "a payout's book is damaged");
                true
            }
            Err(error) => {
                self.trouble(&error);
                false
            }
        }
    }

    async fn work(&self, (merchant, transaction): Payout) -> Result<(), Fault> {
        let until = self.ledger.now().after_ms(self.rules.lease_ms);
        let start = Command::Start { worker: self.worker, lease_ms: self.rules.lease_ms };
        let book = match self.order(merchant, transaction, start).await? {
            Answered::Done { book, .. } => book,
            Answered::Refused { refusal, .. } => {
                tracing::debug!(%transaction, %refusal, "a payout is not ours to make");
                return Ok(());
            }
            Answered::Replayed(_) | Answered::KeyReused => return Ok(()),
        };
        let started = subject(&book).filter(|row| row.state == TransactionState::Processing);
        let Some((refund, row, mut attempt)) = started.and_then(|row| {
            let refund = book.refund.as_ref()?;
            attempt_of(&book, refund, row).map(|attempt| (refund, row, attempt))
        }) else {
            return Ok(());
        };
        let (outcome, wait_ms) = self.outcome(refund, row, &mut attempt, until).await;
        self.tally.outcome(&outcome);
        note(&attempt, &outcome);
        let look_again_ms = wait_ms.unwrap_or_else(|| self.look_again_ms(row.sends));
        let report = Report { outcome, by: Reporter::Gateway, look_again_ms };
        match self.order(merchant, transaction, Command::Report(report)).await? {
            Answered::Refused { refusal, .. } => {
                tracing::warn!(%transaction, %refusal, "an outcome was refused");
            }
            Answered::Done { .. } | Answered::Replayed(_) | Answered::KeyReused => {}
        }
        Ok(())
    }

    async fn outcome(
        &self,
        refund: &Refund,
        row: &RefundTransaction,
        attempt: &mut Attempt,
        until: Timestamp,
    ) -> (Outcome, Option<i64>) {
        let now = self.ledger.now();
        // Two calls at most, and both over before anybody else may take the payout.
        let left = until.0.saturating_sub(now.0).saturating_sub(LEASE_MARGIN_MS) / 2;
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            let message = "The commit took so long that nothing was sent.".to_owned();
            return (Outcome::NotTaken { message }, None);
        };
        let stage = Stage {
            sends: row.sends,
            first_sent: row.first_sent_at.unwrap_or(now),
            now,
            timeout: self.rules.timeout.min(Duration::from_millis(left)),
        };
        let (gateway, is_on) = match self.connections.find(attempt.merchant, &row.provider).await {
            Ok(Found::Live(gateway)) => (gateway, true),
            Ok(Found::Disabled(gateway)) => (gateway, false),
            Ok(Found::Broken(why)) => {
                let message = format!("The gateway {:?} cannot be used: {why}.", row.provider);
                return (Outcome::NotTaken { message }, Some(self.spread(SWITCHED_OFF_MS)));
            }
            Ok(Found::Nothing) => return (learn::without_gateway(&row.provider, stage), None),
            Err(error) => {
                let message = format!("Nothing was sent: {error}.");
                return (Outcome::NotTaken { message }, None);
            }
        };
        if let Err(why) = self.connections.address(gateway.as_ref(), attempt, refund) {
            let message = format!("Nothing was sent: {why}.");
            return (Outcome::NotTaken { message }, Some(self.spread(SWITCHED_OFF_MS)));
        }
        if is_on {
            return self.through_breaker(gateway.as_ref(), attempt, stage).await;
        }
        let outcome = learn::switched_off(gateway.as_ref(), attempt, stage, &self.tally);
        (outcome.await, Some(self.spread(SWITCHED_OFF_MS)))
    }

    /// Calls the provider unless it is left alone for now, and notes whether it answers.
    async fn through_breaker(
        &self,
        gateway: &dyn Gateway,
        attempt: &Attempt,
        stage: Stage,
    ) -> (Outcome, Option<i64>) {
        if !gateway.tires() {
            return (learn::learn(gateway, attempt, stage, &self.tally).await, None);
        }
        let breakers = &self.connections.breakers;
        let (merchant, name) = (attempt.merchant, gateway.name());
        if let Err(shut) = breakers.admit(merchant, name, self.ledger.now()) {
            return (Outcome::NotTaken { message: shut.why }, Some(self.spread(2 * shut.for_ms)));
        }
        let outcome = learn::learn(gateway, attempt, stage, &self.tally).await;
        let failed = match &outcome {
            Outcome::NotTaken { message } | Outcome::Unknown { message, .. } => message,
            Outcome::Done { .. }
            | Outcome::Waiting { .. }
            | Outcome::Declined(_)
            | Outcome::Reversed { .. }
            | Outcome::Acknowledged { .. }
            | Outcome::CalledOff { .. } => {
                breakers.answered(merchant, name);
                return (outcome, None);
            }
        };
        let times = breakers.failed(merchant, name, self.ledger.now(), failed);
        // What was not taken is not counted as sent, so the provider's failures say how long.
        let wait = self.look_again_ms(stage.sends.max(times));
        (outcome, Some(wait))
    }

    pub(super) async fn order(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
        command: Command,
    ) -> Result<Answered, Fault> {
        let by = self.by.clone();
        let caller = Caller { merchant, by, key: None, scopes: Vec::new() };
        let target = Target::Transaction(transaction);
        self.ledger.carry_out(&caller, target, command, None, false).await
    }

    /// When to look again after so many sends: spread, so that what broke together does not come
    /// back together.
    fn look_again_ms(&self, sends: u32) -> i64 {
        let doublings = sends.saturating_sub(1).min(12);
        self.spread((LOOK_FIRST_MS << doublings).min(LOOK_MOST_MS))
    }

    /// From half of so long to all of it.
    fn spread(&self, most: i64) -> i64 {
        self.dice.lock().random_range(most / 2..=most.max(1))
    }
}

/// Takes a payout out of those in flight, however its round ends.
struct Leave<'a> {
    pay: &'a Pay,
    transaction: TransactionId,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.pay.in_flight.lock().remove(&self.transaction);
    }
}
