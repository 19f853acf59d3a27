//! Whether a command must be accepted, and what a request must come to, thought out apart from the
//! code under test and in wide integers.

use refundry_domain::changes::Queue;
use refundry_domain::command::{Ask, Command, ItemShare, LineRef, RefundChange, Stated, What};
use refundry_domain::credit::{AccountKind, Entry};
use refundry_domain::money::{Exact, Minor, Money, Percent};
use refundry_domain::order::LineKind;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::policy::Approval;
use refundry_domain::refund::{
    Destination, Execution, Refund, RefundTransaction, State, TransactionState, WaitsFor,
};
use refundry_domain::returns::ReturnState;

use crate::groups;
use crate::naive::{Pot, pot};
use crate::store::{Shop, Step};

/// What is predicted of a step; nothing of those that refuse for what they carry alone.
pub fn accepted(shop: &Shop, step: &Step) -> Option<bool> {
    match &step.command {
        Command::RequestRefund(ask) => Some(amount_of(shop, ask).is_some()),
        Command::ChangeRefund(change) => Some(changes(shop, shop.find(step.refund?), change)),
        Command::Confirm { may_approve } => {
            let refund = shop.find(step.refund?);
            let amount = i128::from(refund.amount.get());
            let approved = *may_approve || needs_approval(shop, amount).is_none();
            let gateways = refund.transactions.iter().all(|row| {
                let told = matches!(row.execution, Execution::Automatic | Execution::Internal)
                    && shop.policy.notify_only.covers(refund.to);
                let sendable =
                    has_gateway(shop, row.execution, &row.provider) && !told && !row.contradicted;
                pot(row.state) != Pot::Held || sendable
            });
            let full = overflows(shop, refund.to, Some(refund.execution), amount);
            Some(refund.state == State::Unconfirmed && approved && gateways && !full)
        }
        Command::Cancel { .. } => {
            let refund = shop.find(step.refund?);
            let untouched = refund.state == State::Processing && live(refund).all(is_untouched);
            let early = [State::Unconfirmed, State::RequiresInformation, State::Pending];
            Some(untouched || early.contains(&refund.state))
        }
        Command::Retry => Some(can_retry(shop, shop.find(step.refund?))),
        Command::GiveInformation { .. } => {
            let refund = shop.find(step.refund?);
            let by_hand: Vec<_> = refund
                .transactions
                .iter()
                .filter(|row| row.execution == Execution::Manual)
                .map(|row| row.state)
                .collect();
            let open = refund.state == State::Processing
                && refund.to == Destination::BankTransfer
                && by_hand.contains(&TransactionState::Requested)
                && !by_hand.contains(&TransactionState::Processing);
            Some(open || refund.state == State::RequiresInformation)
        }
        Command::Expire => Some(true),
        Command::Start { worker, .. } => {
            let row = shop.find(step.refund?).transactions.iter().find(|row| step.is_about(row))?;
            let open =
                matches!(row.state, TransactionState::Pending | TransactionState::Processing);
            let work = shop.work.get(&(Queue::Pay, row.id.0));
            let lease = work.and_then(|work| work.lease);
            let free =
                lease.is_none_or(|lease| lease.worker == *worker || lease.until.0 <= shop.now);
            Some(open && row.execution == Execution::Automatic && free)
        }
        Command::Report(report) => {
            let row = shop.find(step.refund?).transactions.iter().find(|row| step.is_about(row))?;
            Some(
                may_report(row, report)
                    && can_take_back(shop, shop.find(step.refund?), row, report),
            )
        }
        Command::ChangeReturn(change) => {
            let row = shop.book.returns.iter().find(|row| Some(row.id.0) == step.of_return)?;
            let closed = [ReturnState::Done, ReturnState::Rejected, ReturnState::Canceled];
            let moves = change.state.is_some_and(|state| state != row.state);
            Some(!(moves && closed.contains(&row.state)))
        }
        Command::OpenReturn(_) | Command::Annotate { .. } => Some(true),
        Command::RegisterOrder(_) | Command::RecordPayment(_) | Command::ChangeOrder(_) => None,
    }
}

fn live(refund: &Refund) -> impl Iterator<Item = &RefundTransaction> {
    refund.transactions.iter().filter(|row| !row.superseded)
}

