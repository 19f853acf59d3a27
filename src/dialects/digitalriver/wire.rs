//! What goes over the wire: ids, amounts, times, and the objects of this API.

use refundry_domain::book::Book;
use refundry_domain::group;
use refundry_domain::ids::{OrderId, Timestamp, TransactionId};
use refundry_domain::money::Money;
use refundry_domain::order::{Line, LineKind, Metadata, Payment, PaymentKind};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{AskedBy, Refund, State, TransactionState};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::access::links::Link;
use crate::dialects::shared::dates;

/// The provider with whose payments no money moves: what is paid there is in test mode.
const PRACTICE: &str = "sandbox";

/// The number in an id such as `ref_12`; there is one way to write it.
pub fn number(prefix: &str, text: &str) -> Option<i64> {
    let digits = text.strip_prefix(prefix)?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The name of a line: its order and its place there.
pub fn item_id(order: OrderId, position: u32) -> String {
    format!("itm_{order}_{position}")
}

/// The place of the line that an id of this order names.
pub fn position(order: OrderId, id: &str) -> Option<u32> {
    let position = id.strip_prefix("itm_").map_or(Some(id), |rest| {
        rest.split_once('_')
            .filter(|(of, _)| *of == order.to_string())
            .map(|(_, position)| position)
    })?;
    let plain = !position.starts_with('0') && position.bytes().all(|byte| byte.is_ascii_digit());
    if plain { position.parse().ok() } else { None }
}

/// A JSON number with the decimals of its currency.
#[derive(Clone, Copy)]
pub struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A moment to the second, as objects have it.
#[derive(Clone, Copy)]
pub struct Seconds(pub Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&dates::utc(self.0, 0))
    }
}

/// A moment to the millisecond.
#[derive(Clone, Copy)]
pub struct Millis(pub Timestamp);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&dates::utc(self.0, 3))
    }
}

pub fn is_live(payments: &[Payment]) -> bool {
    payments.is_empty() || payments.iter().any(|payment| payment.provider != PRACTICE)
}

/// What the shop's books call the order's invoice.
fn invoice_of(payments: &[Payment]) -> Option<&str> {
    let mut invoices =
        payments.iter().filter(|payment| payment.kind == PaymentKind::InvoicePayment);
    invoices.find_map(|payment| payment.provider_reference.as_deref())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundView<'a> {
    id: String,
    created_time: Seconds,
    order_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_id: Option<&'a str>,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    amount: Amount,
    refunded_amount: Amount,
    items: Vec<RefundItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'static str>,
    state: &'static str,
    /// Until when the customer's bank details are waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_time: Option<Millis>,
    /// For those who may write alone: whoever has it says where the money goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_information: Option<TokenInformation>,
    live_mode: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    charges: Vec<ChargeOfRefund<'a>>,
    metadata: &'a Metadata,
}

/// What the customer gives bank details with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenInformation {
    token: String,
    expires_time: Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    item_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku_id: Option<&'a str>,
    quantity: u32,
    amount: Amount,
    refunded_amount: Amount,
}

/// A charge as a refund shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChargeOfRefund<'a> {
    id: String,
    captured: bool,
    refunded: bool,
    refunds: Vec<ChargeRefund>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
}

/// One movement of a charge.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeRefund {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub created_time: Seconds,
    pub amount: Amount,
    pub state: &'static str,
}

impl<'a> RefundView<'a> {
    /// A refund of the book's order.
    pub fn of(refund: &'a Refund, book: &'a Book) -> RefundView<'a> {
        let money = |amount| Amount(Money::new(amount, refund.currency));
        let by_items = refund.asked_by == AskedBy::Items;
        let taken = if by_items { group::taken(&book.lines, refund) } else { Vec::new() };
        let item = |one: &group::Taken<'a>| RefundItem {
            r#type: item_type(one.line.kind),
            item_id: item_id(refund.order, product_of(one.line)),
            sku_id: sku_of(one.line, &book.lines),
            quantity: if one.quantity > 0 { one.quantity } else { one.line.quantity },
            amount: money(one.amount),
            refunded_amount: money(one.given),
        };
        RefundView {
            id: format!("ref_{}", refund.id),
            created_time: Seconds(refund.created_at),
            order_id: format!("ord_{}", refund.order),
            invoice_id: invoice_of(&book.payments),
            currency: refund.currency.code(),
            r#type: refund.kind.and_then(order_type),
            amount: money(refund.amount),
            refunded_amount: money(refund.refunded),
            items: taken.iter().map(item).collect(),
            reason: refund.reason.as_deref(),
            failure_reason: failure_reason(refund),
            state: state(refund),
            expires_time: refund.information_due.map(Millis),
            token_information: None,
            live_mode: is_live(&book.payments),
            charges: charges_of(refund, &book.payments),
            metadata: &refund.metadata,
        }
    }
}

