//! Which command comes next in a history.

use refundry_domain::changes::Queue;
use refundry_domain::command::{
    Command, DisputeChange, NewReturn, OrderChange, RefundChange, ReturnChange,
};
use refundry_domain::ids::TransactionId;
use refundry_domain::order::{Metadata, PaymentKind};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Execution, RefundTransaction, State, TransactionState};
use refundry_domain::returns::{ReturnItem, ReturnKind, ReturnState};

use crate::random::{Known, Random, Scale, ask, figure, payment, report};
use crate::store::{Shop, Step};

pub fn step(random: &mut Random, scale: Scale, shop: &Shop) -> Option<Step> {
    if random.one_in(12)
        && let Some(step) = take_back(random, shop)
    {
        return Some(step);
    }
    match random.below(100) {
        0..=4 => {
            let rows = shop.book.payments.iter();
            let authorizations: Vec<i64> = rows
                .filter(|row| row.kind == PaymentKind::Authorization || random.one_in(9))
                .map(|row| row.id.0)
                .collect();
            let currency = shop.book.order.currency;
            let new = payment(random, scale, currency, &authorizations);
            Some(Step::of_order(Command::RecordPayment(new)))
        }
        5..=11 => Some(Step::of_order(Command::ChangeOrder(order_change(random, shop)))),
        12..=16 => of_return(random, shop),
        17..=36 => {
            let asked = ask(random, &known(scale, shop));
            Some(Step::of_order(Command::RequestRefund(asked)))
        }
        37..=58 => of_refund(random, scale, shop),
        _ => of_transaction(random, shop),
    }
}

fn known(scale: Scale, shop: &Shop) -> Known {
    let payments = || shop.book.payments.iter();
    let mut amounts: Vec<i64> = payments().map(|row| row.left().get()).collect();
    amounts.push(shop.book.left().get());
    amounts.extend(shop.book.lines.iter().map(|line| line.left().get()));
    Known {
        currency: shop.book.order.currency,
        scale,
        lines: shop.book.lines.len(),
        amounts,
        payments: payments().map(|row| row.id.0).collect(),
        returns: shop.book.returns.iter().map(|row| row.id.0).collect(),
    }
}

fn order_change(random: &mut Random, shop: &Shop) -> OrderChange {
    let mut dispute = None;
    if !shop.book.payments.is_empty() {
        let row = &shop.book.payments[random.below(shop.book.payments.len())];
        let units = match random.below(3) {
            0 => row.captured.get(),
            _ => random.up_to(row.captured.get().max(1) / 2) + 1,
        };
        let amount = random.maybe(2, |_| figure(units, shop.book.order.currency));
        dispute = Some(DisputeChange { payment: row.id, amount });
    }
    let metadata = random.maybe(6, notes);
    OrderChange { fulfilled: random.maybe(4, |random| random.one_in(2)), dispute, metadata }
}

pub fn notes(random: &mut Random) -> Metadata {
    Metadata::from([("note".to_owned(), random.pick(&["a", "b"]).to_owned())])
}

fn of_return(random: &mut Random, shop: &Shop) -> Option<Step> {
    if shop.book.returns.is_empty() || random.one_in(3) {
        let items = shop.book.lines.first().map(|line| ReturnItem {
            line: line.position,
            quantity: line.quantity,
            reason: String::new(),
        });
        let new = NewReturn {
            reference: None,
            kind: random.pick(&ReturnKind::ALL),
            items: items.into_iter().collect(),
            reason: "too small".to_owned(),
            metadata: Metadata::new(),
        };
        return Some(Step::of_order(Command::OpenReturn(new)));
    }
    let row = &shop.book.returns[random.below(shop.book.returns.len())];
    let change = ReturnChange {
        state: random.maybe(2, |random| random.pick(&ReturnState::ALL)),
        reason: random.maybe(4, |_| "too large".to_owned()),
        metadata: random.maybe(4, notes),
    };
    let command = Command::ChangeReturn(change);
    Some(Step { of_return: Some(row.id.0), ..Step::of_order(command) })
}

fn of_refund(random: &mut Random, scale: Scale, shop: &Shop) -> Option<Step> {
    let at = random.below(20);
    // Mostly one that the command is meant for, where there is one.
    let meant = match at {
        0..=7 => Some(State::Unconfirmed),
        11..=14 => Some(State::Failed),
        15..=18 => Some(State::RequiresInformation),
        _ => None,
    };
    let all = || shop.refunds.values();
    let mut ids: Vec<i64> =
        all().filter(|refund| Some(refund.state) == meant).map(|refund| refund.id.0).collect();
    if ids.is_empty() || random.one_in(5) {
        ids = all().map(|refund| refund.id.0).collect();
    }
    if ids.is_empty() {
        return None;
    }
    let refund = random.pick(&ids);
    let command = match at {
        0..=3 => Command::ChangeRefund(RefundChange {
            amount: match random.below(4) {
                0 => None,
                _ => Some(known(scale, shop).stated(random)),
            },
            metadata: random.maybe(3, notes),
        }),
        4..=7 => Command::Confirm { may_approve: random.one_in(2) },
        8..=10 => Command::Cancel { reason: random.maybe(2, |_| "changed my mind".to_owned()) },
        11..=14 => Command::Retry,
        15..=18 => Command::GiveInformation {
            sealed: vec![1; 9],
            answers: random
                .maybe(2, |_| ())
                .and_then(|()| shop.refunds.get(&refund).and_then(|row| row.information_due)),
        },
        _ => Command::Expire,
    };
    Some(Step { refund: Some(refund), ..Step::of_order(command) })
}

/// Somebody reverses what was credited.
fn take_back(random: &mut Random, shop: &Shop) -> Option<Step> {
    let all = shop.refunds.values().flat_map(|refund| &refund.transactions);
    let paid = |row: &&RefundTransaction| {
        row.execution == Execution::Internal && row.state == TransactionState::Succeeded
    };
    let paid: Vec<_> = all.filter(paid).collect();
    if paid.is_empty() {
        return None;
    }
    let row = random.pick(&paid);
    let outcome = Outcome::Reversed { message: "given by mistake".to_owned() };
    let command = Command::Report(Report { outcome, by: Reporter::Caller, look_again_ms: 0 });
    let (refund, subject) = (Some(row.refund.0), Some(row.id.0));
    Some(Step { refund, subject, ..Step::of_order(command) })
}

/// Mostly of work that is due, as workers would; else of any transaction there ever was.
fn of_transaction(random: &mut Random, shop: &Shop) -> Option<Step> {
    let all = shop.refunds.values().flat_map(|refund| &refund.transactions);
    let due: Vec<_> = shop.work.keys().filter(|(queue, _)| *queue == Queue::Pay).collect();
    let subject = if !due.is_empty() && random.one_in(2) {
        TransactionId(due[random.below(due.len())].1)
    } else {
        let ids: Vec<TransactionId> = all.clone().map(|row| row.id).collect();
        if ids.is_empty() {
            return None;
        }
        random.pick(&ids)
    };
    let row = all.clone().find(|row| row.id == subject).unwrap();
    let command = if random.one_in(12) {
        Command::Annotate { transaction: subject, notes: notes(random) }
    } else if random.one_in(3) {
        Command::Start { worker: 1 + random.up_to(1), lease_ms: random.up_to(800) }
    } else {
        Command::Report(report(random, row.amount))
    };
    let (refund, subject) = (Some(row.refund.0), Some(subject.0));
    Some(Step { command, refund, subject, of_return: None })
}
