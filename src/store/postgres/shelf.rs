//! The books that a batch has in hand: as they were read, and as its commands leave them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Mark, Queue, Work, WorkChange};
use refundry_domain::command::Target;
use refundry_domain::credit::Entry;
use refundry_domain::day::Day;
use refundry_domain::ids::{OrderRef, TransactionId};
use refundry_domain::order::{Line, Order, Payment};
use refundry_domain::refund::Refund;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;

use super::credits::HeldAccount;
use super::fail::{Fail, missing};
use crate::store::Answer;
use crate::store::settle::Loaded;

/// An order with everything but its refunds, and what of it is to be written.
pub struct Held {
    pub order: Order,
    pub lines: Vec<Line>,
    pub payments: Vec<Payment>,
    pub returns: Vec<Return>,
    pub last_event: i64,
    pub last_refund: i64,
    pub order_mark: Option<Mark>,
    /// By position; the others by number.
    pub line_marks: BTreeMap<u32, Mark>,
    pub payment_marks: BTreeMap<i64, Mark>,
    pub return_marks: BTreeMap<i64, Mark>,
}

impl Held {
    pub fn read(order: Order, last_event: i64, last_refund: i64) -> Held {
        Held {
            order,
            lines: Vec::new(),
            payments: Vec::new(),
            returns: Vec::new(),
            last_event,
            last_refund,
            order_mark: None,
            line_marks: BTreeMap::new(),
            payment_marks: BTreeMap::new(),
            return_marks: BTreeMap::new(),
        }
    }

    fn loaded(&self) -> Loaded {
        let book = Book {
            order: self.order.clone(),
            lines: self.lines.clone(),
            payments: self.payments.clone(),
            returns: self.returns.clone(),
            refund: None,
            subject: None,
            work: None,
            account: None,
            day: None,
        };
        Loaded { book, last_event: self.last_event, last_refund: self.last_refund }
    }
}

pub struct HeldRefund {
    pub refund: Refund,
    pub previous: i64,
    pub mark: Option<Mark>,
    pub transaction_marks: BTreeMap<i64, Mark>,
}

impl HeldRefund {
    /// As it stands in the database.
    pub fn read(refund: Refund, previous: i64) -> HeldRefund {
        HeldRefund { refund, previous, mark: None, transaction_marks: BTreeMap::new() }
    }
}

/// An idempotency key that is taken.
pub struct Kept {
    /// None when the answer is forgotten.
    pub answer: Option<([u8; 32], Answer)>,
}

/// An event that is to be written.
pub struct NewEvent {
    pub order: i64,
    pub previous: i64,
    pub position: i64,
    pub number: i64,
    pub name: Cow<'static, str>,
    pub subject_kind: Cow<'static, str>,
    pub subject: i64,
    pub at: i64,
    pub by: std::sync::Arc<str>,
    pub data: String,
    pub hash: [u8; 32],
}

pub struct NewClaim {
    pub digest: [u8; 16],
    pub number: i64,
    pub fingerprint: [u8; 32],
    pub at: i64,
    pub answer: Answer,
}

