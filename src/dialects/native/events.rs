//! The change feed: events as a list, and of one order.

use axum::response::Response;
use refundry_domain::ids::{EventId, OrderId, OrderRef};
use refundry_domain::refusal::Refusal;

use super::call::{Call, listed};
use super::wire::records::EventView;
use super::wire::words::expect_id;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::problem::Problem;
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{EventFilter, Page};

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let order = fields.one("order", expect_id)?;
    let (filter, page) = asked(fields, order)?;
    let slice = right.events(filter, page).await?;
    Ok(listed(&slice, &page, EventView::of, |event| event.id))
}

pub async fn of_order(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<OrderId>().ok_or(Refusal::UnknownOrder)?;
    let (filter, page) = asked(call.fields()?, Some(id))?;
    right.order(OrderRef::Id(id)).await?.ok_or(Refusal::UnknownOrder)?;
    let slice = right.events(filter, page).await?;
    Ok(listed(&slice, &page, EventView::of, |event| event.id))
}

fn asked(mut fields: Fields, order: Option<OrderId>) -> Result<(EventFilter, Page), Problem> {
    let mut page = fields.page(|text| expect_id::<EventId>(text).map(|id| id.0))?;
    page.oldest_first = fields.flag("oldest_first")?;
    let names = fields.take_all("type");
    let filter = EventFilter { order, subject: fields.one("subject", subject)?, names };
    fields.finish()?;
    Ok((filter, page))
}

/// The id of any row: the numbers of all rows are of one sequence.
fn subject(text: &str) -> Result<i64, String> {
    let number = text.split_once('_').map(|(_, digits)| digits);
    let number = number.and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "expected the id of a row, such as ref_12".to_owned())
}
