//! What callers get. Every field is always there, null when there is nothing to say.

use refundry_domain::book::Book;
use refundry_domain::ids::OrderId;
use refundry_domain::money::{Currency, Minor};
use refundry_domain::order::{Line, Metadata, Order, Payment};
use refundry_domain::outcome::Failure;
use refundry_domain::refund::{AskedBy, Part, Refund, RefundTransaction};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{
    Amount, Code, DestinationWord, ExecutionWord, FailureWord, Id, LineWord, Notes, OrderTag,
    PaymentWord, RefundTag, ReturnTag, StateWord, Time, TransactionStateWord, TransactionTag,
    WaitsForWord, Word,
};
use crate::access::bank::BankDetails;
use crate::store::{Movement, TransactionRow};

/// An order, its balances, and unless it stands in a list, its lines, payments and returns.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView<'a> {
    id: OrderTag,
    reference: &'a str,
    currency: Code,
    customer: CustomerView<'a>,
    fulfilled_at: Option<Time>,
    balances: Balances,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<LineView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payments: Option<Vec<PaymentView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<Vec<ReturnTag>>,
    #[schema(value_type = Notes)]
    metadata: &'a Metadata,
    created_at: Time,
    updated_at: Time,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Customer)]
struct CustomerView<'a> {
    reference: Option<&'a str>,
    email: Option<&'a str>,
    name: Option<&'a str>,
}

/// Where the money of an order stands, over all its payments.
#[derive(Serialize, ToSchema)]
struct Balances {
    captured: Amount,
    /// Reserved by refunds that are not settled.
    held: Amount,
    refunded: Amount,
    /// Kept back because of a dispute.
    disputed: Amount,
    /// What can still be given back.
    left: Amount,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Line)]
pub struct LineView<'a> {
    position: u32,
    kind: LineWord,
    for_line: Option<u32>,
    sku: Option<&'a str>,
    name: Option<&'a str>,
    quantity: u32,
    amount: Amount,
    /// What refunds have taken of it, given back or still held.
    taken: Amount,
    taken_quantity: u32,
    left: Amount,
    left_quantity: u32,
}

/// A payment, authorization, capture or invoice payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentView<'a> {
    id: TransactionTag,
    order: OrderTag,
    kind: PaymentWord,
    parent: Option<TransactionTag>,
    #[serde(rename = "return")]
    return_id: Option<ReturnTag>,
    provider: &'a str,
    method: &'a str,
    provider_reference: Option<&'a str>,
    currency: Code,
    amount: Amount,
    captured: Amount,
    held: Amount,
    refunded: Amount,
    /// What is in dispute, as stated.
    disputed: Amount,
    /// What can still be given back.
    left: Amount,
    #[schema(value_type = Notes)]
    metadata: &'a Metadata,
    created_at: Time,
    updated_at: Time,
}

