//! Orders and their charges, as far as refunds need them.

use refundry_domain::book::Book;
use refundry_domain::command::{Command, OrderChange, Target};
use refundry_domain::ids::{OrderId, OrderRef, TransactionId};
use refundry_domain::refund::Refund;

use super::ask::NotesAsk;
use super::call::{Answered, Call, Read, shown};
use super::objects::{ChargeView, OrderView};
use super::refunds::order_named;
use super::refusals::No;
use super::wire::number;
use crate::dialects::shared::right::{Reads, Right, Shows, Writes};
use crate::ledger;
use crate::store::{Page, RefundFilter, StoreError};

/// More refunds than an order has.
const ALL: Page = Page { after: None, before: None, limit: 1_000_000, oldest_first: true };

fn of_order(order: OrderId) -> RefundFilter {
    RefundFilter { order: Some(order), ..RefundFilter::default() }
}

/// Every refund of an order, the oldest first.
async fn refunds_of<S: Shows>(right: &Right<S>, order: OrderId) -> Result<Vec<Refund>, StoreError> {
    Ok(right.refunds(of_order(order), ALL).await?.rows)
}

async fn find<S: Shows>(right: &Right<S>, name: &str) -> Result<Book, No> {
    let book = order_named(right, name).await?;
    book.ok_or_else(|| No::unknown("Order", "id", name))
}

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = call.fields()?;
    // The details of products are not kept apart, so there is nothing more to show.
    fields.flag("expand")?;
    fields.finish()?;
    let book = find(&right, &call.name).await?;
    let refunds = refunds_of(&right, book.order.id).await?;
    Ok(shown(&OrderView::of(&book, &refunds)))
}

pub async fn change(right: Right<Writes>, call: Call) -> Answered {
    let book = find(&right, &call.name).await?;
    let id = book.order.id;
    let Read { body, once: _ } = call.read::<NotesAsk>().await?;
    let book = match body.metadata {
        None => Box::new(book),
        Some(notes) => {
            let change = OrderChange { metadata: Some(notes.checked()?), ..OrderChange::default() };
            let target = Target::Order(OrderRef::Id(id));
            match right.carry_out(target, Command::ChangeOrder(change), None, false).await? {
                ledger::Answered::Done { book, .. } => book,
                ledger::Answered::Refused { refusal, .. } => return Err(refusal.into()),
                ledger::Answered::Replayed(_) | ledger::Answered::KeyReused => Box::new(book),
            }
        }
    };
    let refunds = refunds_of(&right, id).await?;
    Ok(shown(&OrderView::of(&book, &refunds)))
}

pub async fn charge(right: Right<Reads>, call: Call) -> Answered {
    call.no_fields()?;
    let unknown = || No::unknown("Charge", "id", &call.name);
    let id = number("ch_", &call.name).map(TransactionId).ok_or_else(unknown)?;
    let row = right.transaction(id).await?.ok_or_else(unknown)?;
    let book = right.order(OrderRef::Id(row.order)).await?.ok_or_else(unknown)?;
    let refunds = refunds_of(&right, row.order).await?;
    // A movement back has a number too, and is no charge.
    Ok(shown(&ChargeView::of(id, &book, &refunds).ok_or_else(unknown)?))
}
