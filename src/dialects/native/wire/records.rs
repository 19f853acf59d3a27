//! What callers get of returns and events, and of what is left of an order.

use refundry_domain::book::{Book, sum};
use refundry_domain::money::Currency;
use refundry_domain::order::Metadata;
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::returns::{Return, ReturnItem};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answers::{LineView, PaymentView};
use super::words::{
    Amount, Code, EventTag, ExecutionWord, Id, Notes, OrderTag, ReturnKindWord, ReturnStateWord,
    ReturnTag, StateWord, Time, TransactionTag, Word,
};
use crate::store::Event;

#[derive(Serialize, ToSchema)]
#[schema(as = Return)]
pub struct ReturnView<'a> {
    id: ReturnTag,
    order: OrderTag,
    reference: &'a str,
    kind: ReturnKindWord,
    state: ReturnStateWord,
    items: Vec<ReturnItemView<'a>>,
    reason: &'a str,
    #[schema(value_type = Notes)]
    metadata: &'a Metadata,
    created_at: Time,
    updated_at: Time,
    closed_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReturnItem)]
struct ReturnItemView<'a> {
    line: u32,
    quantity: u32,
    reason: &'a str,
}

impl<'a> ReturnView<'a> {
    pub fn of(row: &'a Return) -> ReturnView<'a> {
        let item = |item: &'a ReturnItem| ReturnItemView {
            line: item.line,
            quantity: item.quantity,
            reason: &item.reason,
        };
        ReturnView {
            id: Id(row.id),
            order: Id(row.order),
            reference: &row.reference,
            kind: Word(row.kind),
            state: Word(row.state),
            items: row.items.iter().map(item).collect(),
            reason: &row.reason,
            metadata: &row.metadata,
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
            closed_at: row.closed_at.map(Time),
        }
    }
}

/// What of an order can still be given back, and how an amount would be split.
#[derive(Serialize, ToSchema)]
pub struct Refundable<'a> {
    order: OrderTag,
    currency: Code,
    left: Amount,
    /// Kept back because of a dispute.
    disputed: Amount,
    payments: Vec<PaymentView<'a>>,
    lines: Vec<LineView<'a>>,
    /// What the refund that the query asks for would be; null when it asks for none.
    split: Option<Split<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Split<'a> {
    amount: Amount,
    execution: ExecutionWord,
    /// The state that the refund would begin in.
    state: StateWord,
    parts: Vec<SplitPart<'a>>,
}

#[derive(Serialize, ToSchema)]
struct SplitPart<'a> {
    payment: TransactionTag,
    provider: &'a str,
    method: &'a str,
    execution: ExecutionWord,
    amount: Amount,
}

impl<'a> Refundable<'a> {
    pub fn of(book: &'a Book, proposed: Option<&'a Refund>) -> Refundable<'a> {
        let currency = book.order.currency;
        let payments = book.payments.iter().filter(|row| row.kind.captures());
        Refundable {
            order: Id(book.order.id),
            currency: Code(currency),
            left: Amount::of(book.left(), currency),
            disputed: Amount::of(sum(book.payments.iter().map(|row| row.blocked)), currency),
            payments: payments.map(|row| PaymentView::of(row, book.order.id, currency)).collect(),
            lines: book.lines.iter().map(|line| LineView::of(line, currency)).collect(),
            split: proposed.map(|refund| Split {
                amount: Amount::of(refund.amount, currency),
                execution: Word(refund.execution),
                state: Word(refund.state),
                parts: refund.transactions.iter().map(|row| SplitPart::of(row, currency)).collect(),
            }),
        }
    }
}

impl<'a> SplitPart<'a> {
    fn of(row: &'a RefundTransaction, currency: Currency) -> SplitPart<'a> {
        SplitPart {
            payment: Id(row.payment),
            provider: &row.provider,
            method: &row.method,
            execution: Word(row.execution),
            amount: Amount::of(row.amount, currency),
        }
    }
}

/// A fact that happened, kept for good.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView<'a> {
    id: EventTag,
    #[serde(rename = "type")]
    #[schema(example = "refund.succeeded")]
    name: &'a str,
    /// The order whose chain it belongs to; events of credit accounts have chains of their own, and
    /// those of the merchant itself one more.
    order: Option<OrderTag>,
    /// Its place in the chain, from 1.
    position: i64,
    /// The id of what it is about.
    #[schema(example = "ref_58")]
    subject: String,
    by: &'a str,
    created_at: Time,
    #[schema(value_type = Object)]
    data: &'a RawValue,
    /// SHA-256 over its predecessor's hash and everything above, in hex.
    hash: String,
}

impl<'a> EventView<'a> {
    pub fn of(event: &'a Event) -> EventView<'a> {
        let prefix = match event.subject_kind.as_str() {
            "order" => "ord",
            "transaction" => "txn",
            "refund" => "ref",
            "return" => "ret",
            "merchant" => "mer",
            "webhook_endpoint" => "whe",
            "credit_account" => "acc",
            other => other,
        };
        EventView {
            id: Id(event.id),
            name: &event.name,
            order: event.of_order().map(Id),
            position: event.position,
            subject: format!("{prefix}_{}", event.subject),
            by: &event.by,
            created_at: Time(event.at),
            data: serde_json::from_str(&event.data).unwrap_or(RawValue::NULL),
            hash: hex(&event.hash),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