fn may_report(row: &RefundTransaction, report: &Report) -> bool {
    use TransactionState as T;
    if report.by != Reporter::Caller {
        return true;
    }
    let final_ = pot(row.state) != Pot::Held;
    let automatic = row.execution == Execution::Automatic;
    if automatic && row.state != T::NeedsAttention && !final_ {
        return false;
    }
    let open = matches!(row.state, T::Requested | T::Processing | T::NeedsAttention);
    match &report.outcome {
        Outcome::Done { amount, .. } => {
            let other = amount.is_some_and(|amount| amount != row.amount);
            let told = !automatic && matches!(row.state, T::Requested | T::Processing);
            if other { told } else { open || row.state == T::Succeeded }
        }
        Outcome::Declined(_) => open || row.state == T::Failed,
        Outcome::CalledOff { .. } => (open && !automatic) || row.state == T::Canceled,
        Outcome::Reversed { .. } => {
            if automatic {
                row.state == T::Reversed
            } else {
                [T::Succeeded, T::Reversed].contains(&row.state)
            }
        }
        Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::NotTaken { .. }
        | Outcome::Unknown { .. } => {
            matches!(row.state, T::Requested | T::Processing)
        }
    }
}

/// A credit is reversed as far as it was not spent, so there must be something left.
fn can_take_back(shop: &Shop, refund: &Refund, row: &RefundTransaction, report: &Report) -> bool {
    let reverses = matches!(report.outcome, Outcome::Reversed { .. });
    let caller = report.by == Reporter::Caller;
    let credited = row.execution == Execution::Internal && row.state == TransactionState::Succeeded;
    if !(reverses && caller && credited) {
        return true;
    }
    let paid_into = |entry: &&Entry| entry.refund == Some(refund.id);
    let account = shop.vault.entries.iter().find(paid_into).unwrap().account;
    !shop.vault.accounts[&account.0].balance.is_zero()
}

/// Where news takes a transaction. A provider's news of a pending one show that it has it.
pub fn reported(row: &RefundTransaction, report: &Report) -> TransactionState {
    use TransactionState as T;
    if row.execution == Execution::Internal && report.by != Reporter::Caller {
        return row.state;
    }
    let has_it = matches!(
        report.outcome,
        Outcome::Done { .. }
            | Outcome::Waiting { .. }
            | Outcome::Declined(_)
            | Outcome::Reversed { .. }
    );
    let taken_up = row.state == T::Pending && has_it && report.by != Reporter::Caller;
    let state = if taken_up { T::Processing } else { row.state };
    let told = matches!(state, T::Requested | T::Processing);
    let open = told || state == T::NeedsAttention;
    let to = match &report.outcome {
        Outcome::Done { amount, .. } if amount.is_none_or(|amount| amount == row.amount) => {
            open.then_some(T::Succeeded)
        }
        Outcome::Done { .. } | Outcome::Unknown { lost: true, .. } => {
            told.then_some(T::NeedsAttention)
        }
        Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::NotTaken { .. }
        | Outcome::Unknown { lost: false, .. } => told.then_some(T::Processing),
        Outcome::Declined(_) => open.then_some(T::Failed),
        Outcome::Reversed { .. } if state == T::Succeeded => Some(T::Reversed),
        Outcome::Reversed { .. } => open.then_some(T::Failed),
        Outcome::CalledOff { .. } => open.then_some(T::Canceled),
    };
    to.unwrap_or(state)
}

fn pays(shop: &Shop, provider: &str) -> bool {
    shop.policy.providers.get(provider).is_some_and(|abilities| abilities.pays)
}

fn has_gateway(shop: &Shop, execution: Execution, provider: &str) -> bool {
    execution != Execution::Automatic || pays(shop, provider)
}

fn needs_approval(shop: &Shop, amount: i128) -> Option<WaitsFor> {
    let currency = shop.book.order.currency;
    let large = match &shop.policy.approval {
        Approval::Never => false,
        Approval::Always => true,
        Approval::Above(limits) => {
            limits.get(&currency).is_some_and(|limit| amount > i128::from(limit.get()))
        }
    };
    let (count, sum) = decided_today(shop);
    let daily = &shop.policy.daily;
    let many = daily.refunds.is_some_and(|most| count + 1 > i128::from(most));
    let much = daily.amounts.get(&currency);
    let much = much.is_some_and(|most| sum + amount > i128::from(most.get()));
    match (large, many || much) {
        (true, _) => Some(WaitsFor::Approval),
        (false, true) => Some(WaitsFor::DailyLimit),
        (false, false) => None,
    }
}

