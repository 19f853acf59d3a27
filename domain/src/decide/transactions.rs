//! Refund transactions: handed over by a worker, and what became of them.

use super::settle::Steps;
use super::{Context, Draft};
use crate::changes::{Lease, Queue, Work, WorkChange};
use crate::event::Fact;
use crate::ids::TransactionId;
use crate::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use crate::refund::{Execution, RefundTransaction, TransactionState};
use crate::refusal::Refusal;

/// A worker takes a transaction. The lease and the count of sends are committed before anything is
/// sent, so that a crash in between leads to a look-up and not to a second payout.
pub fn start(
    draft: &mut Draft,
    worker: i64,
    lease_ms: i64,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let index = subject(draft)?;
    let row = &draft.refund().transactions[index];
    let (transaction, state) = (row.id, row.state);
    let open = matches!(state, TransactionState::Pending | TransactionState::Processing);
    if !open || row.execution != Execution::Automatic {
        let verb = "handed to its provider";
        return Err(Refusal::WrongTransactionState { transaction, state, verb });
    }
    if let Some(lease) = draft.book.work.as_ref().and_then(|work| work.lease)
        && lease.worker != worker
        && lease.until > context.now
    {
        return Err(Refusal::Leased { transaction });
    }
    let until = context.now.after_ms(lease_ms);
    put_work(draft, transaction, until, Some(Lease { worker, until }));
    draft.refund().transactions[index].sends += 1;
    draft.mark_transaction(index);
    if state == TransactionState::Pending {
        let mut steps = Steps::default();
        draft.step(index, TransactionState::Processing, None, &mut steps, context);
        draft.conclude(steps, context);
    }
    Ok(())
}

/// Where in the book's refund the transaction is that the command is about.
fn subject(draft: &mut Draft) -> Result<usize, Refusal> {
    let wanted = draft.book.subject.ok_or(Refusal::UnknownTransaction)?;
    let rows = &draft.refund().transactions;
    rows.iter().position(|row| row.id == wanted).ok_or(Refusal::UnknownTransaction)
}

fn put_work(
    draft: &mut Draft,
    transaction: TransactionId,
    due: crate::ids::Timestamp,
    lease: Option<Lease>,
) {
    let work = Work { queue: Queue::Pay, subject: transaction.0, due, lease };
    draft.changes.work.push(WorkChange::Put(work));
}

/// News of a transaction. Twice, late or out of order they change nothing twice and never move a
/// state back.
pub fn report(
    draft: &mut Draft,
    report: &Report,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let index = subject(draft)?;
    if report.by == Reporter::Caller {
        check_caller(&draft.refund().transactions[index], &report.outcome)?;
    }
    match &report.outcome {
        Outcome::Done { reference, amount } => {
            learn(draft, index, reference.as_deref(), None);
            let row = &draft.refund().transactions[index];
            match amount {
                Some(paid) if *paid != row.amount => {
                    let message = format!(
                        "The provider says it paid {} minor units instead of {}.",
                        paid.get(),
                        row.amount.get()
                    );
                    doubt(draft, index, &message, context);
                }
                Some(_) | None => end(draft, index, TransactionState::Succeeded, None, context),
            }
        }
        Outcome::Waiting { reference, message } => {
            learn(draft, index, reference.as_deref(), Some(message));
            go_on(draft, index, report, context);
        }
        Outcome::Declined(failure) => {
            end(draft, index, TransactionState::Failed, Some(failure.clone()), context);
        }
        Outcome::Reversed { message } => reverse(draft, index, message, context),
        Outcome::Unknown { message, lost: false } => {
            learn(draft, index, None, Some(message));
            go_on(draft, index, report, context);
        }
        Outcome::Unknown { message, lost: true } => doubt(draft, index, message, context),
        Outcome::Acknowledged { reference } => {
            learn(draft, index, reference.as_deref(), None);
            go_on(draft, index, report, context);
        }
        Outcome::CalledOff { message } => {
            let failure = Failure { code: FailureCode::Canceled, message: message.clone() };
            end(draft, index, TransactionState::Canceled, Some(failure), context);
        }
    }
    Ok(())
}

/// A person or an outside platform reports what it carries out itself; of a gateway's transaction
/// only the one whose outcome could not be learnt. The same report twice is no contradiction.
fn check_caller(row: &RefundTransaction, outcome: &Outcome) -> Result<(), Refusal> {
    use TransactionState as T;
    let transaction = row.id;
    if row.execution == Execution::Automatic && row.state != T::NeedsAttention {
        return Err(Refusal::NotYoursToReport { transaction });
    }
    let open = matches!(row.state, T::Requested | T::Processing | T::NeedsAttention);
    let fits = match outcome {
        Outcome::Done { .. } => open || row.state == T::Succeeded,
        Outcome::Declined(_) => open || row.state == T::Failed,
        Outcome::CalledOff { .. } => {
            (open && row.execution != Execution::Automatic) || row.state == T::Canceled
        }
        Outcome::Reversed { .. } => matches!(row.state, T::Succeeded | T::Reversed),
        Outcome::Waiting { .. } | Outcome::Acknowledged { .. } | Outcome::Unknown { .. } => {
            matches!(row.state, T::Requested | T::Processing)
        }
    };
    if fits {
        return Ok(());
    }
    let verb = "reported so";
    Err(Refusal::WrongTransactionState { transaction, state: row.state, verb })
}

