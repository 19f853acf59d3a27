//! The books that were written last, kept beside the writer. A refund is created, started and
//! settled within moments, and each of these would read a dozen rows that were just written.
//!
//! Nobody else writes to the database while it is open, so what stands here is what stands there:
//! a book is taken out to be decided on and put back once it is written. When a transaction does
//! not commit, the whole shelf is dropped with it.

use hashlink::LruCache;
use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Queue, Work, WorkChange};
use refundry_domain::command::Target;
use refundry_domain::ids::{MerchantId, OrderRef, TransactionId};
use refundry_domain::refund::Refund;
use rusqlite::Connection;

use super::Fail;
use super::load;
use crate::store::settle::Loaded;

/// How many orders and how many refunds, a few kilobytes each.
const MOST_ORDERS: usize = 2_048;
const MOST_REFUNDS: usize = 8_192;
/// A book with more rows than this is read each time: few of them would fill the memory.
const MOST_ROWS: usize = 64;

type Key = (MerchantId, i64);

/// Where a refund transaction belongs, and the work that it has.
#[derive(Clone)]
struct Place {
    refund: i64,
    work: Option<Work>,
}

pub struct Shelf {
    /// Without a refund in them.
    orders: LruCache<Key, Loaded>,
    refunds: LruCache<Key, Refund>,
    transactions: LruCache<Key, Place>,
}

impl Default for Shelf {
    fn default() -> Shelf {
        Shelf {
            orders: LruCache::new(MOST_ORDERS),
            refunds: LruCache::new(MOST_REFUNDS),
            transactions: LruCache::new(MOST_REFUNDS),
        }
    }
}

impl Shelf {
    /// Takes out the book that the target is in, if all of it is here.
    pub fn take(&mut self, merchant: MerchantId, target: &Target) -> Option<Loaded> {
        match target {
            Target::Order(OrderRef::Id(order)) => self.orders.remove(&(merchant, order.0)),
            Target::Refund(refund) => self.with_refund(merchant, refund.0),
            Target::Transaction(transaction) => self.with_transaction(merchant, *transaction),
            Target::Order(OrderRef::Reference(_))
            | Target::Payment(_)
            | Target::NewOrder
            | Target::Return(_) => None,
        }
    }

    fn with_refund(&mut self, merchant: MerchantId, refund: i64) -> Option<Loaded> {
        let order = self.refunds.peek(&(merchant, refund))?.order;
        let mut loaded = self.orders.remove(&(merchant, order.0))?;
        loaded.book.refund = self.refunds.remove(&(merchant, refund));
        Some(loaded)
    }

    fn with_transaction(
        &mut self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Option<Loaded> {
        let place = self.transactions.get(&(merchant, transaction.0))?.clone();
        let mut loaded = self.with_refund(merchant, place.refund)?;
        loaded.book.subject = Some(transaction);
        loaded.book.work = place.work;
        Some(loaded)
    }

    /// Puts a book back as it was written. One that does not hold all of its order's rows
    /// (`whole`) is read anew next time.
    pub fn put(&mut self, loaded: &Loaded, changes: &Changes, whole: bool) {
        let book = &loaded.book;
        let (merchant, order) = (book.order.merchant, book.order.id.0);
        let rows = book.lines.len() + book.payments.len() + book.returns.len();
        if whole && rows <= MOST_ROWS {
            self.orders.insert((merchant, order), without_refund(loaded));
        } else {
            self.orders.remove(&(merchant, order));
        }
        if let Some(refund) = &book.refund {
            self.put_refund(merchant, refund, changes);
        }
    }

    fn put_refund(&mut self, merchant: MerchantId, refund: &Refund, changes: &Changes) {
        self.refunds.insert((merchant, refund.id.0), refund.clone());
        for (index, mark) in &changes.transactions {
            let key = (merchant, refund.transactions[*index].id.0);
            if *mark == refundry_domain::changes::Mark::New {
                self.transactions.insert(key, Place { refund: refund.id.0, work: None });
            }
        }
        for change in &changes.work {
            let (queue, subject, work) = match change {
                WorkChange::Put(work) => (work.queue, work.subject, Some(work.clone())),
                WorkChange::Remove { queue, subject } => (*queue, *subject, None),
            };
            if queue == Queue::Pay {
                self.transactions.insert((merchant, subject), Place { refund: refund.id.0, work });
            }
        }
    }
}

fn without_refund(loaded: &Loaded) -> Loaded {
    let Book {
        order,
        lines,
        payments,
        returns,
        refund: _,
        subject: _,
        work: _,
        account: _,
        day: _,
    } = &loaded.book;
    let book = Book {
        order: order.clone(),
        lines: lines.clone(),
        payments: payments.clone(),
        returns: returns.clone(),
        refund: None,
        subject: None,
        work: None,
        account: None,
        day: None,
    };
    Loaded { book, last_event: loaded.last_event, last_refund: loaded.last_refund }
}

/// In builds for tests, every book from the shelf is compared with the rows that it stands for.
pub fn check(
    conn: &Connection,
    merchant: MerchantId,
    target: &Target,
    taken: &Loaded,
) -> Result<(), Fail> {
    if cfg!(debug_assertions) {
        let stored = load::target(conn, merchant, target)?;
        assert_eq!(Ok(taken), stored.as_ref(), "the shelf and the database differ");
    }
    Ok(())
}
