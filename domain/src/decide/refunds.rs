//! Refunds: asked for, changed, confirmed, canceled, retried.

use super::settle::Steps;
use super::{Context, Draft, checks, parts};
use crate::allocate::allocate;
use crate::changes::{Mark, Queue, Work, WorkChange};
use crate::command::{Ask, RefundChange};
use crate::event::{Fact, LineShare, Move};
use crate::ids::RefundId;
use crate::money::Minor;
use crate::outcome::{Failure, FailureCode};
use crate::refund::{
    AskedBy, Destination, Execution, Part, Refund, State, TransactionState, Weight,
};
use crate::refusal::Refusal;

pub fn request(draft: &mut Draft, ask: &Ask, context: &mut Context<'_>) -> Result<(), Refusal> {
    check_return(draft, ask)?;
    checks::note("reason", ask.reason.as_deref())?;
    checks::note("note", ask.note.as_deref())?;
    checks::metadata(&ask.metadata)?;
    if draft.book.order.captured.is_zero() {
        return Err(Refusal::NothingCaptured);
    }
    let resolved = parts::resolve(&draft.book, ask)?;
    let split = allocate(&draft.book, resolved.amount, ask.payment, resolved.field)?;
    let shares = with_execution(draft, &split, ask.to, ask.execution, context)?;
    let state = opening_state(draft, &shares, resolved.amount, ask, context)?;
    let id = RefundId(context.numbers.take());
    let refund = Refund {
        id,
        order: draft.book.order.id,
        return_id: ask.return_id,
        state,
        execution: shares.first().map_or(Execution::Automatic, |share| share.2),
        to: ask.to,
        currency: draft.book.order.currency,
        amount: resolved.amount,
        refunded: Minor::ZERO,
        asked_by: resolved.asked_by,
        kind: ask.kind,
        payment: ask.payment,
        reason: ask.reason.clone(),
        note: ask.note.clone(),
        failure: None,
        parts: resolved.parts,
        transactions: Vec::with_capacity(shares.len()),
        information: None,
        metadata: ask.metadata.clone(),
        requested_by: context.by.to_owned(),
        confirmed_by: (state != State::Unconfirmed).then(|| context.by.to_owned()),
        created_at: context.now,
        updated_at: context.now,
        settled_at: None,
    };
    let (execution, amount) = (refund.execution, refund.amount);
    draft.book.refund = Some(refund);
    draft.changes.refund = Some(Mark::New);
    let taken = take_lines(draft);
    let held = draft.hold(&shares, |execution| opening(state, execution), context);
    await_information(draft, context);
    draft.changes.facts.push(Fact::RefundRequested {
        refund: id,
        state,
        execution,
        to: ask.to,
        amount,
        shares: held,
        parts: taken,
    });
    Ok(())
}

fn check_return(draft: &Draft, ask: &Ask) -> Result<(), Refusal> {
    let Some(wanted) = ask.return_id else { return Ok(()) };
    match draft.book.returns.iter().find(|row| row.id == wanted) {
        None => Err(Refusal::UnknownReturn),
        Some(row) if row.state.carries_refunds() => Ok(()),
        Some(row) => Err(Refusal::ReturnClosed { return_id: row.id, state: row.state }),
    }
}

