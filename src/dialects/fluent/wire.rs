//! The words and shapes of the wire.

use refundry_domain::ids::{OrderId, Timestamp};
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::order::{Metadata, Payment};
use refundry_domain::refund::{
    Destination, Execution, Refund, RefundTransaction, TransactionState,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::refusals::No;
use crate::dialects::shared::dates;
use crate::dialects::shared::exact::{Figure, Text};

/// The names under which a transaction's own fields are kept as notes.
pub mod note {
    pub const TYPE: &str = "fluent.transactionType";
    pub const REF: &str = "fluent.transactionRef";
    pub const CODE: &str = "fluent.transactionCode";
    pub const NOTE: &str = "fluent.transactionNote";
    pub const METHOD: &str = "fluent.paymentMethod";
    pub const PROVIDER: &str = "fluent.paymentProvider";
    pub const CARD: &str = "fluent.cardType";
}

pub const PROVIDERS: [&str; 5] = ["CYBERSOURCE", "GIVEX", "PAYPAL", "BRAINTREE", "AFTERPAY"];
pub const CARDS: [&str; 9] =
    ["MASTERCARD", "VISA", "AMEX", "DINERS", "DISCOVER", "UNIONPAY", "JCB", "MAESTRO", "INTERAC"];
pub const METHODS: [&str; 5] = ["CREDITCARD", "PAYPAL", "GIFTVOUCHER", "CASH", "AFTERPAY"];
pub const CREDITCARD: &str = METHODS[0];
pub const GIFTVOUCHER: &str = METHODS[2];
pub const CASH: &str = METHODS[3];

/// What the ledger calls a payment method.
pub fn method_in(name: &str) -> String {
    match name {
        CREDITCARD => "card".to_owned(),
        GIFTVOUCHER => "gift_card".to_owned(),
        other => other.to_lowercase(),
    }
}

/// What this API calls a method of the ledger; one that is not in its list in capitals.
pub fn method_out(method: &str) -> String {
    match method {
        "card" | "credit_card" | "creditcard" => CREDITCARD.to_owned(),
        "gift_card" | "giftcard" | "gift_voucher" | "voucher" => GIFTVOUCHER.to_owned(),
        other => other.to_uppercase(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Payment,
    Refund,
    ManualRefund,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Payment, Kind::Refund, Kind::ManualRefund];
    pub const NAMES: [&'static str; 3] = ["PAYMENT", "REFUND", "MANUAL REFUND"];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Payment => "PAYMENT",
            Kind::Refund => "REFUND",
            Kind::ManualRefund => "MANUAL REFUND",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Approved,
    Declined,
    Processing,
}

impl Status {
    pub const ALL: [Status; 3] = [Status::Approved, Status::Declined, Status::Processing];
    pub const NAMES: [&'static str; 3] = ["APPROVED", "DECLINED", "PROCESSING"];

    pub fn name(self) -> &'static str {
        match self {
            Status::Approved => "APPROVED",
            Status::Declined => "DECLINED",
            Status::Processing => "PROCESSING",
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }

    fn of(state: TransactionState) -> Status {
        use TransactionState as T;
        match state {
            T::Unconfirmed
            | T::RequiresInformation
            | T::Pending
            | T::Requested
            | T::Processing
            | T::NeedsAttention => Status::Processing,
            T::Succeeded => Status::Approved,
            T::Failed | T::Canceled | T::Reversed => Status::Declined,
        }
    }
}

/// The word, if it is one of the list.
pub fn listed(field: &str, value: Option<String>, list: &[&str]) -> Result<Option<String>, No> {
    match value {
        Some(value) if !list.contains(&value.as_str()) => Err(not_listed(field, list)),
        value => Ok(value),
    }
}

pub fn not_listed(field: &str, list: &[&str]) -> No {
    No::bad(format!("{field} has to be one of {}.", list.join(", ")))
}

pub fn needed<T>(field: &str, value: Option<T>) -> Result<T, No> {
    value.ok_or_else(|| No::bad(format!("{field} is compulsory.")))
}

/// What is sent to record a transaction. Fields that Fluent sets are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionAsk {
    pub amount: Option<Figure>,
    pub currency: Option<String>,
    pub payment_method: Option<String>,
    pub payment_provider: Option<String>,
    pub card_type: Option<String>,
    pub transaction_code: Option<Text>,
    pub transaction_note: Option<String>,
    pub transaction_ref: Option<Text>,
    pub transaction_type: Option<String>,
    pub status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionUpdate {
    pub payment_method: Option<String>,
    pub status: Option<String>,
    pub transaction_note: Option<String>,
    pub transaction_ref: Option<Text>,
}

/// Which part of a list is wanted, as the samples have it: in the body of a GET.
#[derive(Default, Deserialize)]
pub struct SpanAsk {
    pub start: Option<Text>,
    pub count: Option<Text>,
}

#[derive(Serialize)]
pub struct Done {
    pub id: String,
}

/// A transaction of a return.
pub struct Entry {
    pub number: i64,
    pub order: OrderId,
    pub kind: Kind,
    pub status: Status,
    pub amount: Minor,
    pub currency: Currency,
    pub reference: Option<String>,
    code: Option<String>,
    provider: String,
    method: String,
    card: Option<String>,
    note: Option<String>,
    created_at: Timestamp,
}

impl Entry {
    pub fn of_payment(row: &Payment, order: OrderId, currency: Currency) -> Entry {
        let noted = |name: &str| row.metadata.get(name).cloned();
        let reference = noted(note::REF);
        // The code is what the provider calls the payment, which is all that others know of one.
        let code = row.provider_reference.clone().filter(|_| reference.is_some());
        Entry {
            number: row.id.0,
            order,
            kind: Kind::Payment,
            status: Status::Approved,
            amount: row.amount,
            currency,
            reference: reference.or_else(|| row.provider_reference.clone()),
            code,
            provider: row.provider.to_uppercase(),
            method: noted(note::METHOD).unwrap_or_else(|| method_out(&row.method)),
            card: noted(note::CARD),
            note: noted(note::NOTE),
            created_at: row.created_at,
        }
    }

    /// One of a refund's transactions; or, of a refund that was recorded here as one transaction,
    /// that one, over however many payments the ledger has divided it.
    pub fn of_refund(refund: &Refund, row: &RefundTransaction) -> Entry {
        let noted =
            |name: &str| row.metadata.get(name).or_else(|| refund.metadata.get(name)).cloned();
        let kind = match (recorded(refund), refund.execution) {
            (Some(kind), _) => kind,
            (None, Execution::Manual) => Kind::ManualRefund,
            (None, Execution::Automatic | Execution::Notify | Execution::Internal) => Kind::Refund,
        };
        let method = match refund.to {
            Destination::Cash => CASH.to_owned(),
            Destination::GiftCard => GIFTVOUCHER.to_owned(),
            Destination::OriginalPayment
            | Destination::StoreCredit
            | Destination::CustomerBalance
            | Destination::BankTransfer
            | Destination::Other => method_out(&row.method),
        };
        let amount = if recorded(refund).is_some() { refund.amount } else { row.amount };
        Entry {
            number: row.id.0,
            order: refund.order,
            kind,
            status: Status::of(row.state),
            amount,
            currency: refund.currency,
            reference: noted(note::REF).or_else(|| row.provider_reference.clone()),
            code: noted(note::CODE),
            provider: noted(note::PROVIDER).unwrap_or_else(|| row.provider.to_uppercase()),
            method: noted(note::METHOD).unwrap_or(method),
            card: noted(note::CARD),
            note: noted(note::NOTE).or_else(|| refund.note.clone()),
            created_at: row.created_at,
        }
    }

    pub fn view(&self) -> Transaction<'_> {
        let amount = Money::new(self.amount, self.currency).to_string();
        Transaction {
            transaction_id: self.number.to_string(),
            transaction_ref: self.reference.as_deref(),
            transaction_type: self.kind.name(),
            transaction_code: self.code.as_deref(),
            amount: RawValue::from_string(amount).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            currency: self.currency.code(),
            payment_provider: &self.provider,
            payment_method: &self.method,
            card_type: self.card.as_deref(),
            transaction_note: self.note.as_deref(),
            created_on: date(self.created_at),
            status: self.status.name(),
        }
    }
}

/// How a refund was recorded here, if it was.
pub fn recorded(refund: &Refund) -> Option<Kind> {
    refund.metadata.get(note::TYPE).and_then(|name| Kind::parse(name))
}

/// `2016-07-20T00:40:34.845+0000`
pub fn date(at: Timestamp) -> String {
    format!("{}+0000", dates::with_millis(at))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction<'a> {
    transaction_id: String,
    transaction_ref: Option<&'a str>,
    transaction_type: &'static str,
    transaction_code: Option<&'a str>,
    amount: Box<RawValue>,
    currency: &'static str,
    payment_provider: &'a str,
    payment_method: &'a str,
    card_type: Option<&'a str>,
    transaction_note: Option<&'a str>,
    created_on: String,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transactions<'a> {
    pub start: usize,
    pub count: usize,
    pub total: usize,
    pub retailer_id: i64,
    pub return_ref: &'a str,
    pub return_type: &'a str,
    pub return_id: &'a str,
    pub transactions: Vec<Transaction<'a>>,
}

/// Notes of what was given.
pub fn notes(pairs: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Metadata {
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}
