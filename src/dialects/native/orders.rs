//! Orders and the payments recorded for them.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, Stated, Target, What};
use refundry_domain::ids::{OrderId, OrderRef};
use refundry_domain::money::Percent;
use refundry_domain::refund::Destination;
use refundry_domain::refusal::Refusal;

use super::call::{Call, answered, json, listed, rendered, shown};
use super::wire::answers::{OrderView, PaymentView};
use super::wire::asks::{OrderAsk, OrderPatch, PaymentAsk};
use super::wire::records::Refundable;
use super::wire::words::{expect_id, time, word};
use crate::dialects::shared::exact;
use crate::dialects::shared::problem::Problem;
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::ledger::Answered;
use crate::store::{Answer, OrderFilter};

pub async fn create(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<OrderAsk>().await?;
    let command = Command::RegisterOrder(read.body.command());
    let claim = read.once.map(|once| once.claim(registered));
    let done = right.carry_out(Target::NewOrder, command, claim, read.dry_run).await?;
    answered(done, registered, read.dry_run)
}

pub fn registered(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, |book| json(&OrderView::of(book)))
}

fn changed(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, |book| json(&OrderView::of(book)))
}

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<OrderId>(text).map(|id| id.0))?;
    let filter = OrderFilter {
        reference: fields.take("reference")?,
        customer: fields.take("customer")?,
        tracking_id: fields.take("tracking_id")?,
        created_from: fields.one("created_from", time)?,
        created_until: fields.one("created_until", time)?,
        ..OrderFilter::default()
    };
    fields.finish()?;
    let slice = right.orders(filter, page).await?;
    Ok(listed(&slice, &page, OrderView::brief, |order| order.id))
}

pub async fn show(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let book = find(&right, call.id()).await?;
    Ok(shown(&OrderView::of(&book)))
}

async fn find(right: &Right<Reads>, id: Option<OrderId>) -> Result<Book, Problem> {
    let id = id.ok_or(Refusal::UnknownOrder)?;
    let book = right.order(OrderRef::Id(id)).await?;
    Ok(book.ok_or(Refusal::UnknownOrder)?)
}

fn target(call: &Call) -> Result<Target, Problem> {
    let id = call.id::<OrderId>().ok_or(Refusal::UnknownOrder)?;
    Ok(Target::Order(OrderRef::Id(id)))
}

pub async fn change(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = target(&call)?;
    let read = call.read::<OrderPatch>().await?;
    let command = Command::ChangeOrder(read.body.command());
    let claim = read.once.map(|once| once.claim(changed));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, changed, read.dry_run)
}

pub async fn record_payment(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let target = target(&call)?;
    let read = call.read::<PaymentAsk>().await?;
    let command = Command::RecordPayment(read.body.command());
    let claim = read.once.map(|once| once.claim(recorded));
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, recorded, read.dry_run)
}

/// The new payment is the last one: they stand in order of number.
fn recorded(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, |book| {
        let (order, currency) = (book.order.id, book.order.currency);
        let row = book.payments.iter().max_by_key(|row| row.id);
        json(&row.map(|row| PaymentView::of(row, order, currency)))
    })
}

/// What is left, and what a refund would be that the query describes: decided by the same code
/// that would carry it out.
pub async fn refundable(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let amount = fields.one("amount", exact::parse)?;
    let percent = fields.one("percent", |text| {
        Percent::read(exact::parse(text)?).map_err(|problem| problem.to_string())
    })?;
    let payment = fields.one("payment", expect_id)?;
    let kind = fields.one("kind", word)?;
    let to = fields.one("to", word)?;
    fields.finish()?;
    let what = match (amount, percent) {
        (Some(_), Some(_)) => {
            return Err(Problem::query("percent", "Give amount or percent, not both."));
        }
        (Some(figure), None) => Some(What::Amount(Stated { figure, currency: None })),
        (None, Some(percent)) => Some(What::Percent(percent)),
        (None, None) => None,
    };
    let book = find(&right, call.id()).await?;
    let Some(what) = what else {
        if payment.is_some() || kind.is_some() || to.is_some() {
            return Err(Problem::query("amount", "Give amount or percent to see its split."));
        }
        return Ok(shown(&Refundable::of(&book, None)));
    };
    let ask = Ask {
        what,
        kind,
        payment,
        return_id: None,
        to: to.unwrap_or(Destination::OriginalPayment),
        execution: None,
        paid: None,
        confirm: None,
        may_approve: false,
        reason: None,
        note: None,
        metadata: Default::default(),
    };
    let target = Target::Order(OrderRef::Id(book.order.id));
    match right.preview(target, Command::RequestRefund(ask)).await? {
        Answered::Done { book: after, .. } => {
            Ok(shown(&Refundable::of(&book, after.refund.as_ref())))
        }
        Answered::Refused { refusal, .. } => Err(in_query(refusal)),
        Answered::Replayed(_) | Answered::KeyReused => Ok(shown(&Refundable::of(&book, None))),
    }
}

/// The refusal names a field of a body; here it came as a query field.
fn in_query(refusal: Refusal) -> Problem {
    use crate::dialects::shared::problem::At;
    let field = refusal.field().map(str::to_owned);
    let mut problem = Problem::from(refusal);
    problem.at = field.map(At::Query);
    problem
}