/// Keeps the provider's own name of the movement and its words.
fn learn(draft: &mut Draft, index: usize, reference: Option<&str>, message: Option<&str>) {
    let row = &mut draft.refund().transactions[index];
    let mut changed = false;
    if let Some(reference) = reference
        && row.provider_reference.as_deref() != Some(reference)
    {
        row.provider_reference = Some(reference.to_owned());
        changed = true;
    }
    if let Some(message) = message
        && row.message.as_deref() != Some(message)
    {
        row.message = Some(message.to_owned());
        changed = true;
    }
    if changed {
        draft.mark_transaction(index);
    }
}

/// It is still in progress: acknowledged, and looked at again later.
fn go_on(draft: &mut Draft, index: usize, report: &Report, context: &Context<'_>) {
    let row = &draft.refund().transactions[index];
    let (transaction, state, execution) = (row.id, row.state, row.execution);
    match state {
        TransactionState::Requested => {
            let mut steps = Steps::default();
            draft.step(index, TransactionState::Processing, None, &mut steps, context);
            draft.conclude(steps, context);
        }
        TransactionState::Processing if execution == Execution::Automatic => {
            put_work(draft, transaction, context.now.after_ms(report.look_again_ms), None);
        }
        TransactionState::Unconfirmed
        | TransactionState::RequiresInformation
        | TransactionState::Pending
        | TransactionState::Processing
        | TransactionState::NeedsAttention
        | TransactionState::Succeeded
        | TransactionState::Failed
        | TransactionState::Canceled
        | TransactionState::Reversed => {}
    }
}

/// A definite answer for an open transaction; for a final one, only a contradiction is news.
fn end(
    draft: &mut Draft,
    index: usize,
    to: TransactionState,
    failure: Option<Failure>,
    context: &Context<'_>,
) {
    use TransactionState as T;
    let state = draft.refund().transactions[index].state;
    match state {
        T::Requested | T::Processing | T::NeedsAttention => {
            let mut steps = Steps::default();
            draft.step(index, to, failure, &mut steps, context);
            draft.conclude(steps, context);
        }
        T::Failed | T::Canceled if to == T::Succeeded => {
            contradict(draft, index, "paid", context);
        }
        T::Succeeded if to == T::Failed => contradict(draft, index, "declined", context),
        T::Unconfirmed
        | T::RequiresInformation
        | T::Pending
        | T::Succeeded
        | T::Failed
        | T::Canceled
        | T::Reversed => {}
    }
}

/// Paid, and taken back; or taken back before we knew that it was paid.
fn reverse(draft: &mut Draft, index: usize, message: &str, context: &Context<'_>) {
    let failure = Failure { code: FailureCode::Reversed, message: message.to_owned() };
    if draft.refund().transactions[index].state == TransactionState::Succeeded {
        let mut steps = Steps::default();
        draft.step(index, TransactionState::Reversed, Some(failure), &mut steps, context);
        draft.conclude(steps, context);
    } else {
        end(draft, index, TransactionState::Failed, Some(failure), context);
    }
}

/// Nobody but a person can tell; the amount stays reserved, and nothing more is sent.
fn doubt(draft: &mut Draft, index: usize, message: &str, context: &Context<'_>) {
    let row = &draft.refund().transactions[index];
    let (transaction, state) = (row.id, row.state);
    if !matches!(state, TransactionState::Processing | TransactionState::Requested) {
        return;
    }
    learn(draft, index, None, Some(message));
    let remove = WorkChange::Remove { queue: Queue::Pay, subject: transaction.0 };
    draft.changes.work.push(remove);
    let mut steps = Steps::default();
    draft.step(index, TransactionState::NeedsAttention, None, &mut steps, context);
    draft.conclude(steps, context);
}

/// The provider says something that contradicts what is final here: recorded once, and left to a
/// person.
fn contradict(draft: &mut Draft, index: usize, said: &str, context: &Context<'_>) {
    let message = format!("The provider now says: {said}.");
    let row = &mut draft.refund().transactions[index];
    if row.message.as_deref() == Some(message.as_str()) {
        return;
    }
    row.message = Some(message);
    row.updated_at = context.now;
    let transaction = row.id;
    draft.mark_transaction(index);
    let refund = draft.refund().id;
    draft.mark_refund(context);
    draft.touch_order(context);
    draft.changes.facts.push(Fact::RefundContradicted {
        refund,
        transaction,
        said: said.to_owned(),
    });
}
