//! What this API tells of an event: under which name, and about which object.

use refundry_domain::book::Book;
use refundry_domain::ids::{OrderRef, RefundId, ReturnId, TransactionId};
use refundry_domain::outcome::{Failure, FailureCode};
use refundry_domain::refund::{Refund, State, TransactionState};
use refundry_domain::returns::ReturnState;
use refundry_domain::webhook::PING;
use serde::Serialize;
use serde_json::value::RawValue;

use super::call::json;
use super::objects::{ChargeView, OrderView, ReturnView};
use super::wire::{RefundView, is_live};
use crate::access::links::Link;
use crate::dialects::shared::dates;
use crate::store::facts::{Disputed, Moved, Requested, ReturnState as ReturnMoved};
use crate::store::{Event, Page, RefundFilter, Store, StoreError};

/// The version of the API whose objects these are.
const VERSION: &str = "2021-12-13";

/// What events can be told as: the ledger's type, and the usual names here, of which its data says
/// which it is.
pub const NAMES: &[(&str, &[&str])] = &[
    ("refund.requested", &["refund.pending", "refund.pending_information"]),
    ("refund.requires_information", &["refund.pending_information"]),
    ("refund.pending", &["refund.pending"]),
    ("refund.processing", &["order.charge.refund.pending"]),
    ("refund.progressed", &["order.charge.refund.complete", "order.charge.refund.failed"]),
    ("refund.succeeded", &["refund.complete"]),
    ("refund.failed", &["refund.failed"]),
    ("refund.canceled", &["refund.failed"]),
    ("refund.reversed", &["refund.failed"]),
    ("refund.updated", &["refund.updated"]),
    ("order.dispute_changed", &["order.dispute", "order.dispute.resolved"]),
    ("return.opened", &["return.created"]),
    ("return.updated", &["return.accepted", "return.updated"]),
];

/// Names under which the same is told to those who subscribed to them and not to the usual one.
const OTHERS: &[(&str, &[&str])] = &[
    ("refund.requested", &["refund.created"]),
    (
        "refund.succeeded",
        &["order.refunded", "order.charge.refund.complete", "order.charge.refund.completed"],
    ),
    ("refund.failed", &["order.charge.refund.failed"]),
    ("refund.canceled", &["order.charge.refund.failed"]),
    ("refund.reversed", &["order.charge.refund.failed"]),
];

/// The usual name of an event; `None` when there is no word for it.
pub fn usual(event: &Event) -> Option<&'static str> {
    let (_, names) = NAMES.iter().find(|(native, _)| *native == event.name)?;
    match (event.name.as_str(), names) {
        ("refund.requested", [pending, waiting]) => {
            let told: Requested = data(event)?;
            let waits = told.state == State::RequiresInformation.name();
            Some(if waits { waiting } else { pending })
        }
        ("refund.progressed", [complete, failed]) => {
            let told: Moved = data(event)?;
            let last = told.moves.last()?;
            match TransactionState::parse(&last.to)? {
                TransactionState::Succeeded => Some(complete),
                TransactionState::Failed
                | TransactionState::Canceled
                | TransactionState::Reversed => Some(failed),
                TransactionState::Unconfirmed
                | TransactionState::RequiresInformation
                | TransactionState::Pending
                | TransactionState::Requested
                | TransactionState::Processing
                | TransactionState::NeedsAttention => None,
            }
        }
        ("order.dispute_changed", [begun, ended]) => {
            let told: Disputed = data(event)?;
            Some(if told.disputed > 0 { begun } else { ended })
        }
        ("return.updated", [accepted, updated]) => {
            let told: ReturnMoved = data(event)?;
            let is = told.state == ReturnState::Approved.name();
            Some(if is { accepted } else { updated })
        }
        (_, names) => names.first().copied(),
    }
}

/// The other names of an event, the ledger's own last.
pub fn others(event: &Event) -> impl Iterator<Item = &str> {
    let others = OTHERS.iter().find(|(native, _)| *native == event.name);
    let others = others.map_or(&[][..], |(_, names)| names);
    let own = tells(event).then_some(event.name.as_str());
    others.iter().copied().chain(own)
}

/// Whether there is an object here that the event is about.
fn tells(event: &Event) -> bool {
    event.order.is_some() && matches!(event.subject_kind.as_str(), "refund" | "order" | "return")
}

fn data<T: serde::de::DeserializeOwned>(event: &Event) -> Option<T> {
    serde_json::from_str(&event.data).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    id: String,
    r#type: &'a str,
    data: Data,
    live_mode: bool,
    created_time: String,
    webhook_ids: Vec<String>,
    #[serde(rename = "digitalriverVersion")]
    version: &'static str,
}

