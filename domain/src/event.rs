//! Facts others are told about: one for every change, in the same commit. Together they are enough
//! to compute every balance again, which is how the books are verified.

use crate::ids::{OrderId, RefundId, ReturnId, Timestamp, TransactionId};
use crate::money::{Currency, Minor};
use crate::order::{LineKind, PaymentKind};
use crate::outcome::{Failure, FailureCode};
use crate::refund::{Destination, Execution, State, TransactionState};
use crate::returns::{ReturnKind, ReturnState};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    OrderRegistered {
        order: OrderId,
        reference: String,
        currency: Currency,
        lines: Vec<LineFact>,
    },
    PaymentRecorded {
        payment: TransactionId,
        kind: PaymentKind,
        parent: Option<TransactionId>,
        provider: String,
        amount: Minor,
        captured: Minor,
    },
    OrderFulfilled {
        order: OrderId,
        fulfilled: bool,
    },
    OrderAnnotated {
        order: OrderId,
    },
    DisputeChanged {
        order: OrderId,
        payment: TransactionId,
        disputed: Minor,
        blocked: Minor,
    },
    ReturnOpened {
        return_id: ReturnId,
        kind: ReturnKind,
        reference: String,
    },
    ReturnChanged {
        return_id: ReturnId,
        state: ReturnState,
    },
    RefundRequested {
        refund: RefundId,
        state: State,
        execution: Execution,
        to: Destination,
        amount: Minor,
        shares: Vec<Share>,
        parts: Vec<LineShare>,
        /// The merchant's day on which it counts towards the daily limit, when it does.
        counted_on: Option<String>,
    },
    /// The amount of an unconfirmed refund was changed: old shares are dropped, new ones taken.
    RefundChanged {
        refund: RefundId,
        execution: Execution,
        amount: Minor,
        dropped: Vec<Move>,
        shares: Vec<Share>,
    },
    RefundAnnotated {
        refund: RefundId,
    },
    /// An outside platform is told to pay a refund transaction.
    PayoutRequested(PayoutRequested),
    /// The customer's bank details are gone, but for the last four characters.
    DetailsPurged {
        refund: RefundId,
    },
    RefundMoved(RefundMoved),
    TransactionAnnotated {
        transaction: TransactionId,
    },
    /// The provider says something that contradicts what is final, or not even decided, here; a
    /// person should look.
    RefundContradicted {
        refund: RefundId,
        transaction: TransactionId,
        said: String,
    },
}

/// All that is needed to pay a refund transaction elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutRequested {
    pub transaction: TransactionId,
    pub refund: RefundId,
    pub payment: TransactionId,
    pub to: Destination,
    pub amount: Minor,
    pub currency: Currency,
    pub provider: String,
    pub method: String,
    /// The provider's own name of the payment.
    pub payment_reference: Option<String>,
    /// When silence turns it into something for a person.
    pub report_by: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFact {
    pub kind: LineKind,
    pub quantity: u32,
    pub amount: Minor,
}

/// A new refund transaction and what it holds of its payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub transaction: TransactionId,
    pub payment: TransactionId,
    pub amount: Minor,
}

/// An amount and units of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineShare {
    pub line: u32,
    pub quantity: u32,
    pub amount: Minor,
}

/// A refund transaction's step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub transaction: TransactionId,
    pub payment: TransactionId,
    pub amount: Minor,
    pub from: TransactionState,
    pub to: TransactionState,
    pub provider_reference: Option<String>,
    pub code: Option<FailureCode>,
    pub message: Option<String>,
}

/// A refund's step: its own, and those of its transactions that made it. `from` and `to` are equal
/// when only a transaction moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundMoved {
    pub refund: RefundId,
    pub from: State,
    pub to: State,
    pub amount: Minor,
    pub refunded: Minor,
    pub moves: Vec<Move>,
    /// New transactions, of a retry.
    pub shares: Vec<Share>,
    /// What of its lines became free.
    pub released: Vec<LineShare>,
    /// What of its lines a retry took again.
    pub retaken: Vec<LineShare>,
    pub failure: Option<Failure>,
    /// The day on which it counts from now on, when it counts on one.
    pub counted_on: Option<String>,
}

