//! What a caller or a worker wants of one order's book, as it was asked.

use crate::ids::{OrderRef, RefundId, ReturnId, Timestamp, TransactionId};
use crate::money::{Currency, Exact, Percent};
use crate::order::{Customer, LineKind, Metadata, PaymentKind};
use crate::outcome::Report;
use crate::refund::{Destination, Execution};
use crate::returns::{ReturnItem, ReturnKind, ReturnState};

/// Which book a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One that is not there yet.
    NewOrder,
    Order(OrderRef),
    /// The order of a payment.
    Payment(TransactionId),
    Refund(RefundId),
    /// A refund transaction of the order's refunds.
    Transaction(TransactionId),
    Return(ReturnId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    RegisterOrder(NewOrder),
    RecordPayment(NewPayment),
    ChangeOrder(OrderChange),
    OpenReturn(NewReturn),
    ChangeReturn(ReturnChange),
    RequestRefund(Ask),
    ChangeRefund(RefundChange),
    Confirm {
        may_approve: bool,
    },
    Cancel {
        reason: Option<String>,
    },
    Retry,
    /// The customer's bank details, sealed before they come here.
    GiveInformation {
        sealed: Vec<u8>,
        /// The wait that they answer, by its end: then they are refused once somebody else has
        /// answered it. None puts them in the place of others, as long as nobody pays to those.
        answers: Option<Timestamp>,
    },
    /// The time for something has run out; changes nothing when it was done meanwhile.
    Expire,
    /// A worker takes a transaction to hand it to its provider, until its lease ends.
    Start {
        worker: i64,
        lease_ms: i64,
    },
    Report(Report),
    /// Adds notes to a payment of the order, or to a transaction of the book's refund; a note of a
    /// name that is there is replaced, the others stay.
    Annotate {
        transaction: TransactionId,
        notes: Metadata,
    },
}

/// An amount as stated: digits, and the currency when the caller names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    pub figure: Exact,
    pub currency: Option<Currency>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    pub reference: Option<String>,
    pub currency: Currency,
    pub customer: Customer,
    pub lines: Vec<NewLine>,
    pub payments: Vec<NewPayment>,
    pub fulfilled: bool,
    pub metadata: Metadata,
    /// When the customer ordered; now, when not given.
    pub created_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    pub kind: LineKind,
    pub for_line: Option<u32>,
    pub sku: Option<String>,
    pub name: Option<String>,
    pub quantity: u32,
    /// What all its units together cost; zero is allowed, a gift is a line too.
    pub amount: Exact,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayment {
    pub kind: PaymentKind,
    pub parent: Option<TransactionId>,
    pub return_id: Option<ReturnId>,
    pub provider: String,
    pub method: String,
    pub provider_reference: Option<String>,
    pub amount: Stated,
    pub metadata: Metadata,
    pub created_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderChange {
    pub fulfilled: Option<bool>,
    pub dispute: Option<DisputeChange>,
    pub metadata: Option<Metadata>,
}

/// What of a payment is in dispute from now on; `None` ends the dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeChange {
    pub payment: TransactionId,
    pub amount: Option<Exact>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReturn {
    pub reference: Option<String>,
    pub kind: ReturnKind,
    pub items: Vec<ReturnItem>,
    pub reason: String,
    pub metadata: Metadata,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnChange {
    pub state: Option<ReturnState>,
    pub reason: Option<String>,
    pub metadata: Option<Metadata>,
}

/// What a refund is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub what: What,
    /// Only of the lines of this kind.
    pub kind: Option<LineKind>,
    /// The payment to draw on; the split decides when not given.
    pub payment: Option<TransactionId>,
    pub return_id: Option<ReturnId>,
    pub to: Destination,
    /// How to carry it out; the providers and the policy decide when not given.
    pub execution: Option<Execution>,
    /// It was paid outside before it was asked for: recorded as succeeded at once.
    pub paid: Option<Paid>,
    /// Whether to carry it out at once; by default yes, unless the policy asks for approval.
    pub confirm: Option<bool>,
    /// Whether the caller may approve what the policy wants approved.
    pub may_approve: bool,
    pub reason: Option<String>,
    pub note: Option<String>,
    pub metadata: Metadata,
}

/// What is known of money that somebody paid by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    /// What whoever paid calls the movement.
    pub reference: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Amount(Stated),
    /// Of what was captured, or with a kind, of those lines.
    Percent(Percent),
    /// Everything that is left: of the payment that is named, else of the order; with a kind, of
    /// those lines.
    Rest,
    Items(Vec<ItemAsk>),
    /// A share of what [`What::Rest`] is all of.
    PercentOfRest(Percent),
    /// A kind beside these says what the refund is for, and changes nothing of its amount.
    Groups(Vec<GroupAsk>),
}

/// One line of a refund by items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemAsk {
    pub line: LineRef,
    pub share: ItemShare,
}

/// Which line is meant: its position, or a sku that only one line has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineRef {
    Position(u32),
    Sku(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemShare {
    /// Everything that is left of the line.
    Rest,
    Quantity(u32),
    Amount(Exact),
    /// Of the whole line.
    Percent(Percent),
}

/// Lines that are given back together with the tax lines that are for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupAsk {
    pub of: GroupOf,
    /// How many units of the line it is about, when not all.
    pub units: Option<u32>,
    pub share: GroupShare,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOf {
    Line(LineRef),
    /// The lines of the kind that are for this one; itself, when it is of the kind.
    For(LineRef, LineKind),
    /// Every line of the kind.
    Kind(LineKind),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupShare {
    /// Everything that is left.
    Rest,
    Amount(Exact),
    /// Of what is left.
    Percent(Percent),
    /// Refused unless it is everything that is left.
    Whole(Exact),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundChange {
    /// While unconfirmed only.
    pub amount: Option<Stated>,
    pub metadata: Option<Metadata>,
}