/// Which order, and which refund, a row other than an order belongs to. This never changes.
#[derive(Clone, Copy)]
pub struct Belongs {
    pub kind: Belonging,
    pub order: i64,
    /// Of a refund, itself; of a payment or a return, 0.
    pub refund: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belonging {
    Payment,
    Refund,
    Transaction,
    Return,
}

#[derive(Default)]
pub struct Shelf {
    pub orders: BTreeMap<i64, Held>,
    /// Orders that somebody else had locked: what is about them is for another transaction.
    pub busy: BTreeSet<i64>,
    pub refunds: BTreeMap<i64, HeldRefund>,
    pub by_reference: HashMap<String, i64>,
    /// Where payments, refunds, refund transactions and returns belong.
    pub belongs: HashMap<i64, Belongs>,
    /// What was read, and what the batch leaves; the second is to be written.
    pub work: BTreeMap<(Queue, i64), Option<Work>>,
    pub work_changed: BTreeMap<(Queue, i64), Option<Work>>,
    pub claims: HashMap<[u8; 16], Kept>,
    pub order_references: HashMap<String, i64>,
    pub return_references: HashMap<String, i64>,
    /// Numbers whose digits somebody has taken as a reference.
    pub taken_digits: BTreeSet<i64>,
    /// Those that were locked, and those that the batch has opened.
    pub accounts: BTreeMap<i64, HeldAccount>,
    /// New ones.
    pub entries: Vec<Entry>,
    /// The merchant's days that were locked, by date, and whether something has counted on them.
    pub days: BTreeMap<String, (Day, bool)>,
    pub events: Vec<NewEvent>,
    pub new_claims: Vec<NewClaim>,
}

impl Shelf {
    /// Whether the target's order was left out because somebody else had locked it.
    pub fn is_busy(&self, target: &Target) -> bool {
        let belonging = |number: i64| self.belongs.get(&number).map(|belongs| belongs.order);
        let order = match target {
            Target::NewOrder => None,
            Target::Order(OrderRef::Id(id)) => Some(id.0),
            Target::Order(OrderRef::Reference(text)) => self.by_reference.get(text).copied(),
            Target::Payment(id) => belonging(id.0),
            Target::Refund(id) => belonging(id.0),
            Target::Transaction(id) => belonging(id.0),
            Target::Return(id) => belonging(id.0),
        };
        order.is_some_and(|order| self.busy.contains(&order))
    }

    /// The book that the target is in, or the refusal that says it is not there.
    pub fn target(&self, target: &Target) -> Result<Result<Loaded, Refusal>, Fail> {
        let loaded = match target {
            Target::NewOrder => None,
            Target::Order(OrderRef::Id(id)) => self.orders.get(&id.0),
            Target::Order(OrderRef::Reference(reference)) => {
                self.by_reference.get(reference).and_then(|number| self.orders.get(number))
            }
            Target::Payment(id) => {
                let Some(belongs) = self.where_is(id.0, Belonging::Payment) else {
                    return Ok(Err(Refusal::UnknownTransaction));
                };
                return self.of_order(belongs.order).map(Ok);
            }
            Target::Refund(id) => {
                let Some(belongs) = self.where_is(id.0, Belonging::Refund) else {
                    return Ok(Err(Refusal::UnknownRefund));
                };
                let mut loaded = self.of_order(belongs.order)?;
                loaded.book.refund = self.refund(id.0)?;
                return Ok(Ok(loaded));
            }
            Target::Transaction(id) => {
                let Some(belongs) = self.where_is(id.0, Belonging::Transaction) else {
                    return Ok(Err(Refusal::UnknownTransaction));
                };
                return self.with_transaction(belongs, *id).map(Ok);
            }
            Target::Return(id) => {
                let Some(belongs) = self.where_is(id.0, Belonging::Return) else {
                    return Ok(Err(Refusal::UnknownReturn));
                };
                let mut loaded = self.of_order(belongs.order)?;
                loaded.book.returns.retain(|row| row.id == *id);
                return Ok(Ok(loaded));
            }
        };
        Ok(loaded.map(Held::loaded).ok_or(Refusal::UnknownOrder))
    }

    fn where_is(&self, number: i64, kind: Belonging) -> Option<Belongs> {
        self.belongs.get(&number).copied().filter(|belongs| belongs.kind == kind)
    }

    fn of_order(&self, number: i64) -> Result<Loaded, Fail> {
        Ok(self.orders.get(&number).ok_or_else(|| missing("order", number))?.loaded())
    }

    fn refund(&self, number: i64) -> Result<Option<Refund>, Fail> {
        let held = self.refunds.get(&number).ok_or_else(|| missing("refund", number))?;
        Ok(Some(held.refund.clone()))
    }

    fn with_transaction(&self, belongs: Belongs, id: TransactionId) -> Result<Loaded, Fail> {
        let mut loaded = self.of_order(belongs.order)?;
        loaded.book.refund = self.refund(belongs.refund)?;
        loaded.book.subject = Some(id);
        loaded.book.work = self.work.get(&(Queue::Pay, id.0)).cloned().flatten();
        Ok(loaded)
    }

