//! Events as ReturnGO tells them, signed as Standard Webhooks has it.

use async_trait::async_trait;
use refundry_domain::ids::{ReturnId, TransactionId};
use refundry_domain::refund::{Execution, TransactionState};
use refundry_domain::webhook::{Endpoint, PING};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{Status, Transaction, time};
use crate::delivery::{Format, Message, Signing, sign};
use crate::store::facts::{Moved, Requested};
use crate::store::{Event, Movement, Store, StoreError};

/// The name of the format, by which endpoints have it.
pub const NAME: &str = "returngo";

const RMA_CREATED: &str = "RMA_CREATED";
const RMA_STATUS_UPDATED: &str = "RMA_STATUS_UPDATED";
const TRANSACTION_CREATED: &str = "TRANSACTION_CREATED";
const REFUND_CREATED: &str = "REFUND_CREATED";

/// What can be registered for. Shipments are kept elsewhere, so nothing is ever told of them.
pub const EVENTS: [&str; 7] = [
    RMA_CREATED,
    RMA_STATUS_UPDATED,
    TRANSACTION_CREATED,
    REFUND_CREATED,
    "SHIPMENT_CREATED",
    "SHIPMENT_STATUS_UPDATED",
    "SHIPMENT_TRACKER_STATUS_UPDATED",
];

pub struct ReturnGo;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event_name: &'static str,
    event_id: String,
    created_at: String,
    shop_name: String,
    rma_id: Option<String>,
    order_id: Option<String>,
    transaction: Option<Transaction>,
}

fn data<T: DeserializeOwned>(event: &Event) -> Option<T> {
    serde_json::from_str(&event.data).ok()
}

/// A transaction's step: the status before, and the state after.
fn step(event: &Event) -> Option<(TransactionId, Status, TransactionState)> {
    if event.name == "refund.requested" {
        let told: Requested = data(event)?;
        let state = TransactionState::parse(&told.state)?;
        return Some((TransactionId(told.shares.first()?.transaction), Status::Requested, state));
    }
    if !event.name.starts_with("refund.") {
        return None;
    }
    // What is no step of a refund has other data.
    let told: Moved = data(event)?;
    told.moves.iter().find_map(|row| {
        let from = Status::of(TransactionState::parse(&row.from)?);
        let to = TransactionState::parse(&row.to)?;
        (from != Status::of(to)).then_some((TransactionId(row.transaction), from, to))
    })
}

/// Under which names an event is told, the likeliest to be wanted first. A refund that somebody
/// outside pays is told of when it is to be paid; one that is paid here, once it is under way, so
/// that nobody takes it for a request.
fn names(event: &Event) -> Vec<&'static str> {
    match event.name.as_str() {
        "return.opened" => vec![RMA_CREATED],
        "return.updated" => vec![RMA_STATUS_UPDATED],
        "payment.recorded" | "transaction.requested" => vec![TRANSACTION_CREATED],
        PING => vec!["PING"],
        _ => {
            let Some((_, from, to)) = step(event) else { return Vec::new() };
            let to = Status::of(to);
            let mut names = Vec::new();
            if to == Status::Success && from != Status::Success {
                names.push(REFUND_CREATED);
            }
            if from == Status::Requested && to != Status::Requested {
                names.push(TRANSACTION_CREATED);
            }
            names
        }
    }
}

fn wanted(subscribed: &[String], event: &Event) -> Vec<&'static str> {
    let mut names = names(event);
    names.retain(|name| {
        *name == "PING" || subscribed.is_empty() || subscribed.iter().any(|one| one == name)
    });
    names
}

async fn told(
    books: &dyn Store,
    event: &Event,
    names: Vec<&'static str>,
) -> Result<Option<Message>, StoreError> {
    let merchant = event.merchant;
    let mut told = Told {
        event_name: names.first().copied().unwrap_or_default(),
        event_id: format!("evt_{}", event.id),
        created_at: time(event.at),
        shop_name: String::new(),
        rma_id: None,
        order_id: event.order.map(|order| order.to_string()),
        transaction: None,
    };
    let about = match event.subject_kind.as_str() {
        "return" => {
            told.rma_id = Some(ReturnId(event.subject).to_string());
            None
        }
        "transaction" => {
            let requested =
                (event.name == "transaction.requested").then_some(TransactionState::Requested);
            Some((TransactionId(event.subject), requested))
        }
        "refund" => step(event).map(|(number, _, state)| (number, Some(state))),
        _ => None,
    };
    if let Some((number, state)) = about {
        let Some(mut row) = books.transaction(merchant, number).await? else { return Ok(None) };
        let (mut refund, mut of) = (None, None);
        let mut outside = false;
        if let Movement::In(payment) = &row.movement {
            told.rma_id = payment.return_id.map(|id| id.to_string());
        }
        if let Movement::Back(back) = &mut row.movement {
            outside = back.execution == Execution::Notify;
            if let Some(state) = state.filter(|state| *state != back.state) {
                (back.state, back.updated_at) = (state, event.at);
            }
            refund = books.refund(merchant, back.refund).await?;
            if let Some(id) = refund.as_ref().and_then(|refund| refund.return_id) {
                of = books.return_of(merchant, id).await?;
                told.rma_id = Some(id.to_string());
            }
        }
        // It was told of when it was to be paid.
        let before = outside && event.subject_kind == "refund";
        let name = names.into_iter().find(|name| !before || *name != TRANSACTION_CREATED);
        let Some(name) = name else { return Ok(None) };
        told.event_name = name;
        told.transaction = Some(Transaction::of(&row, refund.as_ref(), of.as_ref()));
    }
    if told.event_name.is_empty() {
        return Ok(None);
    }
    let shop = books.merchant(merchant).await?;
    told.shop_name = shop.map(|shop| shop.name).unwrap_or_default();
    Ok(Some(Message::json(serde_json::to_vec(&told).unwrap_or_default())))
}

#[async_trait]
impl Format for ReturnGo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn knows(&self, name: &str) -> bool {
        EVENTS.contains(&name)
    }

    fn wants(&self, subscribed: &[String], event: &Event) -> bool {
        !wanted(subscribed, event).is_empty()
    }

    /// References are those of now, and so is the shop's name; the status is the event's.
    async fn message(
        &self,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        told(books, event, names(event)).await
    }

    async fn message_to(
        &self,
        endpoint: &Endpoint,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        told(books, event, wanted(&endpoint.events, event)).await
    }

    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)> {
        sign::headers(signing.id, signing.at, signing.secrets, &message.body)
    }

    fn new_secret(&self) -> Option<String> {
        sign::generate().ok()
    }

    fn takes_secret(&self, secret: &str) -> Result<(), &'static str> {
        let expected = "Expected whsec_ and the base64 of 24 to 64 bytes.";
        sign::key(secret).map(|_| ()).ok_or(expected)
    }
}
