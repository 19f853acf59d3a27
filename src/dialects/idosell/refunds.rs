//! Refunds: added, changed, confirmed, canceled.

use std::sync::atomic::Ordering;

use refundry_domain::book::Book;
use refundry_domain::command::{
    Ask, Command, ItemAsk, ItemShare, LineRef, RefundChange, Stated, Target, What,
};
use refundry_domain::ids::{OrderId, OrderRef, ReturnId, TransactionId};
use refundry_domain::order::Metadata;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Destination, Execution, Refund, State, TransactionState};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;
use refundry_domain::text;

use super::answer::{Out, Reply};
use super::kept::{self, Kept};
use super::method::Method;
use super::refusals::{self, Trouble, fault, fulfilled};
use super::source::{self, Source, SourceType};
use super::wire::Group;
use super::{Repeat, Rights, system};
use crate::dialects::shared::replay::Once;
use crate::ledger::{Answered, Fitting};
use crate::store::Claim;

/// An unconfirmed refund as every method adds them: nothing is paid before it is confirmed.
fn ask(what: What, to: Destination, execution: Execution) -> Ask {
    Ask {
        what,
        kind: None,
        payment: None,
        return_id: None,
        to,
        execution: Some(execution),
        paid: None,
        confirm: Some(false),
        may_approve: false,
        reason: None,
        note: None,
        metadata: Metadata::new(),
    }
}

/// The return is worth what its goods cost; what they were paid with is found by the ledger.
pub fn ask_for_return(row: &Return) -> Ask {
    let item = |item: &refundry_domain::returns::ReturnItem| ItemAsk {
        line: LineRef::Position(item.line),
        share: ItemShare::Quantity(item.quantity),
    };
    let what = What::Items(row.items.iter().map(item).collect());
    let ask = ask(what, Destination::OriginalPayment, Execution::Automatic);
    Ask { return_id: Some(row.id), ..ask }
}

pub async fn add_automatic(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::AddAutomaticRefund;
    let kind = match params.source_type()? {
        Some(kind @ (SourceType::Return | SourceType::Rma)) => kind,
        Some(SourceType::Order) | None => return Err(refusals::bad_source_type(method)),
    };
    let source = source::find(&rights.reads, method, kind, params.source_id()?).await?;
    let Some(row) = &source.of_return else { return Err(refusals::unknown_source(method)) };
    if row.items.is_empty() {
        let text = "The return has no items, so it is not known what it is worth.";
        return Err(fault(method, &[4018], text));
    }
    // A return is given back once: whoever asks again gets the refund that there is.
    let refunds = source.refunds(&rights.reads).await?;
    let automatic = |refund: &&Refund| refund.execution == Execution::Automatic;
    if let Some(refund) = refunds.iter().filter(automatic).find(|refund| is_live(refund.state)) {
        return Ok(added(refund.id.0));
    }
    let ended = refunds.iter().rfind(automatic).map_or(0, |refund| refund.id.0);
    let once = once_for(row.id, ended);
    add(rights, method, row.order, ask_for_return(row), &Repeat::under(Some(once))).await
}

/// Whether it gives its amount back, or may yet.
fn is_live(state: State) -> bool {
    match state {
        State::Unconfirmed
        | State::RequiresInformation
        | State::Pending
        | State::Processing
        | State::NeedsAttention
        | State::Succeeded => true,
        State::Failed | State::Canceled | State::Reversed => false,
    }
}

/// Two requests at the same time must not both add a refund of one return. No client can send
/// this key: it has a character that headers do not.
fn once_for(row: ReturnId, ended: i64) -> Once {
    Once::new(&format!("\u{1}return {row} after {ended}"), [b"", b"", b"", b""])
}

