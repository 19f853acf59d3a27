//! Returns and complaints.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Command, ReturnChange, Target};
use refundry_domain::ids::ReturnId;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::ReturnState;

use super::call::{Call, answered, json, listed, rendered, shown};
use super::wire::asks::{CloseAsk, ReturnAsk, ReturnPatch};
use super::wire::records::ReturnView;
use super::wire::words::{expect_id, word};
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::store::{Answer, ReturnFilter};

pub async fn create(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<ReturnAsk>().await?;
    let target = Target::Order(read.body.order.0.clone());
    let command = Command::OpenReturn(read.body.command());
    let claim = read.once.map(|once| once.claim(opened));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, opened, read.dry_run)
}

/// The new return is the one with the highest number.
fn opened(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, |book| {
        json(&book.returns.iter().max_by_key(|row| row.id).map(ReturnView::of))
    })
}

/// The store puts the one return that is changed into the book.
fn changed(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, |book| json(&book.returns.first().map(ReturnView::of)))
}

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<ReturnId>(text).map(|id| id.0))?;
    let filter = ReturnFilter {
        kind: fields.one("kind", word)?,
        states: fields.many("state", word)?,
        order: fields.one("order", expect_id)?,
        reference: fields.take("reference")?,
        ..ReturnFilter::default()
    };
    fields.finish()?;
    let slice = right.returns(filter, page).await?;
    Ok(listed(&slice, &page, ReturnView::of, |row| row.id))
}

pub async fn show(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let row = right.return_of(return_id(&call)?).await?.ok_or(Refusal::UnknownReturn)?;
    Ok(shown(&ReturnView::of(&row)))
}

fn return_id(call: &Call) -> Result<ReturnId, Problem> {
    Ok(call.id::<ReturnId>().ok_or(Refusal::UnknownReturn)?)
}

pub async fn change(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = Target::Return(return_id(&call)?);
    let read = call.read::<ReturnPatch>().await?;
    let command = Command::ChangeReturn(read.body.command());
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

pub async fn close(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = Target::Return(return_id(&call)?);
    let read = call.read_or_default::<CloseAsk>().await?;
    let state = read.body.state.map_or(ReturnState::Done, |state| state.0);
    if !state.is_closed() {
        let detail = "Expected one of done, rejected, canceled.";
        return Err(Problem::field(Code::FieldInvalid, "/state", detail));
    }
    let change = ReturnChange { state: Some(state), ..ReturnChange::default() };
    let claim = read.once.map(|once| once.claim(changed));
    let command = Command::ChangeReturn(change);
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}
