//! A transaction with what belongs to it, and how it is shown.

use refundry_domain::ids::{OrderId, OrderRef, TransactionId};
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::order::{Metadata, Order, Payment, PaymentKind, TRACKING_ID};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Refund, RefundTransaction, TransactionState};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::call::{Api, Voice};
use super::format::address_of;
use super::wire::{Uid, minor_units, time};
use crate::dialects::shared::right::{Right, Shows};
use crate::ledger::Followed;
use crate::store::{Movement, StoreError};

/// Notes on the orders that sandbox payments make.
pub mod notes {
    pub const NOTIFICATION_URL: &str = "notification_url";
    pub const DESCRIPTION: &str = "description";
    pub const LANGUAGE: &str = "language";
    pub const ORDER_ID: &str = "order_id";
    pub const REFERER: &str = "referer";
    pub const REQUEST_ID: &str = "request_id";
    pub const TEST: &str = "test";
    pub const METHOD: &str = "method";
    /// Of a payment that was not made: how it stands, and its amount in minor units.
    pub const UNPAID: &str = "begateway_status";
    pub const UNPAID_AMOUNT: &str = "begateway_amount";
}

pub enum Sheet {
    In {
        payment: Payment,
        order: Order,
    },
    Back {
        row: RefundTransaction,
        refund: Box<Refund>,
        order: Order,
    },
    /// A sandbox payment that failed or waits for its payer: an order without a payment.
    Unpaid(Order),
}

/// What a uid names, with what belongs to it.
pub async fn find<S: Shows>(right: &Right<S>, uid: Uid) -> Result<Option<Sheet>, StoreError> {
    let number = match uid {
        Uid::Payment(number) | Uid::Refund(number) => TransactionId(number),
    };
    let Some(row) = right.transaction(number).await? else {
        return unpaid(right, uid).await;
    };
    let Some(book) = right.order(OrderRef::Id(row.order)).await? else { return Ok(None) };
    let order = book.order;
    match (uid, row.movement) {
        (Uid::Payment(_), Movement::In(payment)) => Ok(Some(Sheet::In { payment, order })),
        (Uid::Refund(_), Movement::Back(row)) => {
            let refund = right.refund(row.refund).await?;
            Ok(refund.map(|refund| Sheet::Back { row, refund: Box::new(refund), order }))
        }
        (Uid::Payment(_), Movement::Back(_)) | (Uid::Refund(_), Movement::In(_)) => Ok(None),
    }
}

async fn unpaid<S: Shows>(right: &Right<S>, uid: Uid) -> Result<Option<Sheet>, StoreError> {
    let Uid::Payment(number) = uid else { return Ok(None) };
    let book = right.order(OrderRef::Id(OrderId(number))).await?;
    let order = book.map(|book| book.order);
    Ok(order.filter(|order| order.metadata.contains_key(notes::UNPAID)).map(Sheet::Unpaid))
}

struct Outcome {
    status: &'static str,
    code: &'static str,
    message: String,
}

const DONE: &str = "The operation was successfully processed";

impl Sheet {
    /// A transaction of a refund.
    pub fn of(followed: Followed, id: TransactionId) -> Option<Sheet> {
        let row = followed.transaction(id)?.clone();
        let Followed { order, refund } = followed;
        Some(Sheet::Back { row, refund: Box::new(refund), order })
    }

    /// Whether it is still open.
    pub fn is_pending(&self) -> bool {
        self.outcome().status == "pending"
    }

    /// The transaction in the envelope of its API.
    pub fn answer(&self, voice: Voice, base: &str) -> Value {
        let shown = self.show(voice, base);
        match voice {
            Voice::Beyag | Voice::Card => json!({ "transaction": shown }),
            Voice::Flat => self.flat(shown),
        }
    }

    /// Version 3: the flat fields, and under `transaction` what the acquirer says together with
    /// the fields of version 2, which clients of both read there.
    fn flat(&self, mut shown: Map<String, Value>) -> Value {
        let outcome = self.outcome();
        let (_, inner) = self.inner();
        let method = shown["payment_method_type"].clone();
        shown.insert("code".to_owned(), outcome.code.into());
        shown.insert("friendly_message".to_owned(), outcome.message.into());
        let mut acquirer = shown.clone();
        if let Value::Object(inner) = inner {
            acquirer.extend(inner);
        }
        acquirer.insert("auth_code".to_owned(), Value::Null);
        acquirer.insert("rrn".to_owned(), Value::Null);
        shown.insert("payment_method".to_owned(), json!({ "type": method }));
        shown.entry("customer").or_insert_with(|| json!({}));
        shown.insert("transaction".to_owned(), Value::Object(acquirer));
        Value::Object(shown)
    }

