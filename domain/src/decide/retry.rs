//! A failed refund is tried again.

use super::refunds::{check_gateway, must_be, not_paid_already, opening, state_once_confirmed};
use super::settle::Steps;
use super::{Context, Draft, parts};
use crate::book::sum;
use crate::event::LineShare;
use crate::money::Minor;
use crate::refund::{Execution, Part, State, Weight};
use crate::refusal::Refusal;

/// New attempts, under new keys, for what failed; what was paid stays paid.
pub fn retry(draft: &mut Draft, context: &mut Context<'_>) -> Result<(), Refusal> {
    must_be(draft, &[State::Failed], "retried")?;
    let retaken = retake_lines(draft)?;
    let shares = take_up_again(draft, context)?;
    let state = state_once_confirmed(draft, &shares, context);
    let held = draft.hold(&shares, |execution| opening(state, execution), context);
    draft.refund().settled_at = None;
    draft.conclude(Steps { shares: held, retaken, ..Steps::default() }, context);
    Ok(())
}

/// The shares of what failed, to be tried once more; their old attempts no longer count.
fn take_up_again(
    draft: &mut Draft,
    context: &Context<'_>,
) -> Result<Vec<(usize, Minor, Execution)>, Refusal> {
    let mut shares: Vec<(usize, Minor, Execution)> = Vec::new();
    for index in 0..draft.refund().transactions.len() {
        let row = &draft.refund().transactions[index];
        if row.superseded || row.state.weight() != Weight::Free {
            continue;
        }
        not_paid_already(row, "tried again: its provider says that it was paid after all")?;
        let (parent, amount, mut execution) = (row.payment, row.amount, row.execution);
        // Switched on since: what is sent anew is not sent by a gateway any more.
        if execution == Execution::Automatic && context.policy.notify_only.covers(draft.refund().to)
        {
            execution = Execution::Notify;
        }
        let payment = draft.book.payment(parent).expect("a refund's payment is in its book");
        let before = shares.iter().filter(|share| share.0 == payment).map(|share| share.1);
        let row = &draft.book.payments[payment];
        let left = row.left().saturating_minus(sum(before));
        if amount > left {
            return Err(Refusal::MoreThanIsLeft {
                field: String::new(),
                asked: draft.book.money(amount),
                left: draft.book.money(left),
                disputed: draft.book.money(row.blocked),
            });
        }
        draft.refund().transactions[index].superseded = true;
        draft.mark_transaction(index, context);
        shares.push((payment, amount, execution));
    }
    for (payment, _, execution) in &shares {
        check_gateway(*execution, &draft.book.payments[*payment].provider, context)?;
    }
    Ok(shares)
}

/// Takes of the lines again what the failure had given back to them.
fn retake_lines(draft: &mut Draft) -> Result<Vec<LineShare>, Refusal> {
    let mut retaken = Vec::new();
    for index in 0..draft.refund().parts.len() {
        let mut part = draft.refund().parts[index].clone();
        let again = Part {
            amount: part.released,
            quantity: part.released_quantity,
            released: Minor::ZERO,
            released_quantity: 0,
            ..part.clone()
        };
        if again.amount.is_zero() && again.quantity == 0 {
            continue;
        }
        let at = draft.book.lines.iter().position(|line| line.position == part.line);
        let at = at.expect("a refund's lines are in its book");
        let line = &draft.book.lines[at];
        if again.quantity > line.quantity_left() {
            return Err(Refusal::MoreUnitsThanLeft {
                field: String::new(),
                line: part.line,
                asked: again.quantity,
                left: line.quantity_left(),
            });
        }
        if again.amount > line.left() {
            return Err(Refusal::MoreThanLineHas {
                field: String::new(),
                line: part.line,
                asked: draft.book.money(again.amount),
                left: draft.book.money(line.left()),
            });
        }
        retaken.push(LineShare { line: part.line, quantity: again.quantity, amount: again.amount });
        parts::retake(&mut draft.book.lines[at], &mut part);
        draft.mark_line(at);
        draft.refund().parts[index] = part;
    }
    Ok(retaken)
}
