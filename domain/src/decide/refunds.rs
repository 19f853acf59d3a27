//! Refunds: asked for, changed, confirmed, canceled, given what they wait for.

use super::settle::Steps;
use super::{Context, Draft, checks, credit, outside, parts};
use crate::allocate::{allocate, refundable};
use crate::book::Book;
use crate::changes::Mark;
use crate::command::{Ask, Paid, RefundChange};
use crate::event::{Fact, LineShare, Move};
use crate::ids::RefundId;
use crate::money::Minor;
use crate::outcome::{Failure, FailureCode};
use crate::policy::Wanted;
use crate::refund::{
    AskedBy, Destination, Execution, Part, Refund, RefundTransaction, State, TransactionState,
    WaitsFor, Weight,
};
use crate::refusal::Refusal;

pub fn request(draft: &mut Draft, ask: &Ask, context: &mut Context<'_>) -> Result<(), Refusal> {
    draft.book.refund = None;
    let lines = check_known(&draft.book, ask)?;
    checks::note("reason", ask.reason.as_deref())?;
    checks::note("note", ask.note.as_deref())?;
    checks::metadata(&ask.metadata)?;
    check_paid(ask)?;
    let wanted = parts::read(&draft.book, ask, &lines)?;
    check_there(&draft.book, ask)?;
    let resolved = parts::resolve(&draft.book, &wanted, ask.kind)?;
    let split = allocate(&draft.book, resolved.amount, ask.payment, resolved.field)?;
    let asked = ask.execution.or(ask.paid.as_ref().map(|_| Execution::Manual));
    let shares = with_execution(draft, &split, ask.to, asked, context)?;
    let (state, waits_for) = opening_state(draft, &shares, resolved.amount, ask, context)?;
    let counted_on = (state != State::Unconfirmed).then(|| draft.count(resolved.amount)).flatten();
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
        information_due: (state == State::RequiresInformation)
            .then(|| outside::information_due(context)),
        metadata: ask.metadata.clone(),
        waits_for,
        counted_on: counted_on.clone(),
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
    draft.changes.facts.push(Fact::RefundRequested {
        refund: id,
        state,
        execution,
        to: ask.to,
        amount,
        shares: held,
        parts: taken,
        counted_on,
    });
    outside::tell_all(draft, context);
    outside::watch(draft, false, context);
    if let Some(paid) = &ask.paid {
        record_paid(draft, paid, context);
    }
    credit::pay(draft, context)
}

/// Only what a person carries out can have been paid already, and then it is no proposal.
fn check_paid(ask: &Ask) -> Result<(), Refusal> {
    let Some(paid) = &ask.paid else { return Ok(()) };
    if let Some(reference) = &paid.reference {
        checks::text(|| "paid/provider_reference".to_owned(), reference, checks::SHORT)?;
    }
    if ask.execution.is_some_and(|execution| execution != Execution::Manual) {
        let rule = "What was paid already is carried out as manual";
        return Err(Refusal::Contradiction { field: "execution".to_owned(), rule });
    }
    if ask.confirm == Some(false) {
        let rule = "What was paid already is no proposal";
        return Err(Refusal::Contradiction { field: "confirm".to_owned(), rule });
    }
    Ok(())
}

fn record_paid(draft: &mut Draft, paid: &Paid, context: &Context<'_>) {
    let mut steps = Steps::default();
    for index in 0..draft.refund().transactions.len() {
        draft.refund().transactions[index].provider_reference.clone_from(&paid.reference);
        draft.step(index, TransactionState::Succeeded, None, &mut steps, context);
    }
    draft.conclude(steps, context);
}

/// Everything that is named is there; answers with the lines that the items name.
fn check_known(book: &Book, ask: &Ask) -> Result<Vec<usize>, Refusal> {
    if let Some(wanted) = ask.return_id
        && !book.returns.iter().any(|row| row.id == wanted)
    {
        return Err(Refusal::UnknownReturn);
    }
    if let Some(payment) = ask.payment
        && book.payment(payment).is_none()
    {
        return Err(Refusal::UnknownPayment { field: "payment".to_owned(), payment });
    }
    parts::find_lines(book, &ask.what)
}

