//! Waiting for what becomes of a refund transaction.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use refundry_domain::book::Book;
use refundry_domain::ids::{MerchantId, OrderRef, TransactionId};
use refundry_domain::order::Order;
use refundry_domain::refund::{Refund, RefundTransaction};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Ledger;
use crate::store::{Movement, StoreError};

/// How often a transaction is looked at that is waited for: its outcome may be committed by another
/// process.
const LOOK: Duration = Duration::from_millis(100);

/// A refund as a commit has left it, and its order.
#[derive(Clone, Debug)]
pub struct Followed {
    pub order: Order,
    pub refund: Refund,
}

impl Followed {
    /// The transaction, if it is one of the refund's.
    pub fn transaction(&self, id: TransactionId) -> Option<&RefundTransaction> {
        self.refund.transactions.iter().find(|row| row.id == id)
    }
}

/// Told when the transaction is under way no more.
pub type Following = oneshot::Receiver<Followed>;

/// Those who wait in this process, told by the commit that they wait for.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<TransactionId, Vec<oneshot::Sender<Followed>>>>);

impl Waiting {
    fn join(&self, transaction: TransactionId) -> Following {
        let (told, following) = oneshot::channel();
        self.add(transaction, told);
        following
    }

    fn add(&self, transaction: TransactionId, told: oneshot::Sender<Followed>) {
        let mut all = self.0.lock();
        // Those who hung up are let go of whenever they may be many.
        if all.len() == all.capacity() {
            all.retain(|_, waiting| waiting.iter().any(|told| !told.is_closed()));
        }
        all.entry(transaction).or_default().push(told);
    }

    /// Has the first transaction of a refund that was just made be waited for.
    pub(super) fn begin(&self, book: &Book, told: oneshot::Sender<Followed>) {
        let Some(refund) = &book.refund else { return };
        match refund.transactions.first() {
            Some(first) if first.is_under_way() => self.add(first.id, told),
            Some(_) | None => drop(told.send(followed(book, refund))),
        }
    }

    /// Tells those who wait for what a commit has settled.
    pub(super) fn tell(&self, book: &Book) {
        let mut all = self.0.lock();
        let Some(refund) = book.refund.as_ref().filter(|_| !all.is_empty()) else { return };
        for row in refund.transactions.iter().filter(|row| !row.is_under_way()) {
            for told in all.remove(&row.id).into_iter().flatten() {
                // Who hung up needs to know nothing.
                drop(told.send(followed(book, refund)));
            }
        }
    }
}

fn followed(book: &Book, refund: &Refund) -> Followed {
    Followed { order: book.order.clone(), refund: refund.clone() }
}

impl Ledger {
    /// The transaction's refund once its provider has answered, or as it is when the wait for that
    /// is over. `following` comes from the request that has made it.
    pub async fn outcome(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
        following: Option<Following>,
    ) -> Result<Option<Followed>, StoreError> {
        let until = Instant::now() + self.patience.get().copied().unwrap_or_default();
        let was_made = following.is_some();
        let mut following = following.unwrap_or_else(|| self.waiting.join(transaction));
        let mut look = if was_made { until.min(Instant::now() + LOOK) } else { Instant::now() };
        loop {
            match timeout_at(look, &mut following).await {
                Ok(Ok(followed)) => return Ok(Some(followed)),
                // It cannot be told any more, so it is looked at.
                Ok(Err(_)) => following = self.waiting.join(transaction),
                Err(_) => {}
            }
            let Some(row) = self.store.transaction(merchant, transaction).await? else {
                return Ok(None);
            };
            if !row.is_under_way() || Instant::now() >= until {
                let Movement::Back(back) = row.movement else { return Ok(None) };
                let refund = self.store.refund(merchant, back.refund).await?;
                let book = self.store.order(merchant, OrderRef::Id(row.order)).await?;
                let both = refund.zip(book);
                return Ok(both.map(|(refund, book)| Followed { order: book.order, refund }));
            }
            look = until.min(Instant::now() + LOOK);
        }
    }
}