/// How each share is carried out: as asked, else by the payment's gateway if it has one, else by
/// telling the outside platform. Money that goes elsewhere than it came from is paid by hand.
fn with_execution(
    draft: &Draft,
    split: &[(usize, Minor)],
    to: Destination,
    asked: Option<Execution>,
    context: &Context<'_>,
) -> Result<Vec<(usize, Minor, Execution)>, Refusal> {
    let refused = |execution, rule| {
        Err(Refusal::ExecutionNotAvailable { field: "execution".to_owned(), execution, rule })
    };
    let mut shares = Vec::with_capacity(split.len());
    for (payment, amount) in split {
        let automatic = context.policy.pays_through(&draft.book.payments[*payment].provider);
        let execution = match (to, asked) {
            (Destination::OriginalPayment, Some(Execution::Automatic)) if !automatic => {
                return refused(Execution::Automatic, "the payment's provider has no gateway here");
            }
            (Destination::OriginalPayment, Some(asked)) => asked,
            (Destination::OriginalPayment, None) if automatic => Execution::Automatic,
            (Destination::OriginalPayment, None) => Execution::Notify,
            (_, Some(Execution::Automatic)) => {
                return refused(
                    Execution::Automatic,
                    "only the original payment is paid by a gateway",
                );
            }
            (_, Some(asked)) => asked,
            (Destination::BankTransfer | Destination::Cash | Destination::Other, None) => {
                Execution::Manual
            }
            (
                Destination::StoreCredit | Destination::GiftCard | Destination::CustomerBalance,
                None,
            ) => return Err(Refusal::DestinationNotAvailable { field: "to".to_owned(), to }),
        };
        shares.push((*payment, *amount, execution));
    }
    Ok(shares)
}

fn opening_state(
    draft: &Draft,
    shares: &[(usize, Minor, Execution)],
    amount: Minor,
    ask: &Ask,
    context: &Context<'_>,
) -> Result<State, Refusal> {
    let approval = context.policy.needs_approval(amount, draft.book.order.currency);
    match ask.confirm {
        Some(true) if approval && !ask.may_approve => return Err(Refusal::ApprovalRequired),
        Some(false) => return Ok(State::Unconfirmed),
        None if approval => return Ok(State::Unconfirmed),
        Some(true) | None => {}
    }
    Ok(state_once_confirmed(draft, shares, context))
}

fn state_once_confirmed(
    draft: &Draft,
    shares: &[(usize, Minor, Execution)],
    context: &Context<'_>,
) -> State {
    let needs_information = |(payment, _, execution): &(usize, Minor, Execution)| {
        let source = &draft.book.payments[*payment];
        *execution == Execution::Automatic
            && context.policy.needs_information(&source.provider, &source.method)
    };
    if shares.iter().any(needs_information) {
        State::RequiresInformation
    } else if shares.iter().all(|share| share.2 == Execution::Automatic) {
        State::Pending
    } else {
        State::Processing
    }
}

/// The state of a transaction of a refund that opens, or goes on, in `state`.
fn opening(state: State, execution: Execution) -> TransactionState {
    match (state, execution) {
        (State::Unconfirmed, _) => TransactionState::Unconfirmed,
        (State::RequiresInformation, _) => TransactionState::RequiresInformation,
        (_, Execution::Automatic) => TransactionState::Pending,
        (_, Execution::Notify | Execution::Manual) => TransactionState::Requested,
    }
}

fn take_lines(draft: &mut Draft) -> Vec<LineShare> {
    let parts = draft.refund().parts.clone();
    for part in &parts {
        let at = draft.book.lines.iter().position(|line| line.position == part.line);
        let at = at.expect("the parts were made from the book's lines");
        parts::take(&mut draft.book.lines[at], part);
        draft.mark_line(at);
    }
    parts.iter().map(line_share).collect()
}

fn line_share(part: &Part) -> LineShare {
    LineShare { line: part.line, quantity: part.quantity, amount: part.amount }
}

/// A refund that waits for the customer's bank details does so for a limited time.
fn await_information(draft: &mut Draft, context: &Context<'_>) {
    let refund = draft.refund();
    if refund.state == State::RequiresInformation {
        let work = Work {
            queue: Queue::Expire,
            subject: refund.id.0,
            due: context.now.after_ms(context.policy.information_expiry_ms),
            lease: None,
        };
        draft.changes.work.push(WorkChange::Put(work));
    }
}