/// What is there does not forbid a refund, whatever its amount.
fn check_there(book: &Book, ask: &Ask) -> Result<(), Refusal> {
    let wanted = book.returns.iter().find(|row| Some(row.id) == ask.return_id);
    if let Some(row) = wanted.filter(|row| !row.state.carries_refunds()) {
        return Err(Refusal::ReturnClosed { return_id: row.id, state: row.state });
    }
    if book.order.captured.is_zero() {
        return Err(Refusal::NothingCaptured);
    }
    ask.payment.map_or(Ok(()), |payment| refundable(book, payment).map(|_| ()))
}

/// How each share is carried out: as asked, else by telling others where Notify Only is on, else by
/// the payment's gateway if it has one, else by telling the outside platform. Money that goes elsewhere than it came from is paid by hand.
fn with_execution(
    draft: &Draft,
    split: &[(usize, Minor)],
    to: Destination,
    asked: Option<Execution>,
    context: &Context<'_>,
) -> Result<Vec<(usize, Minor, Execution)>, Refusal> {
    let asked = outside::notify_only(to, asked, context)?;
    let mut shares = Vec::with_capacity(split.len());
    for (payment, amount) in split {
        let lack = context
            .policy
            .lacks(&draft.book.payments[*payment].provider, wanted(draft, *payment, *amount));
        let execution = match (to, asked) {
            (Destination::OriginalPayment, Some(asked)) => {
                if let Some(rule) = lack.filter(|_| asked == Execution::Automatic) {
                    return Err(not_automatic(rule));
                }
                asked
            }
            (Destination::OriginalPayment, None) if lack.is_none() => Execution::Automatic,
            (Destination::OriginalPayment, None) => Execution::Notify,
            (_, Some(Execution::Automatic)) => {
                let rule = "only the original payment is paid by a gateway";
                return Err(not_automatic(rule));
            }
            (_, Some(asked)) => asked,
            (Destination::BankTransfer | Destination::Cash | Destination::Other, None) => {
                Execution::Manual
            }
            (
                Destination::StoreCredit | Destination::GiftCard | Destination::CustomerBalance,
                None,
            ) => Execution::Internal,
        };
        if execution == Execution::Internal {
            credit::check_destination(&draft.book, to)?;
        }
        shares.push((*payment, *amount, execution));
    }
    Ok(shares)
}

fn wanted(draft: &Draft, payment: usize, amount: Minor) -> Wanted {
    let source = &draft.book.payments[payment];
    Wanted {
        currency: draft.book.order.currency,
        whole: amount == source.captured,
        first: source.held.is_zero() && source.refunded.is_zero(),
    }
}

pub fn check_gateway(
    execution: Execution,
    provider: &str,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    if execution == Execution::Automatic && !context.policy.pays_through(provider) {
        return Err(not_automatic("the payment's provider has no gateway here"));
    }
    Ok(())
}

pub fn not_automatic(rule: &'static str) -> Refusal {
    let (field, execution) = ("execution".to_owned(), Execution::Automatic);
    Refusal::ExecutionNotAvailable { field, execution, rule }
}