    /// Takes the book back, with what was changed of it.
    pub fn put_back(&mut self, loaded: &Loaded, changes: &Changes, target: &Target) {
        let book = &loaded.book;
        let number = book.order.id.0;
        let held =
            self.orders.entry(number).or_insert_with(|| Held::read(book.order.clone(), 0, 0));
        held.order.clone_from(&book.order);
        held.lines.clone_from(&book.lines);
        held.payments.clone_from(&book.payments);
        if matches!(target, Target::Return(_)) {
            for row in &book.returns {
                if let Some(kept) = held.returns.iter_mut().find(|kept| kept.id == row.id) {
                    kept.clone_from(row);
                }
            }
        } else {
            held.returns.clone_from(&book.returns);
        }
        (held.last_event, held.last_refund) = (loaded.last_event, loaded.last_refund);
        for (index, mark) in &changes.lines {
            note(&mut held.line_marks, book.lines[*index].position, *mark);
        }
        for (index, mark) in &changes.payments {
            note(&mut held.payment_marks, book.payments[*index].id.0, *mark);
        }
        for (index, mark) in &changes.returns {
            let row = &book.returns[*index];
            note(&mut held.return_marks, row.id.0, *mark);
            self.return_references.insert(row.reference.clone(), row.id.0);
        }
        let touched = (!changes.facts.is_empty()).then_some(Mark::Changed);
        if let Some(mark) = changes.order.or(touched)
            && held.order_mark != Some(Mark::New)
        {
            held.order_mark = Some(mark);
        }
        self.order_references.insert(book.order.reference.clone(), number);
        self.put_back_refund(book, changes);
        if let Some(day) = book.day.as_ref().filter(|_| changes.day) {
            self.days.insert(day.date.clone(), (day.clone(), true));
        }
        for change in &changes.work {
            let (key, left) = match change {
                WorkChange::Put(work) => ((work.queue, work.subject), Some(work.clone())),
                WorkChange::Remove { queue, subject } => ((*queue, *subject), None),
            };
            self.work.insert(key, left.clone());
            self.work_changed.insert(key, left);
        }
    }

    fn put_back_refund(&mut self, book: &Book, changes: &Changes) {
        let Some(refund) = &book.refund else { return };
        let held = self.refunds.entry(refund.id.0).or_insert_with(|| HeldRefund {
            refund: refund.clone(),
            previous: 0,
            mark: None,
            transaction_marks: BTreeMap::new(),
        });
        held.refund.clone_from(refund);
        if let Some(mark) = changes.refund
            && held.mark != Some(Mark::New)
        {
            held.mark = Some(mark);
        }
        for (index, mark) in &changes.transactions {
            note(&mut held.transaction_marks, refund.transactions[*index].id.0, *mark);
        }
    }

    /// The order's list of refunds begins with the new one from now on.
    pub fn link_refund(&mut self, loaded: &mut Loaded, changes: &Changes) {
        if changes.refund != Some(Mark::New) {
            return;
        }
        let Some(refund) = &loaded.book.refund else { return };
        let previous = std::mem::replace(&mut loaded.last_refund, refund.id.0);
        let (mark, transaction_marks) = (Some(Mark::New), BTreeMap::new());
        let held = HeldRefund { refund: refund.clone(), previous, mark, transaction_marks };
        self.refunds.insert(refund.id.0, held);
    }

    /// The newest event or refund of an order or account that was locked, from where its numbers go on.
    pub fn highest(&self) -> i64 {
        let orders = self.orders.values().map(|held| held.last_event.max(held.last_refund));
        let accounts = self.accounts.values().map(|held| held.account.last_event);
        orders.chain(accounts).max().unwrap_or(0)
    }
}

/// What is new stays new however often it is changed.
fn note<K: Ord>(marks: &mut BTreeMap<K, Mark>, key: K, mark: Mark) {
    let kept = marks.entry(key).or_insert(mark);
    if mark == Mark::New {
        *kept = Mark::New;
    }
}