impl<'a> OrderView<'a> {
    /// As it stands in a list.
    pub fn brief(order: &'a Order) -> OrderView<'a> {
        let amount = |minor: Minor| Amount::of(minor, order.currency);
        let left = order
            .captured
            .saturating_minus(order.held)
            .saturating_minus(order.refunded)
            .saturating_minus(order.blocked);
        OrderView {
            id: Id(order.id),
            reference: &order.reference,
            currency: Code(order.currency),
            customer: CustomerView {
                reference: order.customer.reference.as_deref(),
                email: order.customer.email.as_deref(),
                name: order.customer.name.as_deref(),
            },
            fulfilled_at: order.fulfilled_at.map(Time),
            balances: Balances {
                captured: amount(order.captured),
                held: amount(order.held),
                refunded: amount(order.refunded),
                disputed: amount(order.blocked),
                left: amount(left),
            },
            lines: None,
            payments: None,
            returns: None,
            metadata: &order.metadata,
            created_at: Time(order.created_at),
            updated_at: Time(order.updated_at),
        }
    }

    pub fn of(book: &'a Book) -> OrderView<'a> {
        let currency = book.order.currency;
        let payments = book.payments.iter();
        OrderView {
            lines: Some(book.lines.iter().map(|line| LineView::of(line, currency)).collect()),
            payments: Some(
                payments.map(|row| PaymentView::of(row, book.order.id, currency)).collect(),
            ),
            returns: Some(book.returns.iter().map(|row| Id(row.id)).collect()),
            ..OrderView::brief(&book.order)
        }
    }
}

impl<'a> LineView<'a> {
    pub fn of(line: &'a Line, currency: Currency) -> LineView<'a> {
        LineView {
            position: line.position,
            kind: Word(line.kind),
            for_line: line.for_line,
            sku: line.sku.as_deref(),
            name: line.name.as_deref(),
            quantity: line.quantity,
            amount: Amount::of(line.amount, currency),
            taken: Amount::of(line.taken, currency),
            taken_quantity: line.taken_quantity,
            left: Amount::of(line.left(), currency),
            left_quantity: line.quantity_left(),
        }
    }
}

impl<'a> PaymentView<'a> {
    pub fn of(row: &'a Payment, order: OrderId, currency: Currency) -> PaymentView<'a> {
        let amount = |minor: Minor| Amount::of(minor, currency);
        PaymentView {
            id: Id(row.id),
            order: Id(order),
            kind: Word(row.kind),
            parent: row.parent.map(Id),
            return_id: row.return_id.map(Id),
            provider: &row.provider,
            method: &row.method,
            provider_reference: row.provider_reference.as_deref(),
            currency: Code(currency),
            amount: amount(row.amount),
            captured: amount(row.captured),
            held: amount(row.held),
            refunded: amount(row.refunded),
            disputed: amount(row.disputed),
            left: amount(row.left()),
            metadata: &row.metadata,
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
        }
    }
}

/// The decision to give an amount of one order back, and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct RefundView<'a> {
    id: RefundTag,
    order: OrderTag,
    #[serde(rename = "return")]
    return_id: Option<ReturnTag>,
    state: StateWord,
    execution: ExecutionWord,
    to: DestinationWord,
    currency: Code,
    amount: Amount,
    /// How much of it was paid and not reversed.
    refunded_amount: Amount,
    /// How the amount was asked for: `amount`, `percent` or `items`.
    asked_by: &'static str,
    percent: Option<&'a str>,
    kind: Option<LineWord>,
    /// The payment that was named to draw on.
    payment: Option<TransactionTag>,
    reason: Option<&'a str>,
    note: Option<&'a str>,
    failure: Option<FailureView<'a>>,
    /// What it takes of the order's lines.
    items: Vec<PartView>,
    /// In order of creation; a retry adds new ones.
    transactions: Vec<RefundTransactionView<'a>>,
    /// While it is `unconfirmed`, why it was not decided at once: `confirmation` when it was asked for
    /// as a proposal, `approval` when the policy wants refunds like it approved, `daily_limit` when
    /// it is more than may be given back in a day.
    waits_for: Option<WaitsForWord>,
    /// The merchant's day on which it counts towards the daily limit, when it does.
    #[schema(example = "2026-02-28")]
    counted_on: Option<&'a str>,
    /// The customer's bank account, when one was given.
    information: Option<InformationView<'a>>,
    /// Until when the customer can give bank details, while they are waited for.
    information_due: Option<Time>,
    #[schema(value_type = Notes)]
    metadata: &'a Metadata,
    requested_by: &'a str,
    confirmed_by: Option<&'a str>,
    created_at: Time,
    updated_at: Time,
    /// When it last became succeeded, failed, canceled or reversed.
    settled_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureView<'a> {
    code: FailureWord,
    /// The provider's own words.
    message: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RefundItem)]
struct PartView {
    line: u32,
    /// The units it was asked for by; 0 when it was asked for by amount.
    quantity: u32,
    amount: Amount,
    /// What of it is free again, because the refund failed, was canceled or reversed.
    released_amount: Amount,
    released_quantity: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Information)]
struct InformationView<'a> {
    /// The last four characters of the IBAN.
    last4: &'a str,
}

