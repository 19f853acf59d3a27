//! An order's rows beside what its events make of them.

use std::collections::BTreeSet;

use refundry_domain::book::Book;
use refundry_domain::money::Minor;
use refundry_domain::order::{Line, Payment};
use refundry_domain::refund::{Execution, Refund, RefundTransaction, Weight};
use refundry_domain::returns::Return;

use super::replay::{LineState, RefundState, Replay, TransactionReplay};

/// Kind and number of a row, and what is wrong with it.
pub type Difference = (&'static str, i64, String);

pub fn differences(book: &Book, refunds: &[Refund], replay: &Replay) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    order(book, replay, &mut found);
    lines(book, replay, &mut found);
    let rows = book.payments.iter().map(|payment| payment.id.0);
    found.same_rows("payment", rows, replay.payments.keys());
    for payment in &book.payments {
        self::payment(payment, replay, &mut found);
    }
    let rows = book.returns.iter().map(|row| row.id.0);
    found.same_rows("return", rows, replay.returns.keys());
    for row in &book.returns {
        return_of(row, refunds, replay, &mut found);
    }
    found.same_rows("refund", refunds.iter().map(|refund| refund.id.0), replay.refunds.keys());
    for refund in refunds {
        if let Some(made) = replay.refunds.get(&refund.id.0) {
            self::refund(refund, made, &mut found);
        }
    }
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    #[expect(clippy::needless_pass_by_value, reason = "nearly all are made for the comparison")]
    fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        (kind, number): (&'static str, i64),
        what: &str,
        row: T,
        made: T,
    ) {
        if row != made {
            let why = format!("{what} is {row:?}, and its events make it {made:?}");
            self.0.push((kind, number, why));
        }
    }

    fn same_rows<'a>(
        &mut self,
        kind: &'static str,
        rows: impl Iterator<Item = i64>,
        made: impl Iterator<Item = &'a i64>,
    ) {
        let (rows, made): (BTreeSet<i64>, BTreeSet<i64>) =
            (rows.collect(), made.copied().collect());
        for number in rows.difference(&made) {
            self.0.push((kind, *number, "no event made it".to_owned()));
        }
        for number in made.difference(&rows) {
            self.0.push((kind, *number, "its events are there and it is not".to_owned()));
        }
    }
}

fn order(book: &Book, replay: &Replay, found: &mut Found) {
    let order = &book.order;
    let row = ("order", order.id.0);
    let sum = |of: fn(&super::replay::PaymentState) -> i64| replay.payments.values().map(of).sum();
    found.same(row, "its reference", &order.reference, &replay.reference);
    found.same(row, "its currency", order.currency.code(), replay.currency.as_str());
    found.same(row, "fulfilled", order.fulfilled_at.is_some(), replay.fulfilled);
    let captured: i64 = sum(|payment| payment.recorded.captured);
    found.same(row, "captured", order.captured.get(), captured);
    found.same(row, "held", order.held.get(), sum(|payment| payment.held));
    found.same(row, "refunded", order.refunded.get(), sum(|payment| payment.refunded));
    found.same(row, "blocked", order.blocked.get(), sum(|payment| payment.blocked()));
}

fn lines(book: &Book, replay: &Replay, found: &mut Found) {
    let row = ("order", book.order.id.0);
    found.same(row, "the number of its lines", book.lines.len(), replay.lines.len());
    for (line, made) in book.lines.iter().zip(&replay.lines) {
        let what = format!("line {}", line.position);
        found.same(row, &what, &state(line), made);
    }
}

fn state(line: &Line) -> LineState {
    LineState {
        kind: line.kind.name().to_owned(),
        quantity: line.quantity,
        amount: line.amount.get(),
        taken: line.taken.get(),
        taken_quantity: line.taken_quantity.into(),
        taken_by_quantity: line.taken_by_quantity.get(),
    }
}

fn payment(payment: &Payment, replay: &Replay, found: &mut Found) {
    let row = ("payment", payment.id.0);
    let Some(made) = replay.payments.get(&row.1) else { return };
    let recorded = &made.recorded;
    found.same(row, "its kind", payment.kind.name(), recorded.kind.as_str());
    found.same(row, "its parent", payment.parent.map(|parent| parent.0), recorded.parent);
    found.same(row, "its provider", &payment.provider, &recorded.provider);
    found.same(row, "its amount", payment.amount.get(), recorded.amount);
    found.same(row, "captured", payment.captured.get(), recorded.captured);
    found.same(row, "held", payment.held.get(), made.held);
    found.same(row, "refunded", payment.refunded.get(), made.refunded);
    found.same(row, "disputed", payment.disputed.get(), made.disputed);
    found.same(row, "blocked", payment.blocked.get(), made.blocked());
}

fn return_of(row: &Return, refunds: &[Refund], replay: &Replay, found: &mut Found) {
    let Some((opened, state)) = replay.returns.get(&row.id.0) else { return };
    let at = ("return", row.id.0);
    found.same(at, "its reference", &row.reference, &opened.reference);
    found.same(at, "its kind", row.kind.name(), opened.kind.as_str());
    found.same(at, "its state", row.state.name(), state.as_str());
    let of = || refunds.iter().filter(|refund| refund.return_id == Some(row.id));
    let made = of().filter_map(|refund| replay.refunds.get(&refund.id.0));
    let paid: i64 = made.clone().map(|refund| refund.refunded).sum();
    found.same(at, "what its refunds paid", row.refunded.get(), paid);
    let by_hand = of().flat_map(|refund| &refund.transactions).filter(|transaction| {
        transaction.execution == Execution::Manual && transaction.state.weight() != Weight::Free
    });
    let by_hand = u32::try_from(by_hand.count()).unwrap_or(u32::MAX);
    found.same(at, "how much of it goes by hand", row.by_hand, by_hand);
}

fn refund(refund: &Refund, made: &RefundState, found: &mut Found) {
    let row = ("refund", refund.id.0);
    let requested = &made.requested;
    found.same(row, "its state", refund.state.name(), made.state.as_str());
    found.same(row, "its amount", refund.amount.get(), made.amount);
    found.same(row, "refunded", refund.refunded.get(), made.refunded);
    found.same(row, "its execution", refund.execution.name(), requested.execution.as_str());
    found.same(row, "where it goes", refund.to.name(), requested.to.as_str());
    found.same(row, "its parts", &refund.parts, &made.parts);
    found.same(row, "the day on which it counts", &refund.counted_on, &made.counted_on);
    let open: i64 = made.parts.iter().map(|part| part.taken().get()).sum();
    if refund.state.is_final() && !made.parts.is_empty() {
        found.same(row, "what it takes of its lines", Minor::new(open), Some(refund.refunded));
    }
    let rows = refund.transactions.iter().map(|row| row.id.0);
    found.same_rows("transaction", rows, made.transactions.keys());
    for row in &refund.transactions {
        if let Some(made) = made.transactions.get(&row.id.0) {
            transaction(row, made, found);
        }
    }
}

fn transaction(row: &RefundTransaction, made: &TransactionReplay, found: &mut Found) {
    let at = ("transaction", row.id.0);
    found.same(at, "its payment", row.payment.0, made.payment);
    found.same(at, "its amount", row.amount.get(), made.amount);
    found.same(at, "its state", row.state.name(), made.state.name());
    found.same(at, "superseded", row.superseded, made.superseded);
    let code = row.failure.as_ref().map(|failure| failure.code.name().to_owned());
    found.same(at, "why it failed", &code, &made.code);
}
