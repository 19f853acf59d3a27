//! Refund transactions: handed over by a worker, and what became of them.

use super::settle::{Steps, step_of};
use super::{Context, Draft, credit, outside, words};
use crate::changes::{Lease, Queue, Work, WorkChange};
use crate::event::Fact;
use crate::ids::{Timestamp, TransactionId};
use crate::money::Minor;
use crate::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use crate::refund::{Execution, RefundTransaction, TransactionState, Weight};
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
    if state == TransactionState::Pending && paid_before(draft) {
        step(draft, index, TransactionState::Processing, None, context);
        let message = "An earlier attempt is said to be paid after all; this one was not sent.";
        draft.refund().transactions[index].message = Some(message.to_owned());
        doubt(draft, index, context);
        return Ok(());
    }
    let until = context.now.after_ms(lease_ms);
    put_work(draft, transaction, until, Some(Lease { worker, until }));
    count_send(&mut draft.refund().transactions[index], context);
    draft.mark_transaction(index, context);
    if state == TransactionState::Pending {
        step(draft, index, TransactionState::Processing, None, context);
    }
    Ok(())
}

fn count_send(row: &mut RefundTransaction, context: &Context<'_>) {
    row.sends += 1;
    row.first_sent_at = row.first_sent_at.or(Some(context.now));
}

/// What was certainly not sent does not count: without it, the provider is to be given the attempt
/// as if for the first time, and needs not be asked before. Once a start: the lease tells.
fn uncount_send(draft: &mut Draft, index: usize, context: &Context<'_>) {
    if draft.book.work.as_ref().is_none_or(|work| work.lease.is_none()) {
        return;
    }
    let row = &mut draft.refund().transactions[index];
    if row.state != TransactionState::Processing || row.execution != Execution::Automatic {
        return;
    }
    row.sends = row.sends.saturating_sub(1);
    if row.sends == 0 {
        row.first_sent_at = None;
    }
    draft.mark_transaction(index, context);
}

/// Whether an attempt of the refund that counts as not paid is said to be paid by its provider.
fn paid_before(draft: &mut Draft) -> bool {
    let rows = &draft.refund().transactions;
    rows.iter().any(|row| row.contradicted && row.state.weight() == Weight::Free)
}

/// Where in the book's refund the transaction is that the command is about.
fn subject(draft: &mut Draft) -> Result<usize, Refusal> {
    let wanted = draft.book.subject.ok_or(Refusal::UnknownTransaction)?;
    let rows = &draft.refund().transactions;
    rows.iter().position(|row| row.id == wanted).ok_or(Refusal::UnknownTransaction)
}

fn put_work(draft: &mut Draft, transaction: TransactionId, due: Timestamp, lease: Option<Lease>) {
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
    let execution = draft.refund().transactions[index].execution;
    if execution == Execution::Internal && report.by != Reporter::Caller {
        // No provider knows anything of it.
        return Ok(());
    }
    let outcome = if report.by == Reporter::Caller {
        words::check(&report.outcome)?;
        check_caller(&draft.refund().transactions[index], &report.outcome)?;
        report.outcome.clone()
    } else {
        take_up(draft, index, &report.outcome, context);
        words::kept(&report.outcome)
    };
    let learnt = learn(draft, index, &outcome, report.by, context);
    hear(draft, index, outcome, report, context)?;
    if learnt && draft.changes.facts.is_empty() {
        let row = &draft.refund().transactions[index];
        let moves = vec![step_of(row, row.state)];
        draft.conclude(Steps { moves, ..Steps::default() }, context);
    }
    Ok(())
}