/// One movement that gives a part of one payment back.
#[derive(Serialize, ToSchema)]
#[schema(as = RefundTransaction)]
pub struct RefundTransactionView<'a> {
    id: TransactionTag,
    order: OrderTag,
    /// Always `refund`.
    kind: &'static str,
    refund: RefundTag,
    /// The payment that it gives back.
    payment: TransactionTag,
    execution: ExecutionWord,
    provider: &'a str,
    method: &'a str,
    state: TransactionStateWord,
    currency: Code,
    amount: Amount,
    provider_reference: Option<&'a str>,
    failure: Option<FailureView<'a>>,
    /// What the provider said last.
    message: Option<&'a str>,
    /// A retry replaced it by a new one.
    superseded: bool,
    /// The provider says something that contradicts the state; a person should look.
    contradicted: bool,
    #[schema(value_type = Notes)]
    metadata: &'a Metadata,
    created_at: Time,
    updated_at: Time,
    settled_at: Option<Time>,
}

impl<'a> FailureView<'a> {
    fn of(failure: &'a Failure) -> FailureView<'a> {
        FailureView { code: Word(failure.code), message: &failure.message }
    }
}

impl<'a> RefundView<'a> {
    pub fn of(refund: &'a Refund) -> RefundView<'a> {
        let (asked_by, percent) = match &refund.asked_by {
            AskedBy::Amount => ("amount", None),
            AskedBy::Percent(percent) => ("percent", Some(percent.as_str())),
            AskedBy::Items => ("items", None),
        };
        let rows = refund.transactions.iter();
        RefundView {
            id: Id(refund.id),
            order: Id(refund.order),
            return_id: refund.return_id.map(Id),
            state: Word(refund.state),
            execution: Word(refund.execution),
            to: Word(refund.to),
            currency: Code(refund.currency),
            amount: Amount::of(refund.amount, refund.currency),
            refunded_amount: Amount::of(refund.refunded, refund.currency),
            asked_by,
            percent,
            kind: refund.kind.map(Word),
            payment: refund.payment.map(Id),
            reason: refund.reason.as_deref(),
            note: refund.note.as_deref(),
            failure: refund.failure.as_ref().map(FailureView::of),
            items: refund.parts.iter().map(|part| PartView::of(part, refund.currency)).collect(),
            transactions: rows
                .map(|row| RefundTransactionView::of(row, refund.order, refund.currency))
                .collect(),
            waits_for: refund.waiting_for().map(Word),
            counted_on: refund.counted_on.as_deref(),
            information: refund
                .information
                .as_deref()
                .and_then(BankDetails::last4)
                .map(|last4| InformationView { last4 }),
            information_due: refund.information_due.map(Time),
            metadata: &refund.metadata,
            requested_by: &refund.requested_by,
            confirmed_by: refund.confirmed_by.as_deref(),
            created_at: Time(refund.created_at),
            updated_at: Time(refund.updated_at),
            settled_at: refund.settled_at.map(Time),
        }
    }
}

impl PartView {
    fn of(part: &Part, currency: Currency) -> PartView {
        PartView {
            line: part.line,
            quantity: part.quantity,
            amount: Amount::of(part.amount, currency),
            released_amount: Amount::of(part.released, currency),
            released_quantity: part.released_quantity,
        }
    }
}

impl<'a> RefundTransactionView<'a> {
    pub fn of(
        row: &'a RefundTransaction,
        order: OrderId,
        currency: Currency,
    ) -> RefundTransactionView<'a> {
        RefundTransactionView {
            id: Id(row.id),
            order: Id(order),
            kind: "refund",
            refund: Id(row.refund),
            payment: Id(row.payment),
            execution: Word(row.execution),
            provider: &row.provider,
            method: &row.method,
            state: Word(row.state),
            currency: Code(currency),
            amount: Amount::of(row.amount, currency),
            provider_reference: row.provider_reference.as_deref(),
            failure: row.failure.as_ref().map(FailureView::of),
            message: row.message.as_deref(),
            superseded: row.superseded,
            contradicted: row.contradicted,
            metadata: &row.metadata,
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
            settled_at: row.settled_at.map(Time),
        }
    }
}

/// A transaction of either direction.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Transaction)]
pub enum TransactionView<'a> {
    In(PaymentView<'a>),
    Back(RefundTransactionView<'a>),
}

impl<'a> TransactionView<'a> {
    pub fn of(row: &'a TransactionRow) -> TransactionView<'a> {
        match &row.movement {
            Movement::In(payment) => {
                TransactionView::In(PaymentView::of(payment, row.order, row.currency))
            }
            Movement::Back(back) => {
                TransactionView::Back(RefundTransactionView::of(back, row.order, row.currency))
            }
        }
    }
}
