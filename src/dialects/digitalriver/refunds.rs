//! Refunds: created, listed, shown, and given notes.

use std::sync::Arc;

use refundry_domain::book::Book;
use refundry_domain::command::{Command, RefundChange, Target, What};
use refundry_domain::ids::{OrderId, OrderRef, RefundId};
use refundry_domain::order::PaymentKind;
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Refund, State};
use refundry_domain::refusal::Refusal;

use super::ask::{self, NotesAsk, RefundAsk};
use super::call::{Answered, Call, Read, answered, json, rendered, shown};
use super::paging::{self, List, no_cursor, span};
use super::refusals::No;
use super::wire::{self, RefundView, number};
use crate::dialects::shared::exact::{self, Text};
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right, Shows, Writes};
use crate::ledger::{self, Fitting};
use crate::store::{
    Answer, Bound, Comparison, Measured, Page, RefundFilter, RefundSearch, StoreError,
    TransactionFilter, TransactionKind,
};

pub async fn create(right: Right<Writes>, call: Call) -> Answered {
    let Read { body, once } = call.read::<RefundAsk>().await?;
    let named = match (&body.order_id, &body.invoice_id) {
        (Some(Text(name)), None) => name.clone(),
        (order, invoice) => {
            let book = order_of(&right, order.as_ref(), invoice.as_ref()).await?;
            format!("ord_{}", book.order.id)
        }
    };
    let body = Arc::new(body);
    // By its id, else by the shop's own number.
    let by_id = number("ord_", &named).map(|id| OrderRef::Id(OrderId(id)));
    for order in by_id.into_iter().chain([OrderRef::Reference(named.clone())]) {
        let (body, may_approve) = (body.clone(), right.may_approve());
        let fitting = Fitting {
            target: Target::Order(order),
            like: Command::RequestRefund(ask::ask(What::Rest)),
            fit: move |book: &Book| body.ask_of(book, may_approve).map(Command::RequestRefund),
            claim: once.clone().map(|once| once.claim(created)),
        };
        match right.carry_out_fitting(None, fitting).await?? {
            (ledger::Answered::Refused { refusal: Refusal::UnknownOrder, .. }, _) => {}
            (done, _) => return answered(done, created),
        }
    }
    Err(No::unknown("Order", "orderId", &named))
}

fn created(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 201, view)
}

fn changed(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, view)
}

fn view(book: &Book) -> Vec<u8> {
    json(&book.refund.as_ref().map(|refund| RefundView::of(refund, book)))
}

/// An order by its id, else by the shop's own number.
pub async fn order_named<S: Shows>(
    right: &Right<S>,
    name: &str,
) -> Result<Option<Book>, StoreError> {
    if let Some(id) = number("ord_", name)
        && let Some(book) = right.order(OrderRef::Id(OrderId(id))).await?
    {
        return Ok(Some(book));
    }
    right.order(OrderRef::Reference(name.to_owned())).await
}

/// The order that a request names, by itself, by its invoice, or by both alike.
async fn order_of(
    right: &Right<Writes>,
    order: Option<&Text>,
    invoice: Option<&Text>,
) -> Result<Book, No> {
    let by_order = match order {
        Some(Text(name)) => {
            let book = order_named(right, name).await?;
            Some(book.ok_or_else(|| No::unknown("Order", "orderId", name))?)
        }
        None => None,
    };
    let Some(Text(name)) = invoice else {
        return by_order.ok_or_else(|| No::missing("orderId"));
    };
    let filter = TransactionFilter {
        kinds: vec![TransactionKind::In(PaymentKind::InvoicePayment)],
        provider_reference: Some(name.clone()),
        order: by_order.as_ref().map(|book| book.order.id),
        ..TransactionFilter::default()
    };
    let page = Page { after: None, before: None, limit: 100, oldest_first: false };
    let found = right.transactions(filter, page).await?.rows;
    let Some(first) = found.first() else {
        return Err(No::unknown("Invoice", "invoiceId", name));
    };
    if found.iter().any(|row| row.order != first.order) {
        return Err(No::invalid("invoiceId", "More than one order has this invoice."));
    }
    match by_order {
        Some(book) => Ok(book),
        None => {
            let book = right.order(OrderRef::Id(first.order)).await?;
            book.ok_or_else(|| No::unknown("Invoice", "invoiceId", name))
        }
    }
}

async fn find<S: Shows>(right: &Right<S>, name: &str) -> Result<(Refund, Book), No> {
    let unknown = || No::unknown("Refund", "id", name);
    let id = number("ref_", name).map(RefundId).ok_or_else(unknown)?;
    let refund = right.refund(id).await?.ok_or_else(unknown)?;
    let book = right.order(OrderRef::Id(refund.order)).await?.ok_or_else(unknown)?;
    Ok((refund, book))
}

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    call.no_fields()?;
    let (refund, book) = find(&right, &call.name).await?;
    let link = match right.also::<Writes>() {
        Some(right) => right.information_link(&refund).await?,
        None => None,
    };
    Ok(shown(&RefundView::of(&refund, &book).with_token(link)))
}

