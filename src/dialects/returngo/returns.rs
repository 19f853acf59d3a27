//! Returns, to read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::book::Book;
use refundry_domain::ids::{OrderRef, ReturnId};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{Return, ReturnState};
use serde_json::{Value, json};

use super::call::{Answered, Call, json as answer};
use super::refusals::No;
use super::transactions::{page, span, views};
use super::wire::{item_id, status_of_return, time};
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Page, ReturnFilter, Search, TransactionFilter};

/// What cursors of this list begin with.
const CURSOR: &str = "returns.id:";

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = Fields::of(&call.uri)?;
    let mut page = page(&mut fields, |text| text.strip_prefix(CURSOR)?.parse().ok())?;
    match fields.take("sort_by")?.as_deref() {
        // A plus in a query is a space.
        None | Some("+rma_created_at" | " rma_created_at" | "rma_created_at") => {}
        Some("-rma_created_at") => page.oldest_first = false,
        Some(_) => return Err(No::new(400, "sort_by is +rma_created_at or -rma_created_at.")),
    }
    let mut filter = ReturnFilter {
        created: span(&mut fields, "rma_created_at")?,
        updated: span(&mut fields, "rma_updated_at")?,
        ..ReturnFilter::default()
    };
    for text in fields.take_all("status") {
        let mut states = ReturnState::ALL.into_iter();
        let state = states.find(|state| status_of_return(*state).eq_ignore_ascii_case(&text));
        filter.states.push(state.ok_or_else(|| {
            let names: Vec<&str> =
                ReturnState::ALL.iter().map(|state| status_of_return(*state)).collect();
            No::new(400, format!("status is {}.", names.join(", ")))
        })?);
    }
    let slice = right.returns(filter, page).await?;
    let mut rmas = Vec::with_capacity(slice.rows.len());
    for row in &slice.rows {
        let book = right.order(OrderRef::Id(row.order)).await?.ok_or(Refusal::UnknownOrder)?;
        rmas.push(summary(row, &book));
    }
    let next = slice.rows.last().filter(|_| slice.more);
    let next = next.map(|row| STANDARD.encode(format!("{CURSOR}{}", row.id)));
    Ok(answer(&json!({"rmas": rmas, "next_cursor": next})))
}

fn summary(row: &Return, book: &Book) -> Value {
    json!({
        "rmaId": row.id.to_string(),
        "status": status_of_return(row.state),
        "order_name": book.order.reference,
        "events": [{
            "eventName": "RMA_CREATED",
            "eventDate": time(row.created_at),
            "triggeredVia": "API",
        }],
    })
}

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    let number: i64 = call.name.parse().map_err(|_| No::new(400, "A return's id is a number."))?;
    let row = right.return_of(ReturnId(number)).await?.ok_or(Refusal::UnknownReturn)?;
    let book = right.order(OrderRef::Id(row.order)).await?.ok_or(Refusal::UnknownOrder)?;
    let search = Search { returns: vec![row.id], ..Search::default() };
    let filter = TransactionFilter { search, ..TransactionFilter::default() };
    let page = Page { after: None, before: None, limit: 500, oldest_first: true };
    let rows = right.transactions(filter, page).await?.rows;
    let items = row.items.iter().map(|item| {
        let line = book.lines.iter().find(|line| line.position == item.line);
        json!({
            "returnedItemId": item_id(&row, item.line),
            "quantity": item.quantity,
            "sku": line.and_then(|line| line.sku.as_deref()),
            "productName": line.and_then(|line| line.name.as_deref()),
            "returnReason": item.reason,
        })
    });
    Ok(answer(&json!({
        "rmaSummary": summary(&row, &book),
        "orderDetails": {
            "orderId": book.order.id.to_string(),
            "orderName": book.order.reference,
            "currency": book.order.currency.code(),
        },
        "shipments": [],
        "items": items.collect::<Vec<_>>(),
        "comments": [],
        "exchangeOrders": [],
        "exchangeItems": [],
        "cancellationFee": null,
        "transactions": views(&right, &rows).await?,
        "createdAt": time(row.created_at),
        "lastUpdated": time(row.updated_at),
        "isOutOfPolicy": false,
    })))
}
