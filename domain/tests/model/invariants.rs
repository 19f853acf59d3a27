//! What must hold of the books after every command.

use std::collections::BTreeSet;

use refundry_domain::changes::Queue;
use refundry_domain::command::{Ask, Command, ItemAsk, ItemShare, LineRef, What};
use refundry_domain::money::Minor;
use refundry_domain::order::Metadata;
use refundry_domain::refund::{
    Destination, Execution, Refund, RefundTransaction, State, TransactionState,
};

use crate::naive::{Pot, pot};
use crate::oracle;
use crate::random::{Random, Scale};
use crate::store::{Shop, Step};
use crate::vault;

fn units(amount: Minor) -> i128 {
    i128::from(amount.get())
}

pub fn hold(shop: &Shop) {
    payments(shop);
    lines(shop);
    for refund in shop.refunds.values() {
        of_refund(refund);
        let told = &shop.replay.refunds[&refund.id.0];
        assert_eq!(told.state, refund.state, "state by the facts");
        let amounts = (units(refund.amount), units(refund.refunded));
        assert_eq!((told.amount, told.refunded), amounts, "amounts by the facts");
        for row in &refund.transactions {
            let told = shop.replay.transactions[&row.id.0];
            let row_ = (refund.id.0, row.payment.0, units(row.amount), pot(row.state));
            assert_eq!((told.0, told.1, told.2, pot(told.3)), row_, "transaction by the facts");
        }
    }
    for row in &shop.book.returns {
        assert_eq!(shop.replay.returns[&row.id.0], row.state, "return by the facts");
        let of = || shop.refunds.values().filter(|refund| refund.return_id == Some(row.id));
        let paid: i128 = of().map(|refund| units(refund.refunded)).sum();
        assert_eq!(units(row.refunded), paid, "what the return got");
        let by_hand = of().flat_map(|refund| &refund.transactions).filter(|transaction| {
            transaction.execution == Execution::Manual && pot(transaction.state) != Pot::Free
        });
        assert_eq!(usize::try_from(row.by_hand).unwrap(), by_hand.count(), "by hand");
    }
    days(shop);
    work(shop);
    numbers(shop);
    vault::hold(shop);
}

/// Rule 2: nothing beyond what was captured, and every balance the sum of what it stands for.
fn payments(shop: &Shop) {
    let rows = || shop.refunds.values().flat_map(|refund| &refund.transactions);
    let mut sums = [0_i128; 4];
    assert_eq!(shop.replay.payments.len(), shop.book.payments.len());
    for payment in &shop.book.payments {
        let within = |wanted: Pot| -> i128 {
            let rows = rows().filter(|row| row.payment == payment.id && pot(row.state) == wanted);
            rows.map(|row| units(row.amount)).sum()
        };
        let (held, refunded) = (units(payment.held), units(payment.refunded));
        let (captured, blocked) = (units(payment.captured), units(payment.blocked));
        assert!(held + refunded + blocked <= captured, "{payment:?}");
        assert_eq!((held, refunded), (within(Pot::Held), within(Pot::Paid)), "{payment:?}");
        let told = &shop.replay.payments[&payment.id.0];
        assert_eq!((told.captured, told.held, told.refunded), (captured, held, refunded));
        assert_eq!((told.disputed, told.blocked()), (units(payment.disputed), blocked));
        assert_eq!(told.left(), units(payment.left()));
        for (sum, amount) in sums.iter_mut().zip([captured, held, refunded, blocked]) {
            *sum += amount;
        }
    }
    let order = &shop.book.order;
    let balances = [order.captured, order.held, order.refunded, order.blocked].map(units);
    assert_eq!(balances, sums, "the order's balances");
}

/// A day is what counts on it, which is never what only waits.
fn days(shop: &Shop) {
    for refund in shop.refunds.values() {
        let told = &shop.replay.refunds[&refund.id.0].counted_on;
        assert_eq!(*told, refund.counted_on, "the day by the facts");
        assert!(refund.state != State::Unconfirmed || told.is_none(), "{refund:?} counts");
    }
    for (date, day) in &shop.days {
        let counts = |refund: &&Refund| refund.counted_on.as_ref() == Some(date);
        let rows: Vec<&Refund> = shop.refunds.values().filter(counts).collect();
        assert_eq!(usize::try_from(day.refunds).unwrap(), rows.len(), "refunds of {day:?}");
        let sum: i128 = rows.iter().map(|refund| units(refund.amount)).sum();
        assert_eq!(i128::from(day.of(shop.book.order.currency)), sum, "amounts of {day:?}");
    }
}