fn must_be(draft: &mut Draft, states: &[State], verb: &'static str) -> Result<(), Refusal> {
    let refund = draft.refund();
    if states.contains(&refund.state) {
        return Ok(());
    }
    Err(Refusal::WrongState { refund: refund.id, state: refund.state, verb })
}

pub fn change(
    draft: &mut Draft,
    change: &RefundChange,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    if let Some(metadata) = &change.metadata {
        checks::metadata(metadata)?;
        if *metadata != draft.refund().metadata {
            draft.refund().metadata.clone_from(metadata);
            draft.mark_refund(context);
            draft.touch_order(context);
            let refund = draft.refund().id;
            draft.changes.facts.push(Fact::RefundAnnotated { refund });
        }
    }
    let Some(stated) = &change.amount else { return Ok(()) };
    must_be(draft, &[State::Unconfirmed], "changed in its amount")?;
    if draft.refund().asked_by == AskedBy::Items || !draft.refund().parts.is_empty() {
        return Err(Refusal::Contradiction {
            field: "amount".to_owned(),
            rule: "The refund was asked for by lines; cancel it and ask again",
        });
    }
    let amount = checks::stated(|| "amount".to_owned(), stated, draft.book.order.currency)?;
    if amount == draft.refund().amount {
        return Ok(());
    }
    let dropped = drop_shares(draft, context);
    let (named, to, execution) = {
        let refund = draft.refund();
        (refund.payment, refund.to, refund.execution)
    };
    let split = allocate(&draft.book, amount, named, "amount")?;
    let shares = with_execution(draft, &split, to, Some(execution), context)?;
    let refund = draft.refund();
    refund.amount = amount;
    refund.asked_by = AskedBy::Amount;
    let id = refund.id;
    let shares = draft.hold(&shares, |_| TransactionState::Unconfirmed, context);
    draft.mark_refund(context);
    draft.changes.facts.push(Fact::RefundChanged { refund: id, amount, dropped, shares });
    Ok(())
}

/// Frees what an unconfirmed refund holds; its transactions stay, as canceled ones.
fn drop_shares(draft: &mut Draft, context: &Context<'_>) -> Vec<Move> {
    let mut steps = Steps::default();
    for index in 0..draft.refund().transactions.len() {
        if draft.refund().transactions[index].state.weight() == Weight::Held {
            draft.step(index, TransactionState::Canceled, None, &mut steps, context);
            draft.refund().transactions[index].superseded = true;
        }
    }
    steps.moves
}

pub fn confirm(
    draft: &mut Draft,
    may_approve: bool,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    must_be(draft, &[State::Unconfirmed], "confirmed")?;
    let (amount, currency) = (draft.refund().amount, draft.refund().currency);
    if context.policy.needs_approval(amount, currency) && !may_approve {
        return Err(Refusal::ApprovalRequired);
    }
    let shares: Vec<(usize, Minor, Execution)> = held(draft)
        .into_iter()
        .filter_map(|index| {
            let row = &draft.refund().transactions[index];
            let (parent, amount, execution) = (row.payment, row.amount, row.execution);
            draft.book.payment(parent).map(|payment| (payment, amount, execution))
        })
        .collect();
    let state = state_once_confirmed(draft, &shares, context);
    draft.refund().confirmed_by = Some(context.by.to_owned());
    move_held(draft, |execution| opening(state, execution), context);
    Ok(())
}

fn held(draft: &mut Draft) -> Vec<usize> {
    let rows = draft.refund().transactions.iter().enumerate();
    rows.filter(|(_, row)| row.state.weight() == Weight::Held).map(|(index, _)| index).collect()
}

/// Moves every open transaction of the refund, hands the pending ones to the workers, and
/// concludes.
fn move_held(draft: &mut Draft, to: impl Fn(Execution) -> TransactionState, context: &Context<'_>) {
    let mut steps = Steps::default();
    for index in held(draft) {
        let execution = draft.refund().transactions[index].execution;
        draft.step(index, to(execution), None, &mut steps, context);
        draft.hand_to_worker(index, context);
    }
    draft.conclude(steps, context);
    await_information(draft, context);
}

