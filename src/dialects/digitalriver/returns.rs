//! Returns: created, and accepted, which gives their worth back.

use refundry_domain::book::Book;
use refundry_domain::command::{Command, ReturnChange, Target};
use refundry_domain::ids::{OrderRef, ReturnId};
use refundry_domain::refund::{Refund, State};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{Return, ReturnState};

use super::ask::{ReturnAsk, ReturnPatch, ask_for};
use super::call::{Answered, Call, Read, answered, json, rendered, shown};
use super::objects::{self, ReturnView, is_accepted};
use super::paging::{self, List, no_cursor};
use super::refunds::order_named;
use super::refusals::No;
use super::wire::number;
use crate::dialects::shared::exact::Text;
use crate::dialects::shared::replay::Once;
use crate::dialects::shared::right::{Reads, Right, Shows, Writes};
use crate::ledger;
use crate::store::{Answer, Page, RefundFilter, ReturnFilter};

pub async fn create(right: Right<Writes>, call: Call) -> Answered {
    let Read { body, once } = call.read::<ReturnAsk>().await?;
    let Some(Text(name)) = &body.order_id else { return Err(No::missing("orderId")) };
    let book = order_named(&right, name).await?;
    let book = book.ok_or_else(|| No::unknown("Order", "orderId", name))?;
    let target = Target::Order(OrderRef::Id(book.order.id));
    let command = Command::OpenReturn(body.into_return(&book)?);
    let claim = once.map(|once| once.claim(opened));
    answered(right.carry_out(target, command, claim, false).await?, opened)
}

/// The new return is the one with the highest number.
fn opened(result: Result<&Book, &Refusal>) -> Answer {
    if let Err(Refusal::OutOfRange { field, .. }) = result
        && let Some(item) = field.strip_prefix("items/").and_then(|rest| rest.split('/').next())
    {
        let no = No::too_many_units(item);
        return Answer { status: no.status, body: no.body() };
    }
    let newest = |book: &Book| book.returns.iter().max_by_key(|row| row.id).cloned();
    rendered(result, 201, |book| json(&newest(book).as_ref().map(|row| ReturnView::of(row, book))))
}

/// The store puts the one return that is changed into the book.
fn changed(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, |book| json(&book.returns.first().map(|row| ReturnView::of(row, book))))
}

async fn find<S: Shows>(right: &Right<S>, name: &str) -> Result<(Return, Book), No> {
    let unknown = || No::unknown("Return", "id", name);
    let id = number("ret_", name).map(ReturnId).ok_or_else(unknown)?;
    let row = right.return_of(id).await?.ok_or_else(unknown)?;
    let book = right.order(OrderRef::Id(row.order)).await?.ok_or_else(unknown)?;
    Ok((row, book))
}

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    call.no_fields()?;
    let (row, book) = find(&right, &call.name).await?;
    Ok(shown(&ReturnView::of(&row, &book)))
}

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = call.fields()?;
    let asked = paging::page(&mut fields, |text| number("ret_", text))?;
    let mut filter = ReturnFilter::default();
    if let Some(name) = fields.take("state")? {
        filter.states = objects::return_states(&name);
        if filter.states.is_empty() {
            let names = objects::RETURN_STATES.join(", ");
            return Err(No::invalid("state", format!("Expected one of {names}.")));
        }
    }
    let mut possible = true;
    if let Some(name) = fields.take("orderId")? {
        filter.order = order_named(&right, &name).await?.map(|book| book.order.id);
        possible = filter.order.is_some();
    }
    fields.finish()?;
    if let Some((name, at)) = asked.cursor
        && right.return_of(ReturnId(at)).await?.is_none()
    {
        return Err(no_cursor(name));
    }
    if !possible {
        return Ok(shown(&List::<ReturnView<'_>> { has_more: false, data: Vec::new() }));
    }
    let slice = right.returns(filter, asked.page).await?;
    let books = right.books(slice.rows.iter().map(|row| row.order)).await?;
    let data = slice.rows.iter();
    let data = data.filter_map(|row| Some(ReturnView::of(row, books.get(&row.order)?)));
    Ok(shown(&List { has_more: slice.more, data: data.collect() }))
}

pub async fn change(right: Right<Writes>, call: Call) -> Answered {
    let (row, _) = find(&right, &call.name).await?;
    let Read { mut body, once } = call.read::<ReturnPatch>().await?;
    let mut change = ReturnChange { reason: body.checked_reason()?, ..ReturnChange::default() };
    change.metadata = body.metadata.map(|notes| notes.checked()).transpose()?;
    change.state = match body.state.as_deref() {
        None => None,
        Some("accepted") if is_accepted(row.state) => None,
        Some("accepted") => {
            give_back(&right, &row).await?;
            Some(ReturnState::Approved)
        }
        Some("created") if row.state == ReturnState::Pending => None,
        Some(_) => return Err(No::invalid("state", "A return can be accepted, and no more.")),
    };
    let claim = once.map(|once| once.claim(changed));
    let target = Target::Return(row.id);
    answered(right.carry_out(target, Command::ChangeReturn(change), claim, false).await?, changed)
}

/// Refunds what came back. It comes before the return is accepted, so that a crash in between
/// leaves a return that is accepted again; and a return that has a refund gets no second one.
async fn give_back(right: &Right<Writes>, row: &Return) -> Result<(), No> {
    if row.items.is_empty() {
        return Ok(());
    }
    if row.state.is_closed() {
        return Err(Refusal::ReturnClosed { return_id: row.id, state: row.state }.into());
    }
    let filter = RefundFilter { return_id: Some(row.id), ..RefundFilter::default() };
    let page = Page { after: None, before: None, limit: 1_000, oldest_first: false };
    let refunds = right.refunds(filter, page).await?.rows;
    if refunds.iter().any(is_standing) {
        return Ok(());
    }
    // Two acceptances at once see the same refunds of the return, and so claim the same key. It is
    // kept only when the refund was made: what was refused can be tried again. No client can send
    // this key: it has a character that headers do not.
    let ended = refunds.first().map_or(0, |refund| refund.id.0);
    let key = format!("\u{1}digitalriver refund of return {} after {ended}", row.id);
    let once = Once::new(&key, [b"", b"", b"", b""]);
    let command = Command::RequestRefund(ask_for(row, right.may_approve()));
    let target = Target::Order(OrderRef::Id(row.order));
    use ledger::Answered::{Done, KeyReused, Refused, Replayed};
    match right.carry_out(target, command, Some(once.claim_when_done(nothing)), false).await {
        // Under this key only a refund that was made is kept.
        Ok(Done { .. } | Replayed(_)) => Ok(()),
        Ok(Refused { refusal, .. }) => Err(refusal.into()),
        Ok(KeyReused) => Err(No::new(409, "The return was refunded already; look at its order.")),
        Err(ledger::Fault::InProgress) => {
            Err(No::new(409, "The return is being accepted already; look at it again."))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Only that it was refunded is kept.
fn nothing(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, |_| Vec::new())
}

/// Whether it gives its amount back, or may yet.
fn is_standing(refund: &Refund) -> bool {
    match refund.state {
        State::Unconfirmed
        | State::RequiresInformation
        | State::Pending
        | State::Processing
        | State::NeedsAttention
        | State::Succeeded => true,
        State::Failed | State::Canceled | State::Reversed => false,
    }
}
