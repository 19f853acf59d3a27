//! What waits for somebody outside: platforms that were told to pay, and customers who are to give
//! their bank details.

use super::refunds::{end_held, move_held, must_be, opening};
use super::settle::Steps;
use super::{Context, Draft};
use crate::changes::{Queue, Work, WorkChange};
use crate::event::{Fact, PayoutRequested};
use crate::ids::Timestamp;
use crate::money::Minor;
use crate::outcome::{Failure, FailureCode};
use crate::refund::{Destination, Execution, INFORMATION_SHOWN, Refund, State, TransactionState};
use crate::refusal::Refusal;

/// How a refund is asked to be carried out, once Notify Only is counted in: where it is on, no
/// gateway pays.
pub fn notify_only(
    to: Destination,
    asked: Option<Execution>,
    context: &Context<'_>,
) -> Result<Option<Execution>, Refusal> {
    match asked {
        _ if !context.policy.notify_only.covers(to) => Ok(asked),
        None => Ok(Some(Execution::Notify)),
        Some(execution @ (Execution::Automatic | Execution::Internal)) => {
            let rule = "Notify Only is on for refunds of this kind";
            Err(Refusal::ExecutionNotAvailable { field: "execution".to_owned(), execution, rule })
        }
        Some(Execution::Notify | Execution::Manual) => Ok(asked),
    }
}

/// Whether a bank transfer needs the customer's account first.
pub fn asks_for_account(
    to: Destination,
    shares: &[(usize, Minor, Execution)],
    context: &Context<'_>,
) -> bool {
    context.policy.ask_bank_details
        && to == Destination::BankTransfer
        && shares.iter().any(|share| share.2 == Execution::Manual)
}

/// Until when the customer can give bank details that are asked for now.
pub fn information_due(context: &Context<'_>) -> Timestamp {
    context.now.after_ms(context.policy.information_expiry_ms)
}

/// The transactions that these steps have brought before an outside platform.
pub fn newly_told(refund: &Refund, steps: &Steps) -> Vec<usize> {
    let moved = steps.moves.iter().filter(|step| step.from != step.to);
    let now: Vec<_> = moved
        .map(|step| step.transaction)
        .chain(steps.shares.iter().map(|share| share.transaction))
        .collect();
    let rows = refund.transactions.iter().enumerate();
    rows.filter(|(_, row)| row.state == TransactionState::Requested && now.contains(&row.id))
        .map(|(index, _)| index)
        .collect()
}

/// Tells outside platforms of every transaction that is theirs.
pub fn tell_all(draft: &mut Draft, context: &Context<'_>) {
    let all: Vec<usize> = (0..draft.refund().transactions.len()).collect();
    tell(draft, &all, context);
}

/// One fact a transaction, with all that is needed to pay it.
pub fn tell(draft: &mut Draft, told: &[usize], context: &Context<'_>) {
    for index in told {
        let refund = draft.refund();
        let row = &refund.transactions[*index];
        if row.state != TransactionState::Requested || row.execution != Execution::Notify {
            continue;
        }
        let mut fact = PayoutRequested {
            transaction: row.id,
            refund: refund.id,
            payment: row.payment,
            to: refund.to,
            amount: row.amount,
            currency: refund.currency,
            provider: row.provider.clone(),
            method: row.method.clone(),
            payment_reference: None,
            report_by: context.now.after_ms(context.policy.report_within_ms),
        };
        if let Some(at) = draft.book.payment(fact.payment) {
            fact.payment_reference.clone_from(&draft.book.payments[at].provider_reference);
        }
        draft.changes.facts.push(Fact::PayoutRequested(fact));
    }
}

/// When the refund is to be looked at although nobody has said anything.
fn next_look(refund: &Refund, context: &Context<'_>) -> Option<Timestamp> {
    if refund.state == State::RequiresInformation {
        return refund.information_due;
    }
    if refund.state == State::Failed && refund.has_information() {
        let settled = refund.settled_at.unwrap_or(context.now);
        return Some(settled.after_ms(context.policy.information_expiry_ms));
    }
    let told = refund.transactions.iter().filter(|row| row.awaits_report());
    told.map(|row| row.updated_at.after_ms(context.policy.report_within_ms)).min()
}

