//! What a batch is about: which rows it needs, and how many numbers.

use std::collections::BTreeSet;

use refundry_domain::command::{Command, Target};
use refundry_domain::credit::AccountKind;
use refundry_domain::ids::OrderRef;
use refundry_domain::outcome::Reporter;

use super::load::BLOCK;
use super::rows::storable;
use super::shelf::Belonging;
use crate::store::Intent;
use crate::store::settle::{self, digest};

/// What the intents of a batch are about.
#[derive(Default)]
pub struct Wanted {
    pub references: BTreeSet<String>,
    payments: BTreeSet<i64>,
    refunds: BTreeSet<i64>,
    transactions: BTreeSet<i64>,
    returns: BTreeSet<i64>,
    pub orders: BTreeSet<i64>,
    pub digests: BTreeSet<[u8; 16]>,
    pub new_orders: BTreeSet<String>,
    pub new_returns: BTreeSet<String>,
    numbers: i64,
    /// Whether a refund may be credited to an account, or taken back from one.
    pub credits: bool,
    /// The merchant's days that something may count on.
    pub days: BTreeSet<String>,
}

impl Wanted {
    pub fn of(intents: &[Intent]) -> Wanted {
        let mut wanted = Wanted::default();
        for intent in intents {
            match &intent.target {
                Target::NewOrder => {}
                Target::Order(OrderRef::Id(id)) => drop(wanted.orders.insert(id.0)),
                Target::Order(OrderRef::Reference(text)) => {
                    wanted.references.insert(text.clone());
                }
                Target::Payment(id) => drop(wanted.payments.insert(id.0)),
                Target::Refund(id) => drop(wanted.refunds.insert(id.0)),
                Target::Transaction(id) => drop(wanted.transactions.insert(id.0)),
                Target::Return(id) => drop(wanted.returns.insert(id.0)),
            }
            if let Some(claim) = intent.claim.as_ref().filter(|_| !intent.dry_run) {
                wanted.digests.insert(digest(&claim.key));
            }
            wanted.numbers += 4 + reserve(&intent.command);
            wanted.credits |= credits(&intent.command);
            wanted.days.extend(settle::day(intent));
            if let Command::RegisterOrder(new) = &*intent.command {
                wanted.new_orders.extend(new.reference.clone());
            }
            if let Command::OpenReturn(new) = &*intent.command {
                wanted.new_returns.extend(new.reference.clone());
            }
        }
        for texts in [&mut wanted.references, &mut wanted.new_orders, &mut wanted.new_returns] {
            texts.retain(|text| storable(text));
        }
        wanted
    }

    pub fn of_kind(&self, kind: Belonging) -> Vec<i64> {
        let numbers = match kind {
            Belonging::Payment => &self.payments,
            Belonging::Refund => &self.refunds,
            Belonging::Transaction => &self.transactions,
            Belonging::Return => &self.returns,
        };
        numbers.iter().copied().collect()
    }

    /// How many values of the sequence cover the numbers that are likely used.
    pub fn blocks(&self) -> i64 {
        self.numbers / BLOCK + 1
    }
}

fn credits(command: &Command) -> bool {
    match command {
        Command::RequestRefund(ask) => AccountKind::of(ask.to).is_some(),
        Command::Confirm { .. } => true,
        Command::Report(report) => report.by == Reporter::Caller,
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::ChangeRefund(_)
        | Command::Cancel { .. }
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Expire
        | Command::Start { .. }
        | Command::Annotate { .. } => false,
    }
}

/// How many numbers a command usually needs, beyond a few.
fn reserve(command: &Command) -> i64 {
    let many = |count: usize| i64::try_from(count).unwrap_or(0);
    match command {
        Command::RegisterOrder(new) => 2 * many(new.payments.len()),
        Command::RequestRefund(ask) if AccountKind::of(ask.to).is_some() => 8,
        Command::RequestRefund(_) | Command::Retry | Command::ChangeRefund(_) => 2,
        Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::Confirm { .. }
        | Command::Cancel { .. }
        | Command::GiveInformation { .. }
        | Command::Expire
        | Command::Start { .. }
        | Command::Report(_)
        | Command::Annotate { .. } => 0,
    }
}