fn opening_state(
    draft: &Draft,
    shares: &[(usize, Minor, Execution)],
    amount: Minor,
    ask: &Ask,
    context: &Context<'_>,
) -> Result<(State, Option<WaitsFor>), Refusal> {
    let (currency, day) = (draft.book.order.currency, draft.book.day.as_ref());
    let approval = context.policy.needs_approval(amount, currency, day);
    match (ask.confirm.or(ask.paid.as_ref().map(|_| true)), approval) {
        (Some(true), Some(why)) if !ask.may_approve => {
            return Err(Refusal::ApprovalRequired { why });
        }
        (Some(false), _) => return Ok((State::Unconfirmed, Some(WaitsFor::Confirmation))),
        (None, Some(why)) => return Ok((State::Unconfirmed, Some(why))),
        (Some(true), _) | (None, None) => {}
    }
    let asks = ask.paid.is_none() && outside::asks_for_account(ask.to, shares, context);
    let state = match asks {
        true => State::RequiresInformation,
        false => state_once_confirmed(draft, shares, context),
    };
    Ok((state, None))
}

pub fn state_once_confirmed(
    draft: &Draft,
    shares: &[(usize, Minor, Execution)],
    context: &Context<'_>,
) -> State {
    let refund = draft.book.refund.as_ref();
    let given = refund.is_some_and(Refund::has_information);
    let needs_information = |(payment, _, execution): &(usize, Minor, Execution)| {
        let source = &draft.book.payments[*payment];
        !given
            && *execution == Execution::Automatic
            && context.policy.needs_information(&source.provider, &source.method)
    };
    let asks = refund
        .is_some_and(|refund| !given && outside::asks_for_account(refund.to, shares, context));
    if asks || shares.iter().any(needs_information) {
        State::RequiresInformation
    } else if shares.iter().all(|share| share.2 == Execution::Automatic) {
        State::Pending
    } else {
        State::Processing
    }
}