#[derive(Serialize)]
struct Data {
    object: Box<RawValue>,
}

/// The event under a name, for these webhooks; `None` when what it is about is not there.
pub async fn envelope(
    books: &dyn Store,
    event: &Event,
    name: &str,
    webhook_ids: Vec<String>,
    link: Option<Link>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(order) = event.order else { return Ok(None) };
    let Some(book) = books.order(event.merchant, OrderRef::Id(order)).await? else {
        return Ok(None);
    };
    let object = if name.starts_with("refund.") {
        refund(books, event, &book, link).await?
    } else if name.starts_with("return.") {
        let row = books.return_of(event.merchant, ReturnId(event.subject)).await?;
        row.map(|row| json(&ReturnView::of(&row, &book)))
    } else {
        let filter = RefundFilter { order: Some(order), ..RefundFilter::default() };
        let all = Page { after: None, before: None, limit: 1_000_000, oldest_first: true };
        let refunds = books.refunds(event.merchant, filter, all).await?.rows;
        if name.starts_with("order.charge.") {
            charge(event, &book, &refunds)
        } else {
            Some(json(&OrderView::of(&book, &refunds)))
        }
    };
    let raw = object.and_then(|json| String::from_utf8(json).ok());
    let Some(object) = raw.and_then(|json| RawValue::from_string(json).ok()) else {
        return Ok(None);
    };
    Ok(Some(json(&Envelope {
        id: format!("evt_{}", event.id),
        r#type: name,
        data: Data { object },
        live_mode: is_live(&book.payments),
        created_time: dates::utc(event.at, 6),
        webhook_ids,
        version: VERSION,
    })))
}

/// A trial of a webhook, whose object is the webhook itself.
pub fn ping(event: &Event, webhook_ids: Vec<String>) -> Vec<u8> {
    let object = json(&serde_json::json!({ "id": webhook_ids.first() }));
    let raw = String::from_utf8(object).ok();
    let object = raw.and_then(|json| RawValue::from_string(json).ok()).unwrap_or_default();
    json(&Envelope {
        id: format!("evt_{}", event.id),
        r#type: PING,
        data: Data { object },
        live_mode: true,
        created_time: dates::utc(event.at, 6),
        webhook_ids,
        version: VERSION,
    })
}

/// The refund as the event left it, as far as the event says.
async fn refund(
    books: &dyn Store,
    event: &Event,
    book: &Book,
    link: Option<Link>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(mut refund) = books.refund(event.merchant, RefundId(event.subject)).await? else {
        return Ok(None);
    };
    if let Some(told) = data::<Requested>(event) {
        refund.refunded = refundry_domain::money::Minor::ZERO;
        refund.failure = None;
        began(&mut refund, &told.state);
    } else if let Some(told) = data::<Moved>(event) {
        refund.refunded =
            refundry_domain::money::Minor::new(told.refunded).unwrap_or(refund.refunded);
        refund.failure = told.failure.map(|failure| Failure {
            code: FailureCode::parse(&failure.code).unwrap_or(FailureCode::Other),
            message: failure.message,
        });
        began(&mut refund, &told.to);
    }
    Ok(Some(json(&RefundView::of(&refund, book).with_token(link))))
}

/// Back to the state of then. What had not been handed over has no movement of a charge yet.
fn began(refund: &mut Refund, state: &str) {
    let Some(state) = State::parse(state) else { return };
    refund.state = state;
    refund.information_due.take_if(|_| state != State::RequiresInformation);
    let open = match state {
        State::Unconfirmed => Some(TransactionState::Unconfirmed),
        State::RequiresInformation => Some(TransactionState::RequiresInformation),
        State::Pending => Some(TransactionState::Pending),
        State::Processing
        | State::NeedsAttention
        | State::Succeeded
        | State::Failed
        | State::Canceled
        | State::Reversed => None,
    };
    if let Some(open) = open {
        for row in &mut refund.transactions {
            row.state = open;
        }
    }
}

/// The charge that the event has moved, else the one that the refund began with.
fn charge(event: &Event, book: &Book, refunds: &[Refund]) -> Option<Vec<u8>> {
    let moved = data::<Moved>(event).and_then(|told| told.moves.last().map(|step| step.payment));
    let refund = refunds.iter().find(|refund| refund.id.0 == event.subject);
    let first = refund.and_then(|refund| refund.transactions.first()).map(|row| row.payment.0);
    let id = TransactionId(moved.or(first)?);
    ChargeView::of(id, book, refunds).map(|view| json(&view))
}