impl RefundView<'_> {
    /// With the customer's token, when the refund waits for bank details.
    pub fn with_token(mut self, link: Option<Link>) -> Self {
        let shown = |link: Link| TokenInformation {
            token: link.token,
            expires_time: Millis(link.expires_at),
        };
        self.token_information = link.map(shown);
        self
    }
}

/// The product that a line is for, else the line itself.
fn product_of(line: &Line) -> u32 {
    line.for_line.filter(|_| line.kind != LineKind::Product).unwrap_or(line.position)
}

fn sku_of<'a>(line: &'a Line, lines: &'a [Line]) -> Option<&'a str> {
    let product = lines.iter().find(|other| other.position == product_of(line));
    line.sku.as_deref().or_else(|| product.and_then(|product| product.sku.as_deref()))
}

/// The kinds of refund that this API has a word for.
fn order_type(kind: LineKind) -> Option<&'static str> {
    match kind {
        LineKind::Shipping => Some("shipping"),
        LineKind::Duty => Some("duty"),
        LineKind::Tax => Some("tax"),
        LineKind::ImporterTax => Some("importer_tax"),
        LineKind::Product | LineKind::Fee => None,
    }
}

fn item_type(kind: LineKind) -> Option<&'static str> {
    match kind {
        LineKind::Shipping => Some("shipping"),
        LineKind::Fee => Some("fees"),
        LineKind::Duty => Some("duty"),
        LineKind::Product | LineKind::Tax | LineKind::ImporterTax => None,
    }
}

pub const STATES: [&str; 5] = ["pending_information", "pending", "succeeded", "failed", "expired"];

fn state(refund: &Refund) -> &'static str {
    match refund.state {
        State::RequiresInformation => "pending_information",
        State::Unconfirmed | State::Pending | State::Processing | State::NeedsAttention => {
            "pending"
        }
        State::Succeeded => "succeeded",
        State::Failed if is_expired(refund) => "expired",
        State::Failed | State::Canceled | State::Reversed => "failed",
    }
}

fn is_expired(refund: &Refund) -> bool {
    refund.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::InformationExpired)
}

/// What the states of this API are called in the ledger.
pub fn states(name: &str) -> Option<&'static [State]> {
    Some(match name {
        "pending_information" => &[State::RequiresInformation],
        "pending" => {
            &[State::Unconfirmed, State::Pending, State::Processing, State::NeedsAttention]
        }
        "succeeded" => &[State::Succeeded],
        "failed" => &[State::Failed, State::Canceled, State::Reversed],
        "expired" => &[State::Failed],
        _ => return None,
    })
}

fn failure_reason(refund: &Refund) -> Option<&'static str> {
    match refund.state {
        State::Canceled => Some(FailureCode::Canceled.name()),
        State::Reversed => Some(FailureCode::Reversed.name()),
        State::Failed => refund.failure.as_ref().map(|failure| failure.code.name()),
        State::Unconfirmed
        | State::RequiresInformation
        | State::Pending
        | State::Processing
        | State::NeedsAttention
        | State::Succeeded => None,
    }
}

/// The charge that a payment is of: of a capture, its authorization.
pub fn charge_number(payment: &Payment) -> TransactionId {
    payment.parent.unwrap_or(payment.id)
}

fn charges_of<'a>(refund: &Refund, payments: &'a [Payment]) -> Vec<ChargeOfRefund<'a>> {
    let mut charges: Vec<ChargeOfRefund<'a>> = Vec::new();
    for row in &refund.transactions {
        let Some(state) = charge_refund_state(row.state) else { continue };
        let Some(payment) = payments.iter().find(|payment| payment.id == row.payment) else {
            continue;
        };
        let id = format!("ch_{}", charge_number(payment));
        let amount = Amount(Money::new(row.amount, refund.currency));
        let made = ChargeRefund { id: None, created_time: Seconds(row.created_at), amount, state };
        match charges.iter_mut().find(|charge| charge.id == id) {
            Some(charge) => charge.refunds.push(made),
            None => charges.push(ChargeOfRefund {
                id,
                captured: !payment.captured.is_zero(),
                refunded: !payment.refunded.is_zero(),
                refunds: vec![made],
                source_id: payment.provider_reference.as_deref(),
            }),
        }
    }
    charges
}

/// None while nothing was handed over.
pub fn charge_refund_state(state: TransactionState) -> Option<&'static str> {
    match state {
        TransactionState::Unconfirmed
        | TransactionState::RequiresInformation
        | TransactionState::Pending => None,
        TransactionState::Requested
        | TransactionState::Processing
        | TransactionState::NeedsAttention => Some("pending"),
        TransactionState::Succeeded => Some("complete"),
        TransactionState::Failed | TransactionState::Canceled | TransactionState::Reversed => {
            Some("failed")
        }
    }
}
