//! What one decision writes, all of it or none. The rows themselves are in the book after the
//! decision; this says which of them are new or changed.

use crate::credit::{Entry, Fact as CreditFact};
use crate::event::Fact;
use crate::ids::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    New,
    Changed,
}

/// Indexes point into the book's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub order: Option<Mark>,
    pub lines: Vec<(usize, Mark)>,
    pub payments: Vec<(usize, Mark)>,
    pub returns: Vec<(usize, Mark)>,
    pub refund: Option<Mark>,
    /// Transactions of the book's refund.
    pub transactions: Vec<(usize, Mark)>,
    pub work: Vec<WorkChange>,
    /// In order; the store numbers them and links their hashes.
    pub facts: Vec<Fact>,
    /// Of the book's account.
    pub credit: CreditChanges,
    /// Whether the book's day is another than before.
    pub day: bool,
}

/// What is written of one account, all of it or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreditChanges {
    pub account: Option<Mark>,
    /// New ones; an entry never changes.
    pub entries: Vec<Entry>,
    /// In order; they are linked in the account's own chain.
    pub facts: Vec<CreditFact>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.work.is_empty()
    }
}

/// What a worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Hand a refund transaction to its provider, or ask about it; the subject is the transaction.
    Pay,
    /// Let what a refund waits for run out: the customer's bank details, or an outside platform's
    /// report; the subject is the refund.
    Expire,
}

impl Queue {
    pub const ALL: [Queue; 2] = [Queue::Pay, Queue::Expire];

    pub fn name(self) -> &'static str {
        match self {
            Queue::Pay => "pay",
            Queue::Expire => "expire",
        }
    }

    pub fn parse(name: &str) -> Option<Queue> {
        Queue::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

/// A piece of work that survives a crash: named by its queue and subject, at most one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub queue: Queue,
    pub subject: i64,
    pub due: Timestamp,
    pub lease: Option<Lease>,
}

/// Whose it is for now; after `until` anybody may take it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub worker: i64,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkChange {
    /// Adds it, or replaces the one of the same queue and subject.
    Put(Work),
    Remove {
        queue: Queue,
        subject: i64,
    },
}
