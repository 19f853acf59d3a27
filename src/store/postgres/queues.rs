//! What waits to be carried out, by merchant, and which batch is next.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use refundry_domain::ids::MerchantId;
use tokio::sync::oneshot;

use super::batch::Settled;
use crate::store::Intent;

/// How many intents share a transaction at most.
const MOST_INTENTS: usize = 128;
/// How many intents of a merchant wait, for each batch of theirs that is being carried out, before
/// another begins beside it. What a statement costs hardly depends on how many rows it has, so few
/// full batches get more done than many small ones; and who waits, waits for one of them.
const WORTH_A_LANE: usize = 32;
/// After so long, who waits is not kept waiting for a batch that is held up.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// An intent, and who is to be told what becomes of it.
pub struct Waiting {
    pub intent: Intent,
    pub reply: oneshot::Sender<Settled>,
    pub since: Instant,
}

/// What waits, by merchant: a transaction never spans two.
#[derive(Default)]
pub struct Queues {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<MerchantId, VecDeque<Waiting>>,
    /// Merchants with something that waits, each once.
    turns: VecDeque<MerchantId>,
    /// How many batches of a merchant are being carried out; none is not in it.
    at_work: HashMap<MerchantId, usize>,
    lanes: usize,
    /// Lanes beside those, for what waits for busy orders.
    patient: usize,
}

impl Inner {
    /// Whether what waits of a merchant is to be carried out now, or left to the lanes that carry
    /// out something of theirs already.
    fn is_due(&self, merchant: MerchantId) -> bool {
        let Some(queue) = self.waiting.get(&merchant) else { return false };
        let Some(oldest) = queue.front() else { return false };
        self.at_work.get(&merchant).is_none_or(|batches| {
            queue.len() >= batches * WORTH_A_LANE || oldest.since.elapsed() >= PATIENCE
        })
    }

    /// The next batch, of the merchant that has waited longest.
    fn take(&mut self) -> Option<(MerchantId, Vec<Waiting>)> {
        let turn = (0..self.turns.len()).find(|turn| self.is_due(self.turns[*turn]))?;
        let merchant = self.turns.remove(turn)?;
        let queue = self.waiting.entry(merchant).or_default();
        let count = queue.len().min(MOST_INTENTS);
        let taken = queue.drain(..count).collect();
        if queue.is_empty() {
            self.waiting.remove(&merchant);
        } else {
            self.turns.push_back(merchant);
        }
        *self.at_work.entry(merchant).or_default() += 1;
        Some((merchant, taken))
    }

    fn done(&mut self, merchant: MerchantId) {
        if let Entry::Occupied(mut batches) = self.at_work.entry(merchant) {
            *batches.get_mut() -= 1;
            if *batches.get() == 0 {
                batches.remove();
            }
        }
    }
}

impl Queues {
    pub fn push(&self, waiting: Waiting) {
        let mut inner = self.inner.lock();
        let merchant = waiting.intent.merchant;
        let queue = inner.waiting.entry(merchant).or_default();
        let first = queue.is_empty();
        queue.push_back(waiting);
        if first {
            inner.turns.push_back(merchant);
        }
    }

    /// Whether another lane is to begin, of so many at most. It counts from then on.
    pub fn begins(&self, most: usize) -> bool {
        let mut inner = self.inner.lock();
        let is_due = inner.turns.iter().any(|merchant| inner.is_due(*merchant));
        let begins = is_due && inner.lanes < most;
        inner.lanes += usize::from(begins);
        begins
    }

    /// What a lane does next; `None` ends it. What it leaves waiting is taken by the lanes that are
    /// at work for the same merchant.
    pub fn next(&self) -> Option<(MerchantId, Vec<Waiting>)> {
        let mut inner = self.inner.lock();
        let taken = inner.take();
        inner.lanes -= usize::from(taken.is_none());
        taken
    }

    /// A batch of the merchant is at its end.
    pub fn done(&self, merchant: MerchantId) {
        self.inner.lock().done(merchant);
    }

    /// Whether a lane for busy orders begins, of so many at most; it lasts until [`Queues::waited`].
    pub fn waits(&self, most: usize) -> bool {
        let mut inner = self.inner.lock();
        let room = inner.patient < most;
        inner.patient += usize::from(room);
        room
    }

    pub fn waited(&self) {
        self.inner.lock().patient -= 1;
    }

    pub fn lanes(&self) -> usize {
        let inner = self.inner.lock();
        inner.lanes + inner.patient
    }
}