/// Every type of event that there is, those of the merchant itself included; what can be
/// subscribed to.
pub const TYPES: &[&str] = &[
    "order.registered",
    "order.updated",
    "order.dispute_changed",
    "payment.recorded",
    "return.opened",
    "return.updated",
    "refund.requested",
    "refund.updated",
    "refund.progressed",
    "refund.requires_information",
    "refund.pending",
    "refund.processing",
    "refund.needs_attention",
    "refund.succeeded",
    "refund.failed",
    "refund.canceled",
    "refund.reversed",
    "refund.contradicted",
    "refund.details_purged",
    "transaction.requested",
    "transaction.updated",
    "credit_account.opened",
    "credit_account.credited",
    "credit_account.reversed",
    "credit_account.spent",
    "credit_account.spend_undone",
    "credit_account.code_issued",
    "merchant.created",
    "merchant.updated",
    "key.created",
    "key.set",
    "key.revoked",
    "gateway.configured",
    "bank_transfers.exported",
    "webhook_endpoint.created",
    "webhook_endpoint.updated",
    "webhook_endpoint.secret_rotated",
    "webhook_endpoint.disabled",
    "webhook_endpoint.deleted",
    "webhook_endpoint.pinged",
    "webhook_endpoint.redelivery_requested",
    "books.accepted",
];

impl Fact {
    /// The type of the event, as it is shown and subscribed to.
    pub fn name(&self) -> &'static str {
        match self {
            Fact::OrderRegistered { .. } => "order.registered",
            Fact::PaymentRecorded { .. } => "payment.recorded",
            Fact::OrderFulfilled { .. } | Fact::OrderAnnotated { .. } => "order.updated",
            Fact::DisputeChanged { .. } => "order.dispute_changed",
            Fact::ReturnOpened { .. } => "return.opened",
            Fact::ReturnChanged { .. } => "return.updated",
            Fact::RefundRequested { .. } => "refund.requested",
            Fact::RefundChanged { .. } | Fact::RefundAnnotated { .. } => "refund.updated",
            Fact::RefundMoved(moved) if moved.from == moved.to => "refund.progressed",
            Fact::RefundMoved(moved) => match moved.to {
                State::Unconfirmed => "refund.unconfirmed",
                State::RequiresInformation => "refund.requires_information",
                State::Pending => "refund.pending",
                State::Processing => "refund.processing",
                State::NeedsAttention => "refund.needs_attention",
                State::Succeeded => "refund.succeeded",
                State::Failed => "refund.failed",
                State::Canceled => "refund.canceled",
                State::Reversed => "refund.reversed",
            },
            Fact::RefundContradicted { .. } => "refund.contradicted",
            Fact::TransactionAnnotated { .. } => "transaction.updated",
            Fact::PayoutRequested(_) => "transaction.requested",
            Fact::DetailsPurged { .. } => "refund.details_purged",
        }
    }

    /// The number of the row that the fact is about.
    pub fn subject(&self) -> Subject {
        match self {
            Fact::OrderRegistered { order, .. }
            | Fact::OrderFulfilled { order, .. }
            | Fact::OrderAnnotated { order }
            | Fact::DisputeChanged { order, .. } => Subject::Order(*order),
            Fact::PaymentRecorded { payment, .. } => Subject::Transaction(*payment),
            Fact::TransactionAnnotated { transaction } => Subject::Transaction(*transaction),
            Fact::ReturnOpened { return_id, .. } | Fact::ReturnChanged { return_id, .. } => {
                Subject::Return(*return_id)
            }
            Fact::RefundRequested { refund, .. }
            | Fact::RefundChanged { refund, .. }
            | Fact::RefundAnnotated { refund }
            | Fact::DetailsPurged { refund }
            | Fact::RefundContradicted { refund, .. } => Subject::Refund(*refund),
            Fact::RefundMoved(moved) => Subject::Refund(moved.refund),
            Fact::PayoutRequested(told) => Subject::Transaction(told.transaction),
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Order(OrderId),
    Transaction(TransactionId),
    Return(ReturnId),
    Refund(RefundId),
}