pub fn cancel(
    draft: &mut Draft,
    reason: Option<&str>,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    checks::note("reason", reason)?;
    let open_by_hand = draft.refund().state == State::Processing
        && draft.refund().transactions.iter().filter(|row| !row.superseded).all(|row| {
            row.execution == Execution::Manual && row.state == TransactionState::Requested
        });
    if !open_by_hand {
        let cancelable = [State::Unconfirmed, State::RequiresInformation, State::Pending];
        must_be(draft, &cancelable, "canceled")?;
    }
    let message = reason.unwrap_or("Canceled before it was handed over.").to_owned();
    let failure = Failure { code: FailureCode::Canceled, message };
    end_held(draft, TransactionState::Canceled, &failure, context);
    Ok(())
}

fn end_held(draft: &mut Draft, to: TransactionState, failure: &Failure, context: &Context<'_>) {
    if draft.refund().state == State::RequiresInformation {
        let subject = draft.refund().id.0;
        draft.changes.work.push(WorkChange::Remove { queue: Queue::Expire, subject });
    }
    let mut steps = Steps::default();
    for index in held(draft) {
        draft.step(index, to, Some(failure.clone()), &mut steps, context);
    }
    draft.conclude(steps, context);
}

/// New attempts, under new keys, for what failed; what was paid stays paid.
pub fn retry(draft: &mut Draft, context: &mut Context<'_>) -> Result<(), Refusal> {
    must_be(draft, &[State::Failed], "retried")?;
    let retaken = retake_lines(draft)?;
    let mut shares = Vec::new();
    for index in 0..draft.refund().transactions.len() {
        let row = &draft.refund().transactions[index];
        if row.superseded || row.state.weight() != Weight::Free {
            continue;
        }
        let (parent, amount, execution) = (row.payment, row.amount, row.execution);
        let payment = draft.book.payment(parent).expect("a refund's payment is in its book");
        let already: Minor = crate::book::sum(
            shares
                .iter()
                .filter(|(taken, _, _): &&(usize, Minor, Execution)| *taken == payment)
                .map(|(_, amount, _)| *amount),
        );
        let left = draft.book.payments[payment].left().saturating_minus(already);
        if amount > left {
            return Err(Refusal::MoreThanIsLeft {
                field: String::new(),
                asked: draft.book.money(amount),
                left: draft.book.money(left),
                disputed: draft.book.money(draft.book.payments[payment].blocked),
            });
        }
        draft.refund().transactions[index].superseded = true;
        draft.mark_transaction(index);
        shares.push((payment, amount, execution));
    }
    let held = draft.hold(&shares, |execution| opening(State::Pending, execution), context);
    draft.refund().settled_at = None;
    draft.conclude(Steps { shares: held, retaken, ..Steps::default() }, context);
    Ok(())
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

pub fn give_information(
    draft: &mut Draft,
    sealed: &[u8],
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    must_be(draft, &[State::RequiresInformation], "given information")?;
    let refund = draft.refund();
    refund.information = Some(sealed.to_vec());
    let subject = refund.id.0;
    draft.changes.work.push(WorkChange::Remove { queue: Queue::Expire, subject });
    move_held(draft, |execution| opening(State::Pending, execution), context);
    Ok(())
}

pub fn expire(draft: &mut Draft, context: &mut Context<'_>) -> Result<(), Refusal> {
    if draft.refund().state == State::RequiresInformation {
        let message = "The customer's bank details were not given in time.".to_owned();
        let failure = Failure { code: FailureCode::InformationExpired, message };
        end_held(draft, TransactionState::Failed, &failure, context);
    } else {
        let subject = draft.refund().id.0;
        draft.changes.work.push(WorkChange::Remove { queue: Queue::Expire, subject });
    }
    Ok(())
}