fn lines(shop: &Shop) {
    let parts = || shop.refunds.values().flat_map(|refund| &refund.parts);
    for (line, told) in shop.book.lines.iter().zip(&shop.replay.lines) {
        let of = || parts().filter(|part| part.line == line.position);
        let taken: i128 = of().map(|part| units(part.amount) - units(part.released)).sum();
        let quantity: u32 = of().map(|part| part.quantity - part.released_quantity).sum();
        let by_units: i128 = of()
            .filter(|part| part.quantity > 0)
            .map(|part| units(part.amount) - units(part.released))
            .sum();
        assert_eq!(units(line.taken), taken, "{line:?}");
        assert_eq!(line.taken_quantity, quantity, "{line:?}");
        assert_eq!(units(line.taken_by_quantity), by_units, "{line:?}");
        assert!(line.taken <= line.amount && line.taken_quantity <= line.quantity, "{line:?}");
        let told_line = (told.amount, told.taken, told.units);
        assert_eq!(told_line, (units(line.amount), taken, i128::from(quantity)), "by the facts");
    }
}

fn of_refund(refund: &Refund) {
    let live = || refund.transactions.iter().filter(|row| !row.superseded);
    let sum = |wanted: &dyn Fn(TransactionState) -> bool| -> i128 {
        live().filter(|row| wanted(row.state)).map(|row| units(row.amount)).sum()
    };
    let (amount, paid) = (units(refund.amount), sum(&|state| pot(state) == Pot::Paid));
    // Of a credit that was reversed, what was spent stays given in a transaction of its own.
    let kept = refund.execution == Execution::Internal && refund.state == State::Reversed;
    let live_all = sum(&|_| true);
    let carried = if kept { live_all >= amount } else { live_all == amount };
    assert!(carried, "the live transactions carry all of {refund:?}");
    assert_eq!(units(refund.refunded), paid, "{refund:?}");
    let superseded = refund.transactions.iter().filter(|row| row.superseded);
    assert!(superseded.clone().all(|row| pot(row.state) == Pot::Free), "{refund:?}");

    let open = live().any(|row| pot(row.state) == Pot::Held);
    let closed =
        [State::Succeeded, State::Failed, State::Canceled, State::Reversed].contains(&refund.state);
    assert_eq!(closed, !open, "closed when nothing is held: {refund:?}");
    assert_eq!(refund.settled_at.is_some(), closed, "{refund:?}");
    assert_eq!(refund.state == State::Succeeded, paid == amount, "{refund:?}");
    assert!(refund.state != State::Canceled || paid == 0, "canceled, and paid: {refund:?}");
    assert!(refund.state != State::Pending || paid == 0, "cancelable, and paid: {refund:?}");
    let told_why = matches!(refund.state, State::Failed | State::Canceled | State::Reversed);
    assert_eq!(refund.failure.is_some(), told_why, "{refund:?}");
    let attention = live().any(|row| row.state == TransactionState::NeedsAttention);
    assert!(refund.state != State::NeedsAttention || attention);

    if !refund.parts.is_empty() {
        let whole: i128 = refund.parts.iter().map(|part| units(part.amount)).sum();
        assert_eq!(whole, amount, "the parts are all of {refund:?}");
        let taken: i128 = refund.parts.iter().map(|part| units(part.taken())).sum();
        assert_eq!(taken, if closed { paid } else { amount }, "the lines give what it takes");
    }
}

/// Nothing is forgotten, and nobody works on what is settled.
fn work(shop: &Shop) {
    let mut wanted = BTreeSet::new();
    for refund in shop.refunds.values() {
        let silent = |row: &RefundTransaction| {
            row.execution == Execution::Notify
                && matches!(row.state, TransactionState::Requested | TransactionState::Processing)
        };
        let kept = refund.information.as_ref().is_some_and(|bytes| bytes.len() > 5);
        if refund.state == State::RequiresInformation
            || refund.transactions.iter().any(silent)
            || (refund.state == State::Failed && kept)
        {
            wanted.insert((Queue::Expire, refund.id.0));
        }
        assert_eq!(refund.state == State::RequiresInformation, refund.information_due.is_some());
        let done = [State::Succeeded, State::Canceled, State::Reversed].contains(&refund.state);
        assert!(!(done && kept), "bank details are kept: {refund:?}");
        for row in &refund.transactions {
            use TransactionState as T;
            let open = matches!(row.state, T::Pending | T::Processing);
            if open && row.execution == Execution::Automatic {
                wanted.insert((Queue::Pay, row.id.0));
            }
        }
    }
    let there: BTreeSet<_> = shop.work.keys().copied().collect();
    assert_eq!(there, wanted, "work");
}