/// How many refunds count today and what they come to, from the facts alone.
pub fn decided_today(shop: &Shop) -> (i128, i128) {
    let today = shop.date();
    let rows = shop.replay.refunds.values().filter(|row| row.counted_on.as_ref() == Some(&today));
    rows.fold((0, 0), |(count, sum), row| (count + 1, sum + row.amount))
}

/// Why a refund that was just asked for waits, or none when it is decided at once.
pub fn waits_for(shop: &Shop, ask: &Ask, amount: i128) -> Option<WaitsFor> {
    match ask.confirm.or(ask.paid.as_ref().map(|_| true)) {
        Some(true) => None,
        Some(false) => Some(WaitsFor::Confirmation),
        None => needs_approval(shop, amount),
    }
}

pub fn units(shop: &Shop, figure: Exact) -> Option<i128> {
    let money = Money::read(figure, shop.book.order.currency).ok()?;
    Some(i128::from(money.minor().get()))
}

fn stated(shop: &Shop, stated: &Stated) -> Option<i128> {
    if stated.currency.is_some_and(|currency| currency != shop.book.order.currency) {
        return None;
    }
    units(shop, stated.figure)
}

/// Half up, the per cents read from their text.
pub fn share(percent: Percent, of: i128) -> i128 {
    let text = percent.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let parts: i128 = format!("{whole}{part:0<4}").parse().unwrap();
    (of * parts * 2 + 1_000_000) / 2_000_000
}

/// What is left of each payment, by number.
pub fn left(shop: &Shop) -> Vec<(i64, i128)> {
    shop.replay.payments.iter().map(|(id, row)| (*id, row.left())).collect()
}

/// The shares that carry an amount: the payment it exactly equals, else the largest first.
pub fn shares(mut left: Vec<(i64, i128)>, named: Option<i64>, amount: i128) -> Vec<(i64, i128)> {
    left.retain(|(id, _)| named.is_none_or(|named| named == *id));
    if let Some(exact) = left.iter().find(|(_, left)| *left == amount) {
        return vec![*exact];
    }
    left.sort_by_key(|(id, left)| (-left, *id));
    let mut rest = amount;
    let mut shares = Vec::new();
    for (id, left) in left {
        let share = left.min(rest);
        if share > 0 {
            shares.push((id, share));
            rest -= share;
        }
    }
    if rest > 0 { Vec::new() } else { shares }
}

/// What a request comes to; nothing when it must be refused.
pub fn amount_of(shop: &Shop, ask: &Ask) -> Option<i128> {
    if let Some(wanted) = ask.return_id {
        let state = shop.replay.returns.get(&wanted.0)?;
        if [ReturnState::Rejected, ReturnState::Canceled].contains(state) {
            return None;
        }
    }
    let captured: i128 = shop.replay.payments.values().map(|row| row.captured).sum();
    let amount = match (&ask.what, ask.kind) {
        (What::Amount(asked), kind) => {
            let amount = stated(shop, asked)?;
            kind.is_none_or(|kind| of_kind(shop, kind, amount)).then_some(amount)?
        }
        (What::Percent(percent), None) => share(*percent, captured),
        (What::Percent(percent), Some(kind)) => {
            let lines = shop.book.lines.iter().filter(|line| line.kind == kind);
            let amount = share(*percent, lines.map(|line| i128::from(line.amount.get())).sum());
            of_kind(shop, kind, amount).then_some(amount)?
        }
        (What::Rest, kind) => {
            let amount = amount_left(shop, ask.payment.map(|id| id.0), kind);
            kind.is_none_or(|kind| of_kind(shop, kind, amount)).then_some(amount)?
        }
        (What::PercentOfRest(percent), kind) => {
            let rest = amount_left(shop, ask.payment.map(|id| id.0), kind);
            let amount = share(*percent, rest);
            kind.is_none_or(|kind| of_kind(shop, kind, amount)).then_some(amount)?
        }
        (What::Groups(groups), _) => groups::group(shop, groups)?,
        (What::Items(_), Some(_)) => return None,
        (What::Items(_), None) => items(shop, ask)?,
    };
    if amount <= 0 || captured == 0 {
        return None;
    }
    if let Some(named) = ask.payment {
        shop.replay.payments.get(&named.0).filter(|row| row.captured > 0)?;
    }
    let shares = shares(left(shop), ask.payment.map(|id| id.0), amount);
    let paid = ask.paid.is_some();
    let by_hand = ask.execution.is_none_or(|asked| asked == Execution::Manual);
    if paid && (!by_hand || ask.confirm == Some(false)) {
        return None;
    }
    let execution = if paid { Some(Execution::Manual) } else { ask.execution };
    if shares.is_empty() || !executable(shop, ask.to, execution, &shares) {
        return None;
    }
    let at_once = ask.confirm == Some(true) || paid;
    let needed = needs_approval(shop, amount).is_some();
    let refused = at_once && !ask.may_approve && needed;
    let proposed = ask.confirm == Some(false) || (ask.confirm.is_none() && !paid && needed);
    let full = !proposed && overflows(shop, ask.to, execution, amount);
    (!refused && !full).then_some(amount)
}