    pub fn show(&self, voice: Voice, base: &str) -> Map<String, Value> {
        let outcome = self.outcome();
        let order = self.order();
        let uid = self.uid().to_string();
        let (kind, inner) = self.inner();
        let (amount, created_at, updated_at, paid_at) = self.figures();
        let method = self.method();
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("receipt_url", format!("{base}/customer/transactions/{uid}/{}", digest(&uid)).into());
        put("uid", uid.as_str().into());
        put("id", uid.as_str().into());
        put("type", kind.into());
        put("status", outcome.status.into());
        put("message", outcome.message.into());
        put("amount", amount.and_then(minor_units).into());
        put("currency", order.currency.code().into());
        put("created_at", time(created_at, voice).into());
        put("updated_at", time(updated_at, voice).into());
        put("paid_at", paid_at.map(|at| time(at, voice)).into());
        put("tracking_id", self.tracking_id().into());
        put("test", self.is_test().into());
        put("language", self.note(notes::LANGUAGE).into());
        put("payment_method_type", method.into());
        if voice.api() == Api::Beyag {
            put("method_type", method.into());
        }
        put(kind, inner);
        match self {
            Sheet::Back { row, refund, .. } => {
                put("parent_uid", Uid::Payment(row.payment.0).to_string().into());
                put("reason", refund.reason.as_deref().into());
                let referer = refund.metadata.get(notes::REFERER);
                put("additional_data", referer.map_or(json!({}), |url| json!({"referer": url})));
            }
            Sheet::In { .. } | Sheet::Unpaid(_) => {
                put("description", order.metadata.get(notes::DESCRIPTION).cloned().into());
                put("customer", customer(order));
                put("billing_address", json!({}));
                put("additional_data", json!({}));
                if let Some(id) = order.metadata.get(notes::ORDER_ID) {
                    put("order_id", id.as_str().into());
                }
                if outcome.status == "incomplete" {
                    put("redirect_url", format!("{base}/process/{uid}").into());
                    put("message", Value::Null);
                }
            }
        }
        shown
    }

    pub fn uid(&self) -> Uid {
        match self {
            Sheet::In { payment, .. } => Uid::Payment(payment.id.0),
            Sheet::Back { row, .. } => Uid::Refund(row.id.0),
            Sheet::Unpaid(order) => Uid::Payment(order.id.0),
        }
    }

    fn order(&self) -> &Order {
        match self {
            Sheet::In { order, .. } | Sheet::Back { order, .. } | Sheet::Unpaid(order) => order,
        }
    }

    /// The row's own notes.
    fn notes(&self) -> &Metadata {
        match self {
            Sheet::In { order, .. } | Sheet::Unpaid(order) => &order.metadata,
            Sheet::Back { refund, .. } => &refund.metadata,
        }
    }

    /// Where who asked for it wants to be told.
    pub fn address(&self) -> Option<&str> {
        match self {
            Sheet::In { order, .. } | Sheet::Unpaid(order) => address_of(None, order),
            Sheet::Back { refund, order, .. } => address_of(Some(&refund.metadata), order),
        }
    }

    fn note(&self, name: &str) -> Option<&str> {
        self.notes().get(name).map(String::as_str)
    }

    /// As it was sent; of a payment that was registered elsewhere, the shop's number of its order.
    fn tracking_id(&self) -> Option<&str> {
        let own = self.note(TRACKING_ID);
        match self {
            Sheet::In { order, .. } if order.reference != order.id.to_string() => {
                own.or(Some(&order.reference))
            }
            Sheet::In { .. } | Sheet::Back { .. } | Sheet::Unpaid(_) => own,
        }
    }

    fn is_test(&self) -> bool {
        let sandbox = match self {
            Sheet::In { payment, .. } => payment.provider == "sandbox",
            Sheet::Back { row, .. } => row.provider == "sandbox",
            Sheet::Unpaid(_) => true,
        };
        self.order().metadata.get(notes::TEST).map_or(sandbox, |test| test == "true")
    }

    pub fn method(&self) -> &str {
        let method = match self {
            Sheet::In { payment, .. } => &payment.method,
            Sheet::Back { row, .. } => &row.method,
            Sheet::Unpaid(order) => {
                order.metadata.get(notes::METHOD).map_or("card", String::as_str)
            }
        };
        if method == "card" { "credit_card" } else { method }
    }