pub async fn change(right: Right<Writes>, call: Call) -> Answered {
    let (refund, book) = find(&right, &call.name).await?;
    let Read { body, once } = call.read::<NotesAsk>().await?;
    let Some(notes) = body.metadata else {
        return Ok(shown(&RefundView::of(&refund, &book)));
    };
    let change = RefundChange { amount: None, metadata: Some(notes.checked()?) };
    let claim = once.map(|once| once.claim(changed));
    let target = Target::Refund(refund.id);
    answered(right.carry_out(target, Command::ChangeRefund(change), claim, false).await?, changed)
}

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = call.fields()?;
    let asked = paging::page(&mut fields, |text| number("ref_", text))?;
    let filter = filter(&right, &mut fields).await?;
    fields.finish()?;
    if let Some((name, at)) = asked.cursor
        && right.refund(RefundId(at)).await?.is_none()
    {
        return Err(no_cursor(name));
    }
    let Some(filter) = filter else {
        return Ok(shown(&List::<RefundView<'_>> { has_more: false, data: Vec::new() }));
    };
    let (slice, books) = right.refunds_with_books(filter, asked.page).await?;
    let data = slice.rows.iter().filter_map(|refund| {
        let book = books.get(&refund.order)?;
        Some(RefundView::of(refund, book))
    });
    Ok(shown(&List { has_more: slice.more, data: data.collect() }))
}

/// `None` when nothing can fit.
async fn filter(right: &Right<Reads>, fields: &mut Fields) -> Result<Option<RefundFilter>, No> {
    let mut filter = RefundFilter::default();
    let created = span(fields, "createdTime")?;
    (filter.created_from, filter.created_until) = (created.from, created.until);
    filter.search.bounds = bounds(fields)?;
    filter.search.sku = fields.take("skuId")?;
    filter.search.reason = fields.take("reason")?;
    let ids = fields.take_all("ids");
    if ids.len() > 100 {
        return Err(No::invalid("ids", "At most 100 can be asked for."));
    }
    filter.search.numbers = ids.iter().filter_map(|id| number("ref_", id)).collect();
    let mut possible = ids.is_empty() || !filter.search.numbers.is_empty();
    if let Some(name) = fields.take("state")? {
        let known = wire::states(&name).ok_or_else(|| {
            No::invalid("state", format!("Expected one of {}.", wire::STATES.join(", ")))
        })?;
        filter.states = known.to_vec();
        match name.as_str() {
            "expired" => filter.search.failures = vec![FailureCode::InformationExpired],
            "failed" => filter.search.except_failure = Some(FailureCode::InformationExpired),
            _ => {}
        }
    }
    if let Some(reason) = fields.take("failureReason")? {
        possible &= fails_with(&mut filter.states, &mut filter.search, &reason);
    }
    if let Some(name) = fields.take("orderId")? {
        filter.order = order_named(right, &name).await?.map(|book| book.order.id);
        possible &= filter.order.is_some();
    }
    Ok(Some(filter).filter(|_| possible))
}

/// Narrows a search to what failed for a reason; false when nothing can.
fn fails_with(states: &mut Vec<State>, search: &mut RefundSearch, reason: &str) -> bool {
    let Some(code) = FailureCode::parse(reason) else { return false };
    let state = match code {
        FailureCode::Canceled => State::Canceled,
        FailureCode::Reversed => State::Reversed,
        FailureCode::Declined
        | FailureCode::ExpiredOrCanceledCard
        | FailureCode::AccountClosed
        | FailureCode::InsufficientFunds
        | FailureCode::LimitExceeded
        | FailureCode::TooLate
        | FailureCode::AlreadyRefunded
        | FailureCode::CurrencyNotSupported
        | FailureCode::SuspectedFraud
        | FailureCode::Disputed
        | FailureCode::PaymentNotFound
        | FailureCode::InvalidRequest
        | FailureCode::InformationExpired
        | FailureCode::Other => State::Failed,
    };
    if !states.is_empty() && !states.contains(&state) {
        return false;
    }
    *states = vec![state];
    // The states say enough of the first two; a platform may have failed it in these words too.
    if state == State::Failed {
        if !search.failures.is_empty() && !search.failures.contains(&code) {
            return false;
        }
        search.failures = vec![code];
    }
    true
}

fn bounds(fields: &mut Fields) -> Result<Vec<Bound>, No> {
    let mut bounds = Vec::new();
    for (name, of) in [("amount", Measured::Amount), ("refundedAmount", Measured::Refunded)] {
        for (operator, text) in paging::compared(fields, name)? {
            let figure = exact::parse(&text)
                .map_err(|_| No::invalid(name, "Expected a number such as 27.01."))?;
            let is = match operator {
                "gt" => Comparison::Above,
                "gte" => Comparison::AtLeast,
                "lt" => Comparison::Below,
                "lte" => Comparison::AtMost,
                _ => Comparison::Equal,
            };
            bounds.push(Bound { of, is, figure });
        }
    }
    Ok(bounds)
}