/// Has the refund looked at again when that is due, or no more. Most refunds wait for nobody outside
/// and cost nothing here; `waited` when it may have work although it shows no sign of that.
pub fn watch(draft: &mut Draft, waited: bool, context: &Context<'_>) {
    let next = next_look(draft.refund(), context);
    let refund = draft.refund();
    let (subject, queue) = (refund.id.0, Queue::Expire);
    let told = refund.transactions.iter().any(|row| row.execution == Execution::Notify);
    if let Some(due) = next {
        let work = Work { queue, subject, due, lease: None };
        draft.changes.work.push(WorkChange::Put(work));
    } else if waited || told || refund.information.is_some() {
        draft.changes.work.push(WorkChange::Remove { queue, subject });
    }
}

/// Bank details that are waited for, or that a bank transfer which somebody is to make lacks.
pub fn give_information(
    draft: &mut Draft,
    sealed: &[u8],
    answers: Option<Timestamp>,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let refund = draft.refund();
    if answers.is_some() && refund.information_due != answers {
        return Err(Refusal::WrongState {
            refund: refund.id,
            state: refund.state,
            verb: "given the information that was waited for",
        });
    }
    // One that is on its way goes to the account that its file names: then none of them changes.
    let by_hand = |state| {
        let mut rows = refund.transactions.iter();
        rows.any(|row| row.execution == Execution::Manual && row.state == state)
    };
    let replaceable = refund.to == Destination::BankTransfer
        && by_hand(TransactionState::Requested)
        && !by_hand(TransactionState::Processing);
    if refund.state == State::Processing && replaceable {
        refund.information = Some(sealed.to_vec());
        let refund = refund.id;
        draft.mark_refund(context);
        draft.touch_order(context);
        draft.changes.facts.push(Fact::RefundAnnotated { refund });
        return Ok(());
    }
    must_be(draft, &[State::RequiresInformation], "given information")?;
    draft.refund().information = Some(sealed.to_vec());
    move_held(draft, |execution| opening(State::Pending, execution), context);
    Ok(())
}

/// Ends what has run out by now; what has not is looked at again when it has.
pub fn expire(draft: &mut Draft, context: &mut Context<'_>) -> Result<(), Refusal> {
    let now = context.now;
    let due = next_look(draft.refund(), context).is_some_and(|due| due <= now);
    match draft.refund().state {
        State::RequiresInformation if due => {
            let message = "The customer's bank details were not given in time.".to_owned();
            let failure = Failure { code: FailureCode::InformationExpired, message };
            end_held(draft, TransactionState::Failed, &failure, context);
        }
        State::Failed if due => purge(draft, context),
        State::Processing if due => give_up_on_silent(draft, context),
        State::Unconfirmed
        | State::RequiresInformation
        | State::Pending
        | State::Processing
        | State::NeedsAttention
        | State::Succeeded
        | State::Failed
        | State::Canceled
        | State::Reversed => {}
    }
    watch(draft, true, context);
    Ok(())
}

/// A person is to ask the platforms that have not said anything for too long.
fn give_up_on_silent(draft: &mut Draft, context: &Context<'_>) {
    let mut steps = Steps::default();
    for index in 0..draft.refund().transactions.len() {
        let row = &mut draft.refund().transactions[index];
        let due = row.updated_at.after_ms(context.policy.report_within_ms);
        if row.awaits_report() && due <= context.now {
            let silent = "The outside platform has not said in time what became of it.";
            row.message = Some(silent.to_owned());
            draft.step(index, TransactionState::NeedsAttention, None, &mut steps, context);
        }
    }
    if !steps.moves.is_empty() {
        draft.conclude(steps, context);
    }
}

/// What was paid, called off or taken back needs no bank details any more. What has failed may be
/// tried again, and keeps them for as long as a customer has to give them.
pub fn purge_once_settled(draft: &mut Draft) {
    match draft.refund().state {
        State::Succeeded | State::Canceled | State::Reversed => take_away(draft),
        State::Unconfirmed
        | State::RequiresInformation
        | State::Pending
        | State::Processing
        | State::NeedsAttention
        | State::Failed => {}
    }
}

fn purge(draft: &mut Draft, context: &Context<'_>) {
    take_away(draft);
    draft.mark_refund(context);
    draft.touch_order(context);
}

fn take_away(draft: &mut Draft) {
    let refund = draft.refund();
    if !refund.has_information() {
        return;
    }
    if let Some(bytes) = &mut refund.information {
        bytes.truncate(INFORMATION_SHOWN);
    }
    let refund = refund.id;
    draft.changes.facts.push(Fact::DetailsPurged { refund });
}