fn numbers(shop: &Shop) {
    let mut seen = BTreeSet::from([shop.book.order.id.0]);
    let mut keys = BTreeSet::new();
    let mut add = |number: i64| {
        assert!(number < shop.next && seen.insert(number), "{number} is used twice");
    };
    shop.book.payments.iter().for_each(|row| add(row.id.0));
    shop.book.returns.iter().for_each(|row| add(row.id.0));
    shop.vault.accounts.keys().for_each(|number| add(*number));
    shop.vault.entries.iter().for_each(|entry| add(entry.id.0));
    for refund in shop.refunds.values() {
        add(refund.id.0);
        for row in &refund.transactions {
            add(row.id.0);
            assert!(keys.insert(row.key.as_str()), "the key {} is used twice", row.key);
        }
    }
}

/// What the oracle says of an accepted command, before it is written.
pub fn predicted(shop: &Shop, step: &Step, after: Option<&Refund>) {
    match &step.command {
        Command::RequestRefund(ask) => {
            let refund = after.unwrap();
            let amount = oracle::amount_of(shop, ask).unwrap();
            assert_eq!(units(refund.amount), amount, "what {ask:?} comes to");
            let named = ask.payment.map(|id| id.0);
            let shares = oracle::shares(oracle::left(shop), named, amount);
            let rows = refund.transactions.iter();
            let held: Vec<_> = rows.map(|row| (row.payment.0, units(row.amount))).collect();
            assert_eq!(held, shares, "how {amount} is split");
            assert_eq!(refund.waits_for, oracle::waits_for(shop, ask, amount), "why it waits");
            let today = shop.policy.daily.is_set().then(|| shop.date());
            let decided = refund.state != State::Unconfirmed;
            assert_eq!(refund.counted_on, today.filter(|_| decided), "the day it counts on");
        }
        Command::Report(report) => {
            let before = &shop.refunds[&step.refund.unwrap()];
            for (old, new) in before.transactions.iter().zip(&after.unwrap().transactions) {
                let expected =
                    if step.is_about(old) { oracle::reported(old, report) } else { old.state };
                assert_eq!(new.state, expected, "{old:?} after {report:?}");
            }
        }
        Command::Cancel { .. } => {
            let on = shop.refunds[&step.refund.unwrap()].counted_on.clone();
            let kept = !shop.policy.daily.is_set() || on != Some(shop.date());
            assert_eq!(after.unwrap().counted_on, on.filter(|_| kept), "what a cancel gives back");
        }
        Command::Confirm { .. } => {
            let today = shop.policy.daily.is_set().then(|| shop.date());
            assert_eq!(after.unwrap().counted_on, today, "a confirmed one counts");
        }
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::ChangeRefund(_)
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Expire
        | Command::Start { .. }
        | Command::Annotate { .. } => {}
    }
}

/// Gives all units of one line back in random pieces: what they gave, and what the line cost.
pub fn give_back_by_units(random: &mut Random, scale: Scale) -> (i128, i128) {
    let mut shop = loop {
        let shop = Shop::open(random, scale);
        let left = shop.book.left();
        let enough = shop.book.lines.first().is_some_and(|line| line.amount <= left);
        if enough && !left.is_zero() {
            break shop;
        }
    };
    let mut given = 0;
    while shop.book.lines[0].quantity_left() > 0 {
        let line = &shop.book.lines[0];
        let most = i64::from(line.quantity_left()) - 1;
        let quantity = u32::try_from(1 + random.up_to(most)).unwrap();
        let share = if random.one_in(4) { ItemShare::Rest } else { ItemShare::Quantity(quantity) };
        let ask = Ask {
            what: What::Items(vec![ItemAsk { line: LineRef::Position(1), share }]),
            kind: None,
            payment: None,
            return_id: None,
            to: Destination::OriginalPayment,
            execution: Some(Execution::Manual),
            paid: None,
            confirm: Some(true),
            may_approve: true,
            reason: None,
            note: None,
            metadata: Metadata::new(),
        };
        let step = Step::of_order(Command::RequestRefund(ask));
        match shop.decide(&step) {
            Ok((book, changes, next)) => {
                given += units(book.refund.as_ref().unwrap().amount);
                shop.write(&step, book, &changes, next);
            }
            // Units of so small a line may come to nothing; then so do all that are left.
            Err(refusal) => {
                assert_eq!(refusal.code(), "nothing_to_give_back");
                shop.book.lines[0].taken_quantity +=
                    quantity.min(shop.book.lines[0].quantity_left());
                shop.replay.lines[0].units = i128::from(shop.book.lines[0].taken_quantity);
            }
        }
    }
    (given, units(shop.book.lines[0].amount))
}