pub async fn add_for_order(
    rights: &Rights,
    params: &Group,
    repeat: &Repeat,
) -> Result<Reply, Trouble> {
    let method = Method::AddAutomaticRefundForOrder;
    let what = What::Amount(stated(method, params)?);
    let name = params.source_id()?;
    // A number out of range, or the ordinal of another source, names none of the payments.
    let named = params.text("paymentId")?.map(|text| {
        source::own_ordinal(name, text).or_else(|| source::digits::<usize>(text)).unwrap_or(0)
    });
    let ask = ask(what, Destination::OriginalPayment, Execution::Automatic);
    let like = Command::RequestRefund(ask.clone());
    let fit = move |book: &Book| {
        let payment = named.map(|ordinal| payment_of(book, method, ordinal)).transpose()?;
        if book.order.fulfilled_at.is_some() {
            return Err(fulfilled(method));
        }
        Ok(Command::RequestRefund(Ask { payment, ..ask.clone() }))
    };
    let claim = repeat.once.clone().map(|once| once.claim(kept::render(method)));
    let target = Target::Order(OrderRef::Reference(name.to_owned()));
    let done =
        rights.writes()?.carry_out_fitting(None, Fitting { target, like, fit, claim }).await?;
    match replied(done?.0, method, repeat) {
        // Without a payment named it is the refund that cannot be automatic.
        Err(Trouble::Coded(coded)) if coded.code == 4002 && named.is_none() => {
            Err(fault(method, &[4001], coded.text))
        }
        done => done,
    }
}

/// The payment that `paymentId` means: its place among the order's payments.
fn payment_of(book: &Book, method: Method, ordinal: usize) -> Result<TransactionId, Trouble> {
    let payment = ordinal.checked_sub(1).and_then(|index| book.payments.get(index));
    payment.map(|payment| payment.id).ok_or_else(|| refusals::unknown_payment(method))
}

pub async fn add_manual(
    rights: &Rights,
    params: &Group,
    repeat: &Repeat,
) -> Result<Reply, Trouble> {
    let method = Method::AddManualRefund;
    let Some(kind) = params.source_type()? else { return Err(refusals::bad_source_type(method)) };
    let what = What::Amount(stated(method, params)?);
    let details = params.group("refundDetails")?.cloned().unwrap_or_default();
    let system = system::of(&details)?;
    let source = source::find(&rights.reads, method, kind, params.source_id()?).await?;
    let Some((number, to)) = system else {
        let text = "refundDetails.paymentSystem is no payment system; 27 is the customer's \
                    balance, 3 cash, 5 a bank transfer.";
        return Err(fault(method, &[4011], text));
    };
    let mut ask = ask(what, to, Execution::Manual);
    ask.return_id = source.of_return.as_ref().map(|row| row.id);
    ask.metadata.insert("idosell_payment_system".to_owned(), number.to_string());
    for (name, kept) in
        [("account", "idosell_account"), ("clientAccount", "idosell_client_account")]
    {
        if let Some(account) = details.text(name)? {
            ask.metadata.insert(kept.to_owned(), last_four(name, account)?);
        }
    }
    add(rights, method, source.book.order.id, ask, repeat).await
}

/// Of an account number only the end is kept: the shop has the whole, and nobody pays from here.
fn last_four(name: &str, account: &str) -> Result<String, Trouble> {
    text::check(account, 64).map_err(|problem| Trouble::Format(format!("{name}: {problem}.")))?;
    let shown: Vec<char> = account.chars().filter(|c| c.is_alphanumeric()).collect();
    let end: String = shown[shown.len().saturating_sub(4)..].iter().collect();
    Ok(format!("…{end}"))
}

fn stated(method: Method, params: &Group) -> Result<Stated, Trouble> {
    let figure = params.figure("refundValue")?;
    let currency = params.currency().map_err(|trouble| {
        let text = "refundCurrency is no currency; it is three capital letters, such as PLN.";
        trouble.unwrap_or_else(|| fault(method, &[4004], text))
    })?;
    Ok(Stated { figure, currency })
}

async fn add(
    rights: &Rights,
    method: Method,
    order: OrderId,
    ask: Ask,
    repeat: &Repeat,
) -> Result<Reply, Trouble> {
    let render = kept::render(method);
    let claim: Option<Claim> = repeat.once.clone().map(|once| once.claim(render));
    let target = Target::Order(OrderRef::Id(order));
    let done =
        rights.writes()?.carry_out(target, Command::RequestRefund(ask), claim, false).await?;
    replied(done, method, repeat)
}

