//! Questions: by uid, by the client's own names, and about what is not served.

use refundry_domain::ids::OrderRef;
use serde_json::json;

use super::call::{Answered, Api, Call, Voice, json as answer};
use super::refusals::No;
use super::sheet::{Sheet, find, notes};
use super::wire::Uid;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::store::{OrderFilter, Page, RefundFilter, StoreError};

/// How many a list by tracking id has at most.
const BEYAG_MOST: usize = 100;
const CARD_MOST: usize = 10;

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    let uid = Uid::parse(&call.name);
    shown(&right, call, uid).await
}

pub async fn show_refund(right: Right<Reads>, call: Call) -> Answered {
    let uid = Uid::parse(&call.name).filter(|uid| matches!(uid, Uid::Refund(_)));
    shown(&right, call, uid).await
}

pub async fn show_payment(right: Right<Reads>, call: Call) -> Answered {
    let uid = Uid::parse(&call.name).filter(|uid| matches!(uid, Uid::Payment(_)));
    shown(&right, call, uid).await
}

async fn shown(right: &Right<Reads>, call: Call, uid: Option<Uid>) -> Answered {
    let found = match uid {
        Some(uid) => find(right, uid).await?,
        None => None,
    };
    let sheet = found.ok_or_else(|| No::not_found(call.voice))?;
    Ok(answer(200, &sheet.answer(call.voice, &call.base)))
}

/// The newest transactions of a tracking id; none is no error.
pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let most = match call.voice.api() {
        Api::Beyag => BEYAG_MOST,
        Api::Card => CARD_MOST,
    };
    let sheets = tracked(&right, &call.name, most).await?;
    let shown: Vec<_> = sheets.iter().map(|sheet| sheet.show(call.voice, &call.base)).collect();
    let mut body = json!({ "transactions": shown });
    // Two clients of the card API read one transaction's fields at the top instead.
    if let (Some(first), Api::Card) = (shown.first(), call.voice.api()) {
        body["uid"] = first["uid"].clone();
        body["transaction_status"] = first["status"].clone();
    }
    Ok(answer(200, &body))
}

/// The card API's first version: one transaction, the newest.
pub async fn first(right: Right<Reads>, call: Call) -> Answered {
    let sheets = tracked(&right, &call.name, 1).await?;
    let sheet = sheets.first().ok_or_else(|| No::not_found(call.voice))?;
    Ok(answer(200, &sheet.answer(call.voice, &call.base)))
}

/// The newest payment of the merchant's own order number.
pub async fn by_order(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = Fields::of(&call.parts.uri)?;
    let Some(order) = fields.take("order_id")? else { return Err(No::not_found(call.voice)) };
    let sheets = tracked(&right, &order, BEYAG_MOST).await?;
    let sheet = sheets.iter().find(|sheet| !matches!(sheet, Sheet::Back { .. }));
    let sheet = sheet.ok_or_else(|| No::not_found(call.voice))?;
    Ok(answer(200, &sheet.answer(call.voice, &call.base)))
}

/// The transactions that the client calls so, newest first: by the notes of their orders and
/// refunds, and of orders that were registered elsewhere, by the shop's number.
async fn tracked(right: &Right<Reads>, name: &str, most: usize) -> Result<Vec<Sheet>, StoreError> {
    let limit = u32::try_from(most).unwrap_or(u32::MAX);
    let page = Page { after: None, before: None, limit, oldest_first: false };
    let noted = OrderFilter { tracking_id: Some(name.to_owned()), ..OrderFilter::default() };
    let mut orders: Vec<_> = right.orders(noted, page).await?.rows;
    let own = OrderRef::Reference(name.to_owned());
    if let Some(book) = right.order(own).await?
        && book.order.reference != book.order.id.to_string()
        && orders.iter().all(|order| order.id != book.order.id)
    {
        orders.push(book.order);
    }
    let mut uids = Vec::new();
    for order in orders {
        if order.metadata.contains_key(notes::UNPAID) {
            uids.push(Uid::Payment(order.id.0));
        } else if let Some(book) = right.order(OrderRef::Id(order.id)).await? {
            uids.extend(book.payments.iter().map(|payment| Uid::Payment(payment.id.0)));
        }
    }
    let noted = RefundFilter { tracking_id: Some(name.to_owned()), ..RefundFilter::default() };
    let refunds = right.refunds(noted, page).await?.rows;
    let rows = refunds.iter().flat_map(|refund| &refund.transactions);
    uids.extend(rows.map(|row| Uid::Refund(row.id.0)));
    uids.sort_by_key(|uid| match uid {
        Uid::Payment(number) | Uid::Refund(number) => std::cmp::Reverse(*number),
    });
    uids.truncate(most);
    let mut sheets = Vec::with_capacity(uids.len());
    for uid in uids {
        sheets.extend(find(right, uid).await?);
    }
    Ok(sheets)
}

/// Authorizations, captures, voids, payouts and the like: this server gives money back.
pub async fn unsupported(_right: Right<Writes>, _call: Call) -> Answered {
    Err(No::unsupported())
}

pub async fn nowhere(_right: Right<Reads>, _call: Call) -> Answered {
    Err(No::not_found(Voice::Beyag))
}
