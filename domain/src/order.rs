//! What the customer bought and how it was paid.

use std::collections::BTreeMap;

use crate::ids::{MerchantId, OrderId, ReturnId, Timestamp, TransactionId};
use crate::money::{Currency, Minor};

/// The caller's own notes on a row: up to [`METADATA_KEYS`] pairs, kept and shown, never interpreted.
pub type Metadata = BTreeMap<String, String>;

/// The note by which orders and refunds are looked up: the caller's own names of them, several with
/// semicolons between. They need not be unique.
pub const TRACKING_ID: &str = "tracking_id";

/// The names by which a row with these notes is found: the note as it is, and each of its parts.
pub fn tracking_ids(metadata: &Metadata) -> Vec<&str> {
    let Some(all) = metadata.get(TRACKING_ID) else { return Vec::new() };
    let mut names: Vec<&str> = all.split(';').chain([all.as_str()]).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

/// How many pairs of metadata a row may have.
pub const METADATA_KEYS: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// The shop's own name for the customer.
    pub reference: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
}

/// An order and its balances, each the sum over its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub merchant: MerchantId,
    /// The shop's own number, unique in the merchant.
    pub reference: String,
    pub currency: Currency,
    pub customer: Customer,
    pub metadata: Metadata,
    pub fulfilled_at: Option<Timestamp>,
    /// What was captured and can be given back at all.
    pub captured: Minor,
    /// What open refunds reserve.
    pub held: Minor,
    /// What was given back.
    pub refunded: Minor,
    /// What disputes keep from being given back.
    pub blocked: Minor,
    /// When the customer ordered, as the shop says; the time of registration when it does not.
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub chain: Chain,
}

/// Where the order's chain of events ends: the hash of its newest event covers all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chain {
    /// How many events the order has.
    pub length: i64,
    pub hash: [u8; 32],
}

/// What a line of an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineKind {
    Product,
    Shipping,
    Tax,
    Duty,
    ImporterTax,
    Fee,
}

impl LineKind {
    pub const ALL: [LineKind; 6] = [
        LineKind::Product,
        LineKind::Shipping,
        LineKind::Tax,
        LineKind::Duty,
        LineKind::ImporterTax,
        LineKind::Fee,
    ];

    pub fn name(self) -> &'static str {
        match self {
            LineKind::Product => "product",
            LineKind::Shipping => "shipping",
            LineKind::Tax => "tax",
            LineKind::Duty => "duty",
            LineKind::ImporterTax => "importer_tax",
            LineKind::Fee => "fee",
        }
    }

    pub fn parse(name: &str) -> Option<LineKind> {
        LineKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One line of an order. Its position, from 1, is its name in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub position: u32,
    pub kind: LineKind,
    /// The product line that a tax, duty, fee or shipping line belongs to.
    pub for_line: Option<u32>,
    pub sku: Option<String>,
    pub name: Option<String>,
    pub quantity: u32,
    /// What the whole line cost, all units together.
    pub amount: Minor,
    /// What refunds have taken of it, given back or still held.
    pub taken: Minor,
    /// The units refunds have taken, and the part of `taken` that went with them.
    pub taken_quantity: u32,
    pub taken_by_quantity: Minor,
}

impl Line {
    pub fn left(&self) -> Minor {
        self.amount.saturating_minus(self.taken)
    }

    pub fn quantity_left(&self) -> u32 {
        self.quantity.saturating_sub(self.taken_quantity)
    }

    /// What `units` more of its units give back: their share of the amount, half up, counted
    /// together with the units given before, so that all units give exactly the amount. Never
    /// more than is left of the line. `units` must be at most [`Line::quantity_left`].
    pub fn share_of_units(&self, units: u32) -> Minor {
        let together = u64::from(self.taken_quantity) + u64::from(units);
        let upto = self.amount.share(together, u64::from(self.quantity.max(1)));
        upto.saturating_minus(self.taken_by_quantity).min(self.left())
    }
}

/// A movement of money towards the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaymentKind {
    Payment,
    Authorization,
    Capture,
    InvoicePayment,
}

impl PaymentKind {
    pub const ALL: [PaymentKind; 4] = [
        PaymentKind::Payment,
        PaymentKind::Authorization,
        PaymentKind::Capture,
        PaymentKind::InvoicePayment,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PaymentKind::Payment => "payment",
            PaymentKind::Authorization => "authorization",
            PaymentKind::Capture => "capture",
            PaymentKind::InvoicePayment => "invoice_payment",
        }
    }

    pub fn parse(name: &str) -> Option<PaymentKind> {
        PaymentKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// An authorization only reserves; the others bring money that can be given back.
    pub fn captures(self) -> bool {
        match self {
            PaymentKind::Authorization => false,
            PaymentKind::Payment | PaymentKind::Capture | PaymentKind::InvoicePayment => true,
        }
    }
}

/// A payment, authorization, capture or invoice payment of an order, and its balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub id: TransactionId,
    pub kind: PaymentKind,
    /// The authorization that a capture draws on.
    pub parent: Option<TransactionId>,
    pub return_id: Option<ReturnId>,
    /// The gateway or outside platform that moved the money, such as `sandbox` or `stripe`.
    pub provider: String,
    /// The payment method in the provider's or the shop's words, such as `card`.
    pub method: String,
    /// The provider's own name of the movement.
    pub provider_reference: Option<String>,
    pub amount: Minor,
    /// The part of `amount` that can be given back at all: nothing of an authorization.
    pub captured: Minor,
    pub held: Minor,
    pub refunded: Minor,
    /// What is in dispute, as stated.
    pub disputed: Minor,
    /// The part of `disputed` that is still here to be kept back.
    pub blocked: Minor,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Payment {
    /// What may still be given back of it.
    pub fn left(&self) -> Minor {
        self.captured
            .saturating_minus(self.held)
            .saturating_minus(self.refunded)
            .saturating_minus(self.blocked)
    }
}