fn replied(done: Answered, method: Method, repeat: &Repeat) -> Result<Reply, Trouble> {
    let kept = match done {
        Answered::Done { answer: Some(answer), .. }
        | Answered::Refused { answer: Some(answer), .. } => Kept::read(&answer),
        Answered::Replayed(answer) => {
            repeat.replayed.store(true, Ordering::Relaxed);
            Kept::read(&answer)
        }
        Answered::Done { book, answer: None } => Kept::of(method, Ok(&book)),
        Answered::Refused { refusal, answer: None } => Kept::of(method, Err(&refusal)),
        Answered::KeyReused => Some(Kept::Reused),
    };
    match kept {
        Some(Kept::Refund(number)) => Ok(added(number)),
        Some(Kept::Coded(code, text)) => Err(Trouble::Coded(refusals::Coded { code, text })),
        Some(Kept::Format(text)) => Err(Trouble::Format(text)),
        Some(Kept::Reused) => {
            let text = "The idempotency key was used for another request.";
            Err(Trouble::Format(text.to_owned()))
        }
        None => Err(fault(method, &[4010], "The answer that was kept cannot be read.")),
    }
}

fn added(number: i64) -> Reply {
    Reply::Result(vec![("refundId", Out::Int(number))])
}

/// The refund that the parameters address, and the source it is of.
async fn addressed(
    rights: &Rights,
    method: Method,
    params: &Group,
) -> Result<(Source, Refund), Trouble> {
    let Some(kind) = params.source_type()? else { return Err(refusals::bad_source_type(method)) };
    let payment = params.needed_text("paymentId")?;
    let source = source::find(&rights.reads, method, kind, params.source_id()?).await?;
    let refund = source.refund(&rights.reads, method, payment).await?;
    Ok((source, refund))
}

pub async fn update(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::UpdateRefund;
    let amount = Some(stated(method, params)?);
    let (_, refund) = addressed(rights, method, params).await?;
    let command = Command::ChangeRefund(RefundChange { amount, metadata: None });
    run(rights, method, Target::Refund(refund.id), command).await?;
    Ok(Reply::Result(vec![("updateResult", Out::Flag(true))]))
}

/// Sends an automatic refund to its provider. A refund by hand is thereby recorded as paid: no
/// other method of the gate could say so later.
pub async fn confirm(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::ConfirmRefund;
    let (source, refund) = addressed(rights, method, params).await?;
    let by_hand = refund.execution == Execution::Manual;
    if source.of_return.is_none() && !by_hand && source.book.order.fulfilled_at.is_some() {
        return Err(fulfilled(method));
    }
    // Asked again after a confirmation that was broken off: the rest of it is done now.
    let half_done = refund.state == State::Processing && !open_by_hand(&refund).is_empty();
    let rows = if half_done {
        open_by_hand(&refund)
    } else {
        let done = rights.confirms()?.confirm(refund.id, None, false).await?;
        settled(method, done)?.refund.as_ref().map(open_by_hand).unwrap_or_default()
    };
    for row in rows {
        let outcome = Outcome::Done { reference: None, amount: None };
        let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        run(rights, method, Target::Transaction(row), Command::Report(report)).await?;
    }
    Ok(Reply::Result(vec![("confirmResult", Out::Flag(true))]))
}

/// The transactions that wait for a person to have paid them.
fn open_by_hand(refund: &Refund) -> Vec<TransactionId> {
    let open = refund.transactions.iter().filter(|row| {
        row.execution == Execution::Manual && row.state == TransactionState::Requested
    });
    open.map(|row| row.id).collect()
}

pub async fn cancel(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::CancelRefund;
    let (_, refund) = addressed(rights, method, params).await?;
    run(rights, method, Target::Refund(refund.id), Command::Cancel { reason: None }).await?;
    Ok(Reply::Result(vec![("resultStatus", Out::Flag(true))]))
}

async fn run(
    rights: &Rights,
    method: Method,
    target: Target,
    command: Command,
) -> Result<Box<Book>, Trouble> {
    settled(method, rights.writes()?.carry_out(target, command, None, false).await?)
}

fn settled(method: Method, answered: Answered) -> Result<Box<Book>, Trouble> {
    match answered {
        Answered::Done { book, .. } => Ok(book),
        Answered::Refused { refusal, .. } => Err(refusals::trouble(method, &refusal)),
        Answered::Replayed(_) | Answered::KeyReused => {
            Err(fault(method, &[], "The request was answered before."))
        }
    }
}

/// What a rule says of an automatic refund that is only thought of.
pub fn no_automatic(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ExecutionNotAvailable { .. }
            | Refusal::MoreThanIsLeft { .. }
            | Refusal::MoreUnitsThanLeft { .. }
            | Refusal::MoreThanLineHas { .. }
            | Refusal::NothingToGiveBack { .. }
            | Refusal::NothingCaptured
            | Refusal::Missing { .. }
    )
}
