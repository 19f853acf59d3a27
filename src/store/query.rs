//! What is asked of the lists, and what a movement of money is in them.

use refundry_domain::ids::{OrderId, RefundId, ReturnId, Timestamp};
use refundry_domain::money::{Currency, Exact};
use refundry_domain::order::{Payment, PaymentKind};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Destination, Execution, RefundTransaction, State, TransactionState};
use refundry_domain::returns::{ReturnKind, ReturnState};

/// Which part of a list is wanted; lists are newest first unless `oldest_first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what follows the row of this number in the list's order.
    pub after: Option<i64>,
    /// Only what precedes it: the rows nearest to it, still in the list's order.
    pub before: Option<i64>,
    /// How many rows at most; at least 1.
    pub limit: u32,
    pub oldest_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    pub rows: Vec<T>,
    /// Whether the list goes on beyond these rows, in the direction that was paged.
    pub more: bool,
}

/// Fields that are given must all match; an empty list of values matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub reference: Option<String>,
    pub customer: Option<String>,
    /// One of the order's [`tracking_ids`](refundry_domain::order::tracking_ids).
    pub tracking_id: Option<String>,
    /// Words of the customer's name, or the email, or how they begin, in either case: every word
    /// that stands here begins one of the order's, one of less than three letters is one of them.
    pub person: Option<String>,
    /// What was captured, in major units of the order's currency.
    pub amount: Option<Exact>,
    pub created_from: Option<Timestamp>,
    /// Exclusive.
    pub created_until: Option<Timestamp>,
    pub sorted: Sorted,
}

/// What orders are listed by. A page's cursor is an order's number either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorted {
    #[default]
    Number,
    /// When the customer ordered, which may be long before the order was registered.
    Day,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundFilter {
    pub states: Vec<State>,
    pub order: Option<OrderId>,
    pub return_id: Option<ReturnId>,
    pub execution: Option<Execution>,
    pub to: Option<Destination>,
    pub tracking_id: Option<String>,
    pub created_from: Option<Timestamp>,
    pub created_until: Option<Timestamp>,
    pub search: RefundSearch,
}

/// What else a refund can be looked for by: a list matches any of its values, an empty one
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundSearch {
    pub numbers: Vec<i64>,
    /// Of orders with a line of this sku.
    pub sku: Option<String>,
    pub reason: Option<String>,
    pub failures: Vec<FailureCode>,
    /// Not failed for this.
    pub except_failure: Option<FailureCode>,
    /// All of these hold.
    pub bounds: Vec<Bound>,
}

/// An amount of a refund, compared with a number of major units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub of: Measured,
    pub is: Comparison,
    pub figure: Exact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    Amount,
    Refunded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// The kind of any transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    In(PaymentKind),
    Refund,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    pub kinds: Vec<TransactionKind>,
    /// Of refund transactions; payments have none and do not match when states are asked for.
    pub states: Vec<TransactionState>,
    pub order: Option<OrderId>,
    pub refund: Option<RefundId>,
    pub provider: Option<String>,
    pub provider_reference: Option<String>,
    pub created_from: Option<Timestamp>,
    pub created_until: Option<Timestamp>,
    pub search: Search,
}

/// What else a transaction can be looked for by: a list matches any of its values, an empty one
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    pub numbers: Vec<i64>,
    pub orders: Vec<OrderId>,
    /// The return of the refund, or of the payment.
    pub returns: Vec<ReturnId>,
    /// Payments of these kinds, and refunds that go to these places.
    pub kinds: Vec<PaymentKind>,
    pub destinations: Vec<Destination>,
    /// Refund transactions in these states; with `payments_too`, payments besides.
    pub states: Vec<TransactionState>,
    pub payments_too: bool,
    /// What these providers carry out; with `outside_too`, what is carried out outside besides.
    pub providers: Vec<String>,
    pub outside_too: bool,
    /// Not created from the first moment until the second.
    pub created_except: Option<(Timestamp, Timestamp)>,
    pub updated_from: Option<Timestamp>,
    pub updated_until: Option<Timestamp>,
    pub updated_except: Option<(Timestamp, Timestamp)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnFilter {
    pub kind: Option<ReturnKind>,
    pub states: Vec<ReturnState>,
    pub order: Option<OrderId>,
    pub reference: Option<String>,
    pub created: Within,
    pub updated: Within,
}

/// From a moment on, until another, and not in a span: from its first moment until its second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub except: Option<(Timestamp, Timestamp)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub order: Option<OrderId>,
    /// The number of the row that it is about.
    pub subject: Option<i64>,
    pub names: Vec<String>,
}

/// A transaction of either direction, with what is needed to show it by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRow {
    pub order: OrderId,
    pub currency: Currency,
    pub movement: Movement,
}

impl TransactionRow {
    /// The transaction's own number.
    pub fn number(&self) -> i64 {
        match &self.movement {
            Movement::In(payment) => payment.id.0,
            Movement::Back(row) => row.id.0,
        }
    }

    /// Whether its provider is about to say what became of it.
    pub fn is_under_way(&self) -> bool {
        match &self.movement {
            Movement::In(_) => false,
            Movement::Back(row) => row.is_under_way(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    In(Payment),
    Back(RefundTransaction),
}