/// The state of a transaction of a refund that opens, or goes on, in `state`.
pub fn opening(state: State, execution: Execution) -> TransactionState {
    match (state, execution) {
        (State::Unconfirmed, _) => TransactionState::Unconfirmed,
        (State::RequiresInformation, _) => TransactionState::RequiresInformation,
        (_, Execution::Automatic) => TransactionState::Pending,
        (_, Execution::Notify | Execution::Manual) => TransactionState::Requested,
        // For a moment: it is credited in the same decision.
        (_, Execution::Internal) => TransactionState::Processing,
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

pub fn must_be(draft: &mut Draft, states: &[State], verb: &'static str) -> Result<(), Refusal> {
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
    let amount = checks::stated(|| "amount".to_owned(), stated, draft.book.order.currency)?;
    must_be(draft, &[State::Unconfirmed], "changed in its amount")?;
    if draft.refund().asked_by == AskedBy::Items || !draft.refund().parts.is_empty() {
        return Err(Refusal::Contradiction {
            field: "amount".to_owned(),
            rule: "The refund was asked for by lines; cancel it and ask again",
        });
    }
    if amount == draft.refund().amount {
        return Ok(());
    }
    let (named, to) = (draft.refund().payment, draft.refund().to);
    // Where Notify Only was turned on since, credit is somebody else's to give.
    let told = context.policy.notify_only.covers(to);
    let asked = execution_so_far(draft.refund());
    let asked = asked.filter(|asked| *asked != Execution::Internal || !told);
    let dropped = drop_shares(draft, context);
    let split = allocate(&draft.book, amount, named, "amount")?;
    let shares = with_execution(draft, &split, to, asked, context)?;
    let refund = draft.refund();
    refund.amount = amount;
    refund.execution = shares.first().map_or(refund.execution, |share| share.2);
    refund.asked_by = AskedBy::Amount;
    let id = refund.id;
    let shares = draft.hold(&shares, |_| TransactionState::Unconfirmed, context);
    draft.mark_refund(context);
    let execution = draft.refund().execution;
    let fact = Fact::RefundChanged { refund: id, execution, amount, dropped, shares };
    draft.changes.facts.push(fact);
    Ok(())
}

/// How the rest of a proposal goes when its amount changes: by hand or told to others if all of it
/// is, else as each payment allows. So a gateway never pays what was meant to be paid outside.
fn execution_so_far(refund: &Refund) -> Option<Execution> {
    let mut live = refund.transactions.iter().filter(|row| !row.superseded);
    let outside = refund.execution != Execution::Automatic
        && live.all(|row| row.execution == refund.execution);
    outside.then_some(refund.execution)
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

/// What its provider says was paid is not sent: that could pay twice. A person looks, and records
/// what was paid as a manual refund.
pub fn not_paid_already(row: &RefundTransaction, verb: &'static str) -> Result<(), Refusal> {
    if !row.contradicted {
        return Ok(());
    }
    Err(Refusal::WrongTransactionState { transaction: row.id, state: row.state, verb })
}

pub fn confirm(
    draft: &mut Draft,
    may_approve: bool,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    must_be(draft, &[State::Unconfirmed], "confirmed")?;
    let (amount, currency) = (draft.refund().amount, draft.refund().currency);
    for index in held(draft) {
        let row = &draft.refund().transactions[index];
        not_paid_already(row, "confirmed: its provider says that it was paid already")?;
        let (execution, provider) = (row.execution, row.provider.clone());
        outside::notify_only(draft.refund().to, Some(execution), context)?;
        check_gateway(execution, &provider, context)?;
    }
    let needed = context.policy.needs_approval(amount, currency, draft.book.day.as_ref());
    if let Some(why) = needed.filter(|_| !may_approve) {
        return Err(Refusal::ApprovalRequired { why });
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
    draft.refund().counted_on = draft.count(amount);
    move_held(draft, |execution| opening(state, execution), context);
    credit::pay(draft, context)
}

fn held(draft: &mut Draft) -> Vec<usize> {
    let rows = draft.refund().transactions.iter().enumerate();
    rows.filter(|(_, row)| row.state.weight() == Weight::Held).map(|(index, _)| index).collect()
}

/// Moves every open transaction of the refund, hands the pending ones to the workers, and
/// concludes.
pub fn move_held(
    draft: &mut Draft,
    to: impl Fn(Execution) -> TransactionState,
    context: &Context<'_>,
) {
    let mut steps = Steps::default();
    for index in held(draft) {
        let execution = draft.refund().transactions[index].execution;
        draft.step(index, to(execution), None, &mut steps, context);
        draft.hand_to_worker(index, context);
    }
    draft.conclude(steps, context);
}

pub fn cancel(
    draft: &mut Draft,
    reason: Option<&str>,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    checks::note("reason", reason)?;
    let refund = draft.refund();
    let sent =
        refund.transactions.iter().any(|row| row.state.weight() == Weight::Held && row.sends > 0);
    let untouched = refund.transactions.iter().filter(|row| !row.superseded).all(is_untouched);
    if sent || !(refund.state == State::Processing && untouched) {
        let cancelable: &[State] = if sent {
            &[]
        } else {
            &[State::Unconfirmed, State::RequiresInformation, State::Pending]
        };
        must_be(draft, cancelable, "canceled")?;
    }
    let message = reason.unwrap_or("Canceled before it was handed over.").to_owned();
    let failure = Failure { code: FailureCode::Canceled, message };
    draft.count_no_more();
    end_held(draft, TransactionState::Canceled, &failure, context);
    Ok(())
}

/// Whether nobody has done anything yet for a transaction that is under way: it is paid by hand, or
/// certainly never reached its provider, which may be gone for good.
fn is_untouched(row: &RefundTransaction) -> bool {
    match row.execution {
        Execution::Manual => row.state == TransactionState::Requested,
        Execution::Automatic => {
            let open =
                matches!(row.state, TransactionState::Pending | TransactionState::Processing);
            open && row.sends == 0
        }
        Execution::Notify | Execution::Internal => false,
    }
}

pub fn end_held(draft: &mut Draft, to: TransactionState, failure: &Failure, context: &Context<'_>) {
    let mut steps = Steps::default();
    for index in held(draft) {
        draft.step(index, to, Some(failure.clone()), &mut steps, context);
    }
    draft.conclude(steps, context);
}