fn hear(
    draft: &mut Draft,
    index: usize,
    outcome: Outcome,
    report: &Report,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    match outcome {
        Outcome::Done { amount, .. } => {
            let due = draft.refund().transactions[index].amount;
            match amount.filter(|paid| *paid != due) {
                Some(paid) => paid_other(draft, index, paid, context),
                None => end(draft, index, TransactionState::Succeeded, None, context),
            }
        }
        Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::Unknown { lost: false, .. } => go_on(draft, index, report, context),
        Outcome::NotTaken { .. } => {
            if report.by == Reporter::Gateway {
                uncount_send(draft, index, context);
            }
            go_on(draft, index, report, context);
        }
        Outcome::Unknown { lost: true, .. } => doubt(draft, index, context),
        Outcome::Declined(failure) => {
            end(draft, index, TransactionState::Failed, Some(failure), context);
        }
        Outcome::Reversed { message } => reverse(draft, index, message, context)?,
        Outcome::CalledOff { message } => {
            let failure = Failure { code: FailureCode::Canceled, message };
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
    let said = match outcome {
        Outcome::Done { .. } => Some(T::Succeeded),
        Outcome::Declined(_) => Some(T::Failed),
        Outcome::CalledOff { .. } => Some(T::Canceled),
        Outcome::Reversed { .. } => Some(T::Reversed),
        Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::NotTaken { .. }
        | Outcome::Unknown { .. } => None,
    };
    let again = said == Some(row.state);
    let automatic = row.execution == Execution::Automatic;
    if automatic && row.state != T::NeedsAttention && !again {
        return Err(Refusal::NotYoursToReport { transaction });
    }
    let told = matches!(row.state, T::Requested | T::Processing);
    let open = told || row.state == T::NeedsAttention;
    let fits = match outcome {
        Outcome::Done { .. } | Outcome::Declined(_) => open,
        Outcome::CalledOff { .. } => open && !automatic,
        Outcome::Reversed { .. } => row.state == T::Succeeded,
        Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::NotTaken { .. }
        | Outcome::Unknown { .. } => told,
    };
    if !fits && !again {
        let verb = "reported so";
        return Err(Refusal::WrongTransactionState { transaction, state: row.state, verb });
    }
    if let Outcome::Done { amount: Some(paid), .. } = outcome
        && *paid != row.amount
        && !told
    {
        let rule = "A refund transaction is paid in full or not at all";
        return Err(Refusal::Contradiction { field: "amount".to_owned(), rule });
    }
    Ok(())
}

/// The provider has what we have no memory of sending (the books may come from a backup): it is
/// under way, and will be looked up before anything is sent.
fn take_up(draft: &mut Draft, index: usize, outcome: &Outcome, context: &Context<'_>) {
    let has_it = match outcome {
        Outcome::Done { .. }
        | Outcome::Waiting { .. }
        | Outcome::Declined(_)
        | Outcome::Reversed { .. } => true,
        Outcome::NotTaken { .. }
        | Outcome::Unknown { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::CalledOff { .. } => false,
    };
    let row = &mut draft.refund().transactions[index];
    if has_it && row.state == TransactionState::Pending {
        count_send(row, context);
        step(draft, index, TransactionState::Processing, None, context);
    }
}

/// Keeps the provider's own name of the movement and its words; once it is settled, only a name
/// that was not known. Says whether there was anything new.
fn learn(
    draft: &mut Draft,
    index: usize,
    outcome: &Outcome,
    by: Reporter,
    context: &Context<'_>,
) -> bool {
    use TransactionState as T;
    let (reference, message) = match outcome {
        Outcome::Done { reference, .. } | Outcome::Acknowledged { reference } => (reference, None),
        Outcome::Waiting { reference, message } => (reference, Some(message)),
        Outcome::NotTaken { message } | Outcome::Unknown { message, .. } => (&None, Some(message)),
        Outcome::Declined(_) | Outcome::Reversed { .. } | Outcome::CalledOff { .. } => {
            return false;
        }
    };
    let row = &mut draft.refund().transactions[index];
    let open = matches!(row.state, T::Requested | T::Processing | T::NeedsAttention);
    let theirs = by != Reporter::Caller || row.execution != Execution::Automatic;
    let paid = row.state == T::Succeeded && matches!(outcome, Outcome::Done { .. });
    let names = open || (paid && theirs && row.provider_reference.is_none());
    let mut learnt = false;
    if names && reference.is_some() && row.provider_reference != *reference {
        row.provider_reference.clone_from(reference);
        learnt = true;
    }
    if open && message.is_some() && row.message.as_ref() != message {
        row.message = message.cloned();
        learnt = true;
    }
    if learnt {
        draft.mark_transaction(index, context);
    }
    learnt
}

fn step(
    draft: &mut Draft,
    index: usize,
    to: TransactionState,
    failure: Option<Failure>,
    context: &Context<'_>,
) {
    let mut steps = Steps::default();
    draft.step(index, to, failure, &mut steps, context);
    draft.conclude(steps, context);
}

/// It is still in progress: acknowledged, and looked at again later.
fn go_on(draft: &mut Draft, index: usize, report: &Report, context: &Context<'_>) {
    let row = &draft.refund().transactions[index];
    let (transaction, state, execution) = (row.id, row.state, row.execution);
    if state == TransactionState::Requested {
        step(draft, index, TransactionState::Processing, None, context);
    } else if draft.refund().transactions[index].awaits_report() {
        // It is not silent, though it may have nothing new to say.
        draft.mark_transaction(index, context);
        outside::watch(draft, true, context);
    } else if state == TransactionState::Processing && execution == Execution::Automatic {
        // A worker that is at it goes on: it will say itself when to look again.
        let lease = draft.book.work.as_ref().and_then(|work| work.lease);
        let at_it = lease.is_some_and(|lease| lease.until > context.now);
        if report.by != Reporter::Notification || !at_it {
            put_work(draft, transaction, context.now.after_ms(report.look_again_ms), None);
        }
    }
}

/// A definite answer for an open transaction; for any other, only a contradiction is news.
fn end(
    draft: &mut Draft,
    index: usize,
    to: TransactionState,
    failure: Option<Failure>,
    context: &Context<'_>,
) {
    use TransactionState as T;
    let state = draft.refund().transactions[index].state;
    match (state, to) {
        (T::Requested | T::Processing | T::NeedsAttention, to) => {
            step(draft, index, to, failure, context);
        }
        (T::Unconfirmed | T::RequiresInformation | T::Failed | T::Canceled, T::Succeeded) => {
            contradict(draft, index, "paid", context);
        }
        (T::Succeeded, T::Failed) => contradict(draft, index, "declined", context),
        (T::Succeeded, T::Canceled) => contradict(draft, index, "called off", context),
        (
            T::Unconfirmed
            | T::RequiresInformation
            | T::Pending
            | T::Succeeded
            | T::Failed
            | T::Canceled
            | T::Reversed,
            _,
        ) => {}
    }
}

/// Another amount than was asked for has left: not to be counted as paid, nor as free.
fn paid_other(draft: &mut Draft, index: usize, paid: Minor, context: &Context<'_>) {
    use TransactionState as T;
    let row = &draft.refund().transactions[index];
    let (state, due) = (row.state, row.amount);
    let said = format!("paid {} minor units instead of {}", paid.get(), due.get());
    match state {
        T::Requested | T::Processing => {
            draft.refund().transactions[index].message =
                Some(format!("The provider says: {said}."));
            doubt(draft, index, context);
        }
        T::Unconfirmed | T::RequiresInformation | T::Succeeded | T::Failed | T::Canceled => {
            contradict(draft, index, &said, context);
        }
        T::Pending | T::NeedsAttention | T::Reversed => {}
    }
}

/// Paid, and taken back; or taken back before we knew that it was paid.
fn reverse(
    draft: &mut Draft,
    index: usize,
    message: String,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let failure = Failure { code: FailureCode::Reversed, message };
    let row = &draft.refund().transactions[index];
    let paid = row.state == TransactionState::Succeeded;
    if paid && row.execution == Execution::Internal {
        return credit::take_back(draft, index, failure, context);
    }
    if paid {
        step(draft, index, TransactionState::Reversed, Some(failure), context);
    } else {
        end(draft, index, TransactionState::Failed, Some(failure), context);
    }
    Ok(())
}

/// Nobody but a person can tell; the amount stays reserved, and nothing more is sent.
fn doubt(draft: &mut Draft, index: usize, context: &Context<'_>) {
    let row = &draft.refund().transactions[index];
    let (transaction, state) = (row.id, row.state);
    if !matches!(state, TransactionState::Processing | TransactionState::Requested) {
        return;
    }
    let remove = WorkChange::Remove { queue: Queue::Pay, subject: transaction.0 };
    draft.changes.work.push(remove);
    step(draft, index, TransactionState::NeedsAttention, None, context);
}

/// The provider says something that contradicts what is final or not even decided here: recorded
/// once, and left to a person.
fn contradict(draft: &mut Draft, index: usize, said: &str, context: &Context<'_>) {
    let message = format!("The provider now says: {said}.");
    let row = &mut draft.refund().transactions[index];
    if row.message.as_deref() == Some(message.as_str()) {
        return;
    }
    row.message = Some(message);
    row.contradicted = true;
    let transaction = row.id;
    draft.mark_transaction(index, context);
    let refund = draft.refund().id;
    draft.mark_refund(context);
    draft.touch_order(context);
    draft.changes.facts.push(Fact::RefundContradicted {
        refund,
        transaction,
        said: said.to_owned(),
    });
}
