//! Refunds: asked for, looked up, changed, confirmed, canceled, retried.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::RefundId;
use refundry_domain::refund::State;
use refundry_domain::refusal::Refusal;

use super::call::{Call, answered, json, listed, rendered, shown};
use super::wire::answers::RefundView;
use super::wire::asks::{CancelAsk, InformationAsk, Nothing, RefundAsk, RefundPatch};
use super::wire::information::LinkView;
use super::wire::words::{expect_id, time, word};
use crate::access::bank::BankDetails;
use crate::access::links::LinkError;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Confirms, Reads, Right, Writes};
use crate::store::{Answer, RefundFilter};

pub async fn create(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<RefundAsk>().await?;
    let target = Target::Order(read.body.order());
    let command = Command::RequestRefund(read.body.command(right.may_approve())?);
    let claim = read.once.map(|once| once.claim(requested));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, requested, read.dry_run)
}

pub fn requested(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, |book| json(&book.refund.as_ref().map(RefundView::of)))
}

fn changed(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, |book| json(&book.refund.as_ref().map(RefundView::of)))
}

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<RefundId>(text).map(|id| id.0))?;
    let filter = RefundFilter {
        states: fields.many("state", word)?,
        order: fields.one("order", expect_id)?,
        return_id: fields.one("return", expect_id)?,
        execution: fields.one("execution", word)?,
        to: fields.one("to", word)?,
        tracking_id: fields.take("tracking_id")?,
        created_from: fields.one("created_from", time)?,
        created_until: fields.one("created_until", time)?,
        ..RefundFilter::default()
    };
    fields.finish()?;
    let slice = right.refunds(filter, page).await?;
    Ok(listed(&slice, &page, RefundView::of, |refund| refund.id))
}

pub async fn show(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let refund = right.refund(refund_id(&call)?).await?.ok_or(Refusal::UnknownRefund)?;
    Ok(shown(&RefundView::of(&refund)))
}

fn refund_id(call: &Call) -> Result<RefundId, Problem> {
    Ok(call.id::<RefundId>().ok_or(Refusal::UnknownRefund)?)
}

pub async fn change(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = Target::Refund(refund_id(&call)?);
    let read = call.read::<RefundPatch>().await?;
    let command = Command::ChangeRefund(read.body.command()?);
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

pub async fn confirm(right: Right<Confirms>, call: Call) -> Result<Response, Problem> {
    let refund = refund_id(&call)?;
    let read = call.read_or_default::<Nothing>().await?;
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.confirm(refund, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

pub async fn cancel(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = Target::Refund(refund_id(&call)?);
    let read = call.read_or_default::<CancelAsk>().await?;
    let command = Command::Cancel { reason: read.body.reason };
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

pub async fn retry(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = Target::Refund(refund_id(&call)?);
    let read = call.read_or_default::<Nothing>().await?;
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.carry_out(target, Command::Retry, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

/// The bank details are sealed before they go any further.
pub async fn information(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let refund = refund_id(&call)?;
    let read = call.read::<InformationAsk>().await?;
    let ask = read.body;
    let details = BankDetails::new(&ask.iban, &ask.account_holder, ask.bic.as_deref()).map_err(
        |problem| {
            Problem::field(Code::FieldInvalid, format!("/{}", problem.field), problem.expected)
        },
    )?;
    let sealed =
        details.seal(right.sealer(), right.caller().merchant, refund).map_err(|error| {
            tracing::error!(%error, "bank details could not be sealed");
            Problem::new(Code::Internal, "The details could not be sealed; nothing was kept.")
        })?;
    let claim = read.once.map(|once| once.claim(changed));
    // What waits is answered once, whoever else answers it at the same moment; after that, this puts
    // other details in their place.
    let waiting = right.refund(refund).await?;
    let answers = waiting.and_then(|waiting| waiting.information_due);
    let command = Command::GiveInformation { sealed, answers };
    let done = right.carry_out(Target::Refund(refund), command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

/// The customer's link, made when it is first asked for.
pub async fn information_link(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let id = refund_id(&call)?;
    let read = call.read_or_default::<Nothing>().await?;
    let refund = right.refund(id).await?.ok_or(Refusal::UnknownRefund)?;
    if refund.state != State::RequiresInformation {
        let (state, verb) = (refund.state, "given bank details");
        return Err(Refusal::WrongState { refund: id, state, verb }.into());
    }
    if read.dry_run {
        return Ok(shown(&LinkView::of(id, None, refund.information_due)));
    }
    let link = right.information_link(&refund).await.map_err(|error| match error {
        LinkError::Store(error) => error.into(),
        error @ (LinkError::Seal(_) | LinkError::NoRandomness(_)) => {
            tracing::error!(%error, "a link cannot be made");
            Problem::new(Code::Internal, "The link could not be made.")
        }
    })?;
    Ok(shown(&LinkView::of(id, link, refund.information_due)))
}