/// What is left of the lines of a kind, else of a payment, else of all.
fn amount_left(shop: &Shop, payment: Option<i64>, kind: Option<LineKind>) -> i128 {
    let Some(kind) = kind else {
        let rows = left(shop).into_iter();
        let rows = rows.filter(|(id, _)| payment.is_none_or(|named| named == *id));
        return rows.map(|(_, left)| left).sum();
    };
    let lines = shop.book.lines.iter().zip(&shop.replay.lines);
    let lines = lines.filter(|(line, _)| line.kind == kind);
    lines.map(|(_, row)| row.amount - row.taken).sum()
}

fn of_kind(shop: &Shop, kind: LineKind, amount: i128) -> bool {
    let mut lines = shop.book.lines.iter().zip(&shop.replay.lines);
    let any = shop.book.lines.iter().any(|line| line.kind == kind);
    let left: i128 = lines
        .by_ref()
        .filter(|(line, _)| line.kind == kind)
        .map(|(_, row)| row.amount - row.taken)
        .sum();
    any && amount <= left
}

fn executable(
    shop: &Shop,
    to: Destination,
    asked: Option<Execution>,
    shares: &[(i64, i128)],
) -> bool {
    let original = to == Destination::OriginalPayment;
    let told = shop.policy.notify_only.covers(to);
    match asked {
        Some(Execution::Automatic) => {
            original
                && !told
                && shares.iter().all(|(id, _)| {
                    let row = shop.book.payments.iter().find(|row| row.id.0 == *id).unwrap();
                    pays(shop, &row.provider)
                })
        }
        Some(Execution::Notify | Execution::Manual) => true,
        Some(Execution::Internal) => !told && keeps(shop, to),
        None => {
            original
                || told
                || matches!(to, Destination::BankTransfer | Destination::Cash | Destination::Other)
                || keeps(shop, to)
        }
    }
}

/// Whether credit of that kind can be kept here for the order's customer.
fn keeps(shop: &Shop, to: Destination) -> bool {
    match AccountKind::of(to) {
        Some(AccountKind::GiftCard) => true,
        Some(AccountKind::StoreCredit | AccountKind::CustomerBalance) => {
            shop.book.order.customer.reference.is_some()
        }
        None => false,
    }
}

/// Whether so much more is more than the account can hold.
fn overflows(shop: &Shop, to: Destination, execution: Option<Execution>, amount: i128) -> bool {
    let told = shop.policy.notify_only.covers(to);
    let kept = execution == Some(Execution::Internal) || (execution.is_none() && !told);
    let kind = AccountKind::of(to).filter(|_| kept);
    kind.is_some_and(|kind| shop.vault.balance(kind) + amount > i128::from(Minor::MAX.get()))
}