    /// The amount, and when it was made, changed and paid.
    fn figures(
        &self,
    ) -> (
        Option<Money>,
        refundry_domain::ids::Timestamp,
        refundry_domain::ids::Timestamp,
        Option<refundry_domain::ids::Timestamp>,
    ) {
        let money = |minor: Minor, currency: Currency| Some(Money::new(minor, currency));
        match self {
            Sheet::In { payment: row, order } => {
                let amount = money(row.amount, order.currency);
                (amount, row.created_at, row.updated_at, Some(row.created_at))
            }
            Sheet::Back { row, refund, .. } => {
                let paid_at = row.settled_at.filter(|_| row.state == TransactionState::Succeeded);
                (money(row.amount, refund.currency), row.created_at, row.updated_at, paid_at)
            }
            Sheet::Unpaid(order) => {
                let units = self.note(notes::UNPAID_AMOUNT).and_then(|text| text.parse().ok());
                let amount =
                    units.and_then(Minor::new).map(|minor| Money::new(minor, order.currency));
                (amount, order.created_at, order.updated_at, None)
            }
        }
    }

    /// The type, and the object that is named after it.
    fn inner(&self) -> (&'static str, Value) {
        let outcome = self.outcome();
        let (kind, reference) = match self {
            Sheet::In { payment, .. } => {
                (kind(payment.kind), payment.provider_reference.as_deref())
            }
            Sheet::Back { row, .. } => ("refund", row.provider_reference.as_deref()),
            Sheet::Unpaid(_) => ("payment", None),
        };
        let inner = json!({
            "status": outcome.status,
            "message": outcome.message,
            "ref_id": reference,
            "gateway_id": null,
        });
        (kind, inner)
    }

    fn outcome(&self) -> Outcome {
        let made =
            |status, code, message: &str| Outcome { status, code, message: message.to_owned() };
        match self {
            Sheet::In { .. } => made("successful", "S.0000", DONE),
            Sheet::Unpaid(_) if self.note(notes::UNPAID) == Some("incomplete") => {
                made("incomplete", "P.0001", "The payer has to confirm the payment")
            }
            Sheet::Unpaid(_) => made("failed", "F.0105", "The payment was declined"),
            Sheet::Back { row, .. } => of_refund(row),
        }
    }
}

pub fn status_of(state: TransactionState) -> &'static str {
    use TransactionState as T;
    match state {
        T::Succeeded => "successful",
        T::Unconfirmed
        | T::RequiresInformation
        | T::Pending
        | T::Requested
        | T::Processing
        | T::NeedsAttention => "pending",
        T::Failed | T::Canceled | T::Reversed => "failed",
    }
}

/// Status, code and words of a refund transaction.
fn of_refund(row: &RefundTransaction) -> Outcome {
    use TransactionState as T;
    let status = status_of(row.state);
    let (code, usual) = match row.state {
        T::Succeeded => ("S.0000", DONE),
        T::Unconfirmed => ("P.0001", "The refund waits for its approval"),
        T::RequiresInformation => ("P.0002", "The refund waits for bank details"),
        T::Pending | T::Requested | T::Processing | T::NeedsAttention => {
            ("P.9999", "The operation is being processed")
        }
        T::Failed | T::Canceled | T::Reversed => {
            let code = row.failure.as_ref().map_or("F.0999", |failure| failed(failure.code));
            (code, "The operation was not carried out")
        }
    };
    let said = match status {
        "failed" => row.failure.as_ref().map(|failure| failure.message.as_str()),
        "pending" => row.message.as_deref(),
        _ => None,
    };
    Outcome { status, code, message: said.unwrap_or(usual).to_owned() }
}

fn failed(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Declined => "F.0105",
        FailureCode::AlreadyRefunded => "F.0108",
        FailureCode::PaymentNotFound => "F.0110",
        FailureCode::CurrencyNotSupported => "F.0113",
        FailureCode::InsufficientFunds => "F.0114",
        FailureCode::LimitExceeded => "F.0123",
        FailureCode::InvalidRequest => "F.0128",
        FailureCode::InformationExpired => "F.0998",
        FailureCode::ExpiredOrCanceledCard
        | FailureCode::AccountClosed
        | FailureCode::TooLate
        | FailureCode::SuspectedFraud
        | FailureCode::Disputed
        | FailureCode::Canceled
        | FailureCode::Reversed
        | FailureCode::Other => "F.0999",
    }
}

fn kind(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::Payment | PaymentKind::InvoicePayment => "payment",
        PaymentKind::Authorization => "authorization",
        PaymentKind::Capture => "capture",
    }
}

fn customer(order: &Order) -> Value {
    let name = order.customer.name.as_deref().unwrap_or_default();
    let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "first_name": some(first),
        "last_name": some(last),
        "email": order.customer.email,
    })
}

/// The part of a receipt's address that stands for the transaction.
fn digest(uid: &str) -> String {
    Sha256::digest(uid.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
