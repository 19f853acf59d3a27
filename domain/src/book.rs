//! What is known of one order: the facts every decision about its money is taken from.

use crate::changes::Work;
use crate::credit::Account;
use crate::day::Day;
use crate::ids::TransactionId;
use crate::money::{Minor, Money};
use crate::order::{Line, LineKind, Order, Payment};
use crate::refund::{Refund, Weight};
use crate::returns::Return;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub order: Order,
    /// In order of position.
    pub lines: Vec<Line>,
    /// In order of number.
    pub payments: Vec<Payment>,
    pub returns: Vec<Return>,
    /// The refund that the command is about, or that it made.
    pub refund: Option<Refund>,
    /// The refund transaction that the command is about.
    pub subject: Option<TransactionId>,
    /// The work that it still has.
    pub work: Option<Work>,
    /// The account that the command may credit, or take credit back from; see
    /// [`credit::wanted`](crate::credit::wanted).
    pub account: Option<Account>,
    /// What was decided so far on the merchant's day; see [`day::is_wanted`](crate::day::is_wanted).
    pub day: Option<Day>,
}

impl Book {
    /// What of the order may still be given back, over all its payments.
    pub fn left(&self) -> Minor {
        sum(self.payments.iter().map(Payment::left))
    }

    /// What the lines of a kind cost.
    pub fn cost_of(&self, kind: LineKind) -> Minor {
        sum(self.lines.iter().filter(|line| line.kind == kind).map(|line| line.amount))
    }

    /// What all lines cost.
    pub fn cost(&self) -> Minor {
        sum(self.lines.iter().map(|line| line.amount))
    }

    /// What the goods of a return were bought for, with the taxes and duties that went with them; at
    /// most what was captured. Nothing when it names no goods.
    pub fn worth(&self, row: &Return) -> Minor {
        let of_line = |line: &Line| {
            let items = row.items.iter().filter(|item| item.line == line.position);
            let units = items.map(|item| u64::from(item.quantity)).sum::<u64>();
            let (units, all) = (units.min(u64::from(line.quantity)), u64::from(line.quantity));
            let goes_along = |other: &&Line| match other.kind {
                LineKind::Tax | LineKind::Duty | LineKind::ImporterTax => {
                    other.for_line == Some(line.position)
                }
                LineKind::Product | LineKind::Shipping | LineKind::Fee => false,
            };
            let along = self.lines.iter().filter(goes_along);
            let share = |line: &Line| line.amount.share(units, all.max(1));
            sum(std::iter::once(line).chain(along).map(share))
        };
        sum(self.lines.iter().map(of_line)).min(self.order.captured)
    }

    pub fn money(&self, amount: Minor) -> Money {
        Money::new(amount, self.order.currency)
    }

    pub fn payment(&self, id: TransactionId) -> Option<usize> {
        self.payments.iter().position(|payment| payment.id == id)
    }

    /// Moves an amount of one payment from one weight to another, and keeps the order's balances
    /// the sums over its payments. The only place where a balance changes.
    ///
    /// # Panics
    /// When the amount is not there: the caller has decided on another book than this.
    pub fn shift(&mut self, payment: usize, amount: Minor, from: Weight, to: Weight) {
        let row = &mut self.payments[payment];
        let less = |balance: Minor| balance.minus(amount).expect("the amount is in its balance");
        let more = |balance: Minor| balance.plus(amount).expect("balances are bounded");
        match from {
            Weight::Held => row.held = less(row.held),
            Weight::Paid => row.refunded = less(row.refunded),
            Weight::Free => {}
        }
        match to {
            Weight::Held => row.held = more(row.held),
            Weight::Paid => row.refunded = more(row.refunded),
            Weight::Free => {}
        }
        self.block(payment);
    }

    /// Keeps back what a dispute asks for, as far as it is still here, and adds the order up again.
    pub fn block(&mut self, payment: usize) {
        let row = &mut self.payments[payment];
        let here = row.captured.saturating_minus(row.held).saturating_minus(row.refunded);
        row.blocked = row.disputed.min(here);
        self.add_up();
    }

    pub fn add_up(&mut self) {
        self.order.captured = sum(self.payments.iter().map(|row| row.captured));
        self.order.held = sum(self.payments.iter().map(|row| row.held));
        self.order.refunded = sum(self.payments.iter().map(|row| row.refunded));
        self.order.blocked = sum(self.payments.iter().map(|row| row.blocked));
    }
}

/// The sum of amounts that are together at most [`Minor::MAX`]; registration sees to that.
pub fn sum(amounts: impl Iterator<Item = Minor>) -> Minor {
    amounts.fold(Minor::ZERO, |total, amount| total.plus(amount).unwrap_or(Minor::MAX))
}