/// One item after the other, each seeing what those before it have taken.
fn items(shop: &Shop, ask: &Ask) -> Option<i128> {
    let What::Items(items) = &ask.what else { return None };
    // Of each line: what is left, the units left, and what went with units before.
    let mut lines: Vec<(i128, i128, i128)> = shop
        .book
        .lines
        .iter()
        .zip(&shop.replay.lines)
        .map(|(line, row)| {
            let by_units = i128::from(line.taken_by_quantity.get());
            (row.amount - row.taken, row.quantity - row.units, by_units)
        })
        .collect();
    let mut total = 0;
    for item in items {
        let at = match &item.line {
            LineRef::Position(position) => usize::try_from(*position).unwrap().checked_sub(1)?,
            LineRef::Sku(sku) => {
                let of = |line: &refundry_domain::order::Line| line.sku.as_ref() == Some(sku);
                let at = shop.book.lines.iter().position(of)?;
                (shop.book.lines.iter().filter(|line| of(line)).count() == 1).then_some(at)?
            }
        };
        let row = &shop.replay.lines[at];
        let (left, units_left, by_units) = &mut lines[at];
        let (amount, units) = match &item.share {
            ItemShare::Rest => (*left, *units_left),
            ItemShare::Quantity(units) => {
                let units = i128::from(*units);
                let gone = row.quantity - *units_left + units;
                let upto = (2 * row.amount * gone + row.quantity) / (2 * row.quantity);
                if units == 0 || units > *units_left {
                    return None;
                }
                ((upto - *by_units).clamp(0, *left), units)
            }
            ItemShare::Amount(figure) => (self::units(shop, *figure)?, 0),
            ItemShare::Percent(percent) => (share(*percent, row.amount), 0),
        };
        if amount > *left {
            return None;
        }
        *left -= amount;
        *units_left -= units;
        *by_units += if units > 0 { amount } else { 0 };
        total += amount;
    }
    Some(total)
}

/// Another amount of a proposal: as if what it holds were free.
fn changes(shop: &Shop, refund: &Refund, change: &RefundChange) -> bool {
    let Some(asked) = &change.amount else { return true };
    let Some(amount) = stated(shop, asked) else { return false };
    if refund.state != State::Unconfirmed || !refund.parts.is_empty() {
        return false;
    }
    if amount == i128::from(refund.amount.get()) {
        return true;
    }
    let mut left = Vec::new();
    for (id, row) in &shop.replay.payments {
        let held = live(refund).filter(|row| row.payment.0 == *id);
        let held: i128 = held.map(|row| i128::from(row.amount.get())).sum();
        let here = row.captured - row.refunded - (row.held - held);
        left.push((*id, here - row.disputed.min(here)));
    }
    !shares(left, refund.payment.map(|id| id.0), amount).is_empty()
}

fn can_retry(shop: &Shop, refund: &Refund) -> bool {
    if refund.state != State::Failed {
        return false;
    }
    let again: Vec<_> = live(refund).filter(|row| pot(row.state) == Pot::Free).collect();
    let money = left(shop).into_iter().all(|(id, left)| {
        let wanted = again.iter().filter(|row| row.payment.0 == id);
        wanted.map(|row| i128::from(row.amount.get())).sum::<i128>() <= left
    });
    let lines = shop.replay.lines.iter().enumerate().all(|(index, line)| {
        let parts = || {
            refund.parts.iter().filter(move |part| usize::try_from(part.line).unwrap() == index + 1)
        };
        let amount: i128 = parts().map(|part| i128::from(part.released.get())).sum();
        let units: i128 = parts().map(|part| i128::from(part.released_quantity)).sum();
        amount <= line.amount - line.taken && units <= line.quantity - line.units
    });
    let told = shop.policy.notify_only.covers(refund.to);
    let sendable = |row: &&RefundTransaction| {
        (told || has_gateway(shop, row.execution, &row.provider)) && !row.contradicted
    };
    let gateways = again.iter().all(sendable);
    money && lines && gateways
}

/// Nobody can have paid it yet: it is asked of a person, or was certainly never sent.
fn is_untouched(row: &RefundTransaction) -> bool {
    let asked = row.execution == Execution::Manual && row.state == TransactionState::Requested;
    let open = pot(row.state) == Pot::Held;
    asked || (row.execution == Execution::Automatic && open && row.sends == 0)
}
