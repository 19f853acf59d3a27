//! The objects of this API around its refunds: charges, orders and returns.

use refundry_domain::book::Book;
use refundry_domain::group;
use refundry_domain::ids::TransactionId;
use refundry_domain::money::Minor;
use refundry_domain::order::{LineKind, Metadata, Order, Payment};
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::returns::{Return, ReturnState};
use serde::Serialize;

use super::wire::{
    Amount, ChargeRefund, Seconds, charge_number, charge_refund_state, is_live, item_id,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeView<'a> {
    id: String,
    created_time: Seconds,
    currency: &'static str,
    amount: Amount,
    state: &'static str,
    order_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    captured: bool,
    captures: Vec<ChargeRefund>,
    refunded: bool,
    refunds: Vec<ChargeRefund>,
    r#type: &'static str,
    live_mode: bool,
}

impl<'a> ChargeView<'a> {
    /// A charge of the book's order; `None` when the order has none of this number. `refunds` are
    /// all of the order.
    pub fn of(id: TransactionId, book: &'a Book, refunds: &[Refund]) -> Option<ChargeView<'a>> {
        let payment = book.payments.iter().find(|payment| payment.id == id)?;
        let number = charge_number(payment);
        let payment = book.payments.iter().find(|payment| payment.id == number)?;
        let own = |row: &&Payment| charge_number(row) == number && row.kind.captures();
        let captures: Vec<&Payment> = book.payments.iter().filter(own).collect();
        let back = refunds.iter().flat_map(|refund| &refund.transactions);
        let back = back.filter(|row| captures.iter().any(|one| one.id == row.payment));
        let captured = !captures.is_empty();
        Some(ChargeView {
            id: format!("ch_{number}"),
            created_time: Seconds(payment.created_at),
            currency: book.order.currency.code(),
            amount: Amount(book.money(payment.amount)),
            state: if captured { "complete" } else { "capturable" },
            order_id: format!("ord_{}", book.order.id),
            source_id: payment.provider_reference.as_deref(),
            captured,
            captures: captures.iter().map(|row| capture(row, book)).collect(),
            refunded: captures.iter().any(|row| !row.refunded.is_zero()),
            refunds: back.filter_map(|row| returned(row, book)).collect(),
            r#type: "merchant_initiated",
            live_mode: is_live(std::slice::from_ref(payment)),
        })
    }
}

fn capture(row: &Payment, book: &Book) -> ChargeRefund {
    ChargeRefund {
        id: Some(format!("cap_{}", row.id)),
        created_time: Seconds(row.created_at),
        amount: Amount(book.money(row.amount)),
        state: "complete",
    }
}

fn returned(row: &RefundTransaction, book: &Book) -> Option<ChargeRefund> {
    Some(ChargeRefund {
        id: Some(format!("txn_{}", row.id)),
        created_time: Seconds(row.created_at),
        amount: Amount(book.money(row.amount)),
        state: charge_refund_state(row.state)?,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'a> {
    id: String,
    created_time: Seconds,
    updated_time: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// The shop's own number.
    upstream_id: &'a str,
    subtotal: Amount,
    total_shipping: Amount,
    total_tax: Amount,
    total_duty: Amount,
    total_importer_tax: Amount,
    total_fees: Amount,
    total_amount: Amount,
    captured_amount: Amount,
    refunded_amount: Amount,
    available_to_refund_amount: Amount,
    items: Vec<OrderItem<'a>>,
    state: &'static str,
    payment: PaymentsView<'a>,
    live_mode: bool,
    metadata: &'a Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderItem<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_details: Option<Product<'a>>,
    quantity: u32,
    amount: Amount,
    available_to_refund_amount: Amount,
}

#[derive(Serialize)]
struct Product<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct PaymentsView<'a> {
    charges: Vec<ChargeView<'a>>,
}

impl<'a> OrderView<'a> {
    /// `refunds` are all of the order.
    pub fn of(book: &'a Book, refunds: &[Refund]) -> OrderView<'a> {
        let order = &book.order;
        let money = |amount: Minor| Amount(book.money(amount));
        let cost = |kind| money(book.cost_of(kind));
        let products = book.lines.iter().enumerate();
        let products = products.filter(|(_, line)| line.kind == LineKind::Product);
        let items = products.map(|(at, line)| OrderItem {
            id: item_id(order.id, line.position),
            sku_id: line.sku.as_deref(),
            product_details: line.name.as_deref().map(|name| Product { name }),
            quantity: line.quantity,
            amount: money(line.amount),
            available_to_refund_amount: money(group::left(&book.lines, at)),
        });
        let charges = book.payments.iter().filter(|row| row.parent.is_none());
        OrderView {
            id: format!("ord_{}", order.id),
            created_time: Seconds(order.created_at),
            updated_time: Seconds(order.updated_at),
            customer_id: order.customer.reference.as_deref(),
            currency: order.currency.code(),
            email: order.customer.email.as_deref(),
            upstream_id: &order.reference,
            subtotal: cost(LineKind::Product),
            total_shipping: cost(LineKind::Shipping),
            total_tax: cost(LineKind::Tax),
            total_duty: cost(LineKind::Duty),
            total_importer_tax: cost(LineKind::ImporterTax),
            total_fees: cost(LineKind::Fee),
            total_amount: money(book.cost()),
            captured_amount: money(order.captured),
            refunded_amount: money(order.refunded),
            available_to_refund_amount: money(book.left()),
            items: items.collect(),
            state: order_state(order, &book.payments),
            payment: PaymentsView {
                charges: charges.filter_map(|row| ChargeView::of(row.id, book, refunds)).collect(),
            },
            live_mode: is_live(&book.payments),
            metadata: &order.metadata,
        }
    }
}

fn order_state(order: &Order, payments: &[Payment]) -> &'static str {
    if payments.iter().any(|payment| !payment.disputed.is_zero()) {
        "dispute"
    } else if !order.captured.is_zero() && order.refunded == order.captured {
        "returned"
    } else if order.fulfilled_at.is_some() {
        "complete"
    } else {
        "accepted"
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnView<'a> {
    id: String,
    created_time: Seconds,
    updated_time: Seconds,
    order_id: String,
    currency: &'static str,
    items: Vec<ReturnItemView<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    state: &'static str,
    live_mode: bool,
    metadata: &'a Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReturnItemView<'a> {
    item_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku_id: Option<&'a str>,
    /// What so many units of the line cost.
    amount: Amount,
    quantity: u32,
    quantity_accepted: u32,
    state: &'static str,
}

impl<'a> ReturnView<'a> {
    pub fn of(row: &'a Return, book: &'a Book) -> ReturnView<'a> {
        let state = return_state(row.state);
        let accepted = is_accepted(row.state);
        let items = row.items.iter().filter_map(|item| {
            let line = book.lines.iter().find(|line| line.position == item.line)?;
            let units = item.quantity.min(line.quantity);
            let cost = line.amount.share(u64::from(units), u64::from(line.quantity.max(1)));
            Some(ReturnItemView {
                item_id: item_id(row.order, line.position),
                sku_id: line.sku.as_deref(),
                amount: Amount(book.money(cost)),
                quantity: item.quantity,
                quantity_accepted: if accepted { item.quantity } else { 0 },
                state,
            })
        });
        ReturnView {
            id: format!("ret_{}", row.id),
            created_time: Seconds(row.created_at),
            updated_time: Seconds(row.updated_at),
            order_id: format!("ord_{}", row.order),
            currency: book.order.currency.code(),
            items: items.collect(),
            reason: &row.reason,
            state,
            live_mode: is_live(&book.payments),
            metadata: &row.metadata,
        }
    }
}

pub const RETURN_STATES: [&str; 4] = ["created", "accepted", "complete", "failed"];

fn return_state(state: ReturnState) -> &'static str {
    match state {
        ReturnState::Pending => "created",
        ReturnState::Approved | ReturnState::Received | ReturnState::Validated => "accepted",
        ReturnState::Done => "complete",
        ReturnState::Rejected | ReturnState::Canceled => "failed",
    }
}

pub fn return_states(name: &str) -> Vec<ReturnState> {
    ReturnState::ALL.into_iter().filter(|state| return_state(*state) == name).collect()
}

pub fn is_accepted(state: ReturnState) -> bool {
    matches!(return_state(state), "accepted" | "complete")
}
