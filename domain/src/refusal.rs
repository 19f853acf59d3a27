//! Every "no" a rule can give. Variants stand in the order in which they are checked: is everything
//! there that is named, can what is written be taken, and then, does what is there forbid it. Where
//! a request has several texts or a list, the first that is wrong is named (of an order, the head,
//! then the lines, then the payments), and a list that is too long before anything in it. Each
//! carries what its message needs. A refusal is an answer, never an error: nothing was changed.

use std::fmt;

use crate::ids::{AccountId, EntryId, OrderId, RefundId, ReturnId, TransactionId};
use crate::money::{Currency, Exact, Money};
use crate::refund::{Destination, Execution, State, TransactionState, WaitsFor};
use crate::returns::ReturnState;

/// Where in the request the trouble is, such as `lines/0/amount`; empty for the request as a whole.
pub type Field = String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    // What is asked of is not there, or not yours.
    UnknownOrder,
    UnknownRefund,
    UnknownTransaction,
    UnknownReturn,
    UnknownPayment {
        field: Field,
        payment: TransactionId,
    },
    UnknownLine {
        field: Field,
        line: String,
    },
    AmbiguousLine {
        field: Field,
        sku: String,
    },

    // What is written cannot be taken as it is.
    Missing {
        field: Field,
        what: &'static str,
    },
    TextTooLong {
        field: Field,
        most: usize,
    },
    ControlCharacter {
        field: Field,
    },
    /// A full card number must never be stored.
    CardNumber {
        field: Field,
    },
    TooMany {
        field: Field,
        most: usize,
    },
    OutOfRange {
        field: Field,
        rule: &'static str,
    },
    InTheFuture {
        field: Field,
    },
    Contradiction {
        field: Field,
        rule: &'static str,
    },
    CurrencyDiffers {
        field: Field,
        order: Currency,
        asked: Currency,
    },
    TooPrecise {
        field: Field,
        figure: Exact,
        currency: Currency,
        allowed: u8,
    },
    NotPositive {
        field: Field,
        figure: Exact,
    },
    AmountTooLarge {
        field: Field,
    },

    // What is there forbids it.
    ReferenceTaken {
        field: Field,
        reference: String,
        order: Option<OrderId>,
        return_id: Option<ReturnId>,
    },
    WrongState {
        refund: RefundId,
        state: State,
        verb: &'static str,
    },
    /// A provider's gateway carries it out, so nobody else reports its outcome.
    NotYoursToReport {
        transaction: TransactionId,
    },
    WrongTransactionState {
        transaction: TransactionId,
        state: TransactionState,
        verb: &'static str,
    },
    /// Another worker has it.
    Leased {
        transaction: TransactionId,
    },
    WrongParent {
        field: Field,
        parent: TransactionId,
        rule: &'static str,
    },
    MoreThanAuthorized {
        field: Field,
        asked: Money,
        left: Money,
    },
    ReturnClosed {
        return_id: ReturnId,
        state: ReturnState,
    },
    NothingCaptured,
    NotRefundable {
        field: Field,
        payment: TransactionId,
    },
    NoLineOfKind {
        field: Field,
        kind: &'static str,
    },
    MoreUnitsThanLeft {
        field: Field,
        line: u32,
        asked: u32,
        left: u32,
    },
    MoreThanLineHas {
        field: Field,
        line: u32,
        asked: Money,
        left: Money,
    },
    NothingToGiveBack {
        field: Field,
    },
    MoreThanIsLeft {
        field: Field,
        asked: Money,
        left: Money,
        disputed: Money,
    },
    DestinationNotAvailable {
        field: Field,
        to: Destination,
        rule: &'static str,
    },
    ExecutionNotAvailable {
        field: Field,
        execution: Execution,
        rule: &'static str,
    },
    ApprovalRequired {
        why: WaitsFor,
    },

    /// Of an account of store credit, a gift card or a customer's balance.
    Credit(CreditRefusal),
}

/// What an account says no to; in the order in which it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreditRefusal {
    UnknownAccount,
    UnknownEntry,
    NotAGiftCard {
        account: AccountId,
    },
    NotASpend {
        entry: EntryId,
    },
    AlreadyUndone {
        entry: EntryId,
        by: EntryId,
    },
    OtherCurrency {
        field: Field,
        account: Currency,
        asked: Currency,
    },
    MoreThanSpent {
        field: Field,
        asked: Money,
        spent: Money,
    },
    NotEnough {
        field: Field,
        asked: Money,
        balance: Money,
    },
    /// More than an account can hold.
    Full {
        field: Field,
        asked: Money,
        balance: Money,
    },
}

impl Refusal {
    /// The stable name of the refusal; documented, and never changed.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownOrder => "order_not_found",
            Refusal::UnknownRefund => "refund_not_found",
            Refusal::UnknownTransaction => "transaction_not_found",
            Refusal::UnknownReturn => "return_not_found",
            Refusal::UnknownPayment { .. } => "payment_not_found",
            Refusal::UnknownLine { .. } => "line_not_found",
            Refusal::AmbiguousLine { .. } => "line_ambiguous",
            Refusal::Missing { .. } => "field_missing",
            Refusal::TextTooLong { .. } => "text_too_long",
            Refusal::ControlCharacter { .. } => "text_control_character",
            Refusal::CardNumber { .. } => "card_number_refused",
            Refusal::TooMany { .. } => "too_many",
            Refusal::OutOfRange { .. } => "out_of_range",
            Refusal::InTheFuture { .. } => "time_in_future",
            Refusal::Contradiction { .. } => "fields_contradict",
            Refusal::ReferenceTaken { .. } => "reference_taken",
            Refusal::CurrencyDiffers { .. } => "currency_differs",
            Refusal::TooPrecise { .. } => "amount_too_precise",
            Refusal::NotPositive { .. } => "amount_not_positive",
            Refusal::AmountTooLarge { .. } => "amount_too_large",
            Refusal::WrongParent { .. } => "wrong_parent",
            Refusal::MoreThanAuthorized { .. } => "more_than_authorized",
            Refusal::ReturnClosed { .. } => "return_closed",
            Refusal::NothingCaptured => "nothing_captured",
            Refusal::NotRefundable { .. } => "payment_not_refundable",
            Refusal::NoLineOfKind { .. } => "no_line_of_kind",
            Refusal::MoreUnitsThanLeft { .. } => "more_units_than_left",
            Refusal::MoreThanLineHas { .. } => "more_than_line_has",
            Refusal::NothingToGiveBack { .. } => "nothing_to_give_back",
            Refusal::MoreThanIsLeft { .. } => "more_than_is_left",
            Refusal::DestinationNotAvailable { .. } => "destination_not_available",
            Refusal::ExecutionNotAvailable { .. } => "execution_not_available",
            Refusal::ApprovalRequired { .. } => "approval_required",
            Refusal::WrongState { .. } => "wrong_state",
            Refusal::WrongTransactionState { .. } => "wrong_transaction_state",
            Refusal::NotYoursToReport { .. } => "not_yours_to_report",
            Refusal::Leased { .. } => "being_processed",
            Refusal::Credit(refusal) => refusal.code(),
        }
    }

    /// Where in the request the trouble is, when it is in one place.
    pub fn field(&self) -> Option<&str> {
        match self {
            Refusal::UnknownPayment { field, .. }
            | Refusal::UnknownLine { field, .. }
            | Refusal::AmbiguousLine { field, .. }
            | Refusal::Missing { field, .. }
            | Refusal::TextTooLong { field, .. }
            | Refusal::ControlCharacter { field }
            | Refusal::CardNumber { field }
            | Refusal::TooMany { field, .. }
            | Refusal::OutOfRange { field, .. }
            | Refusal::InTheFuture { field }
            | Refusal::Contradiction { field, .. }
            | Refusal::ReferenceTaken { field, .. }
            | Refusal::CurrencyDiffers { field, .. }
            | Refusal::TooPrecise { field, .. }
            | Refusal::NotPositive { field, .. }
            | Refusal::AmountTooLarge { field }
            | Refusal::WrongParent { field, .. }
            | Refusal::MoreThanAuthorized { field, .. }
            | Refusal::NotRefundable { field, .. }
            | Refusal::NoLineOfKind { field, .. }
            | Refusal::MoreUnitsThanLeft { field, .. }
            | Refusal::MoreThanLineHas { field, .. }
            | Refusal::NothingToGiveBack { field }
            | Refusal::MoreThanIsLeft { field, .. }
            | Refusal::DestinationNotAvailable { field, .. }
            | Refusal::ExecutionNotAvailable { field, .. } => Some(field),
            Refusal::UnknownOrder
            | Refusal::UnknownRefund
            | Refusal::UnknownTransaction
            | Refusal::UnknownReturn
            | Refusal::ReturnClosed { .. }
            | Refusal::NothingCaptured
            | Refusal::ApprovalRequired { .. }
            | Refusal::WrongState { .. }
            | Refusal::WrongTransactionState { .. }
            | Refusal::NotYoursToReport { .. }
            | Refusal::Leased { .. } => None,
            Refusal::Credit(refusal) => refusal.field(),
        }
    }
}

impl CreditRefusal {
    fn code(&self) -> &'static str {
        match self {
            CreditRefusal::UnknownAccount => "credit_account_not_found",
            CreditRefusal::UnknownEntry => "credit_entry_not_found",
            CreditRefusal::NotAGiftCard { .. } => "not_a_gift_card",
            CreditRefusal::NotASpend { .. } => "not_a_spend",
            CreditRefusal::AlreadyUndone { .. } => "already_undone",
            CreditRefusal::OtherCurrency { .. } => "credit_currency_differs",
            CreditRefusal::MoreThanSpent { .. } => "more_than_was_spent",
            CreditRefusal::NotEnough { .. } => "insufficient_balance",
            CreditRefusal::Full { .. } => "credit_account_full",
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            CreditRefusal::OtherCurrency { field, .. }
            | CreditRefusal::MoreThanSpent { field, .. }
            | CreditRefusal::NotEnough { field, .. }
            | CreditRefusal::Full { field, .. } => Some(field),
            CreditRefusal::UnknownAccount
            | CreditRefusal::UnknownEntry
            | CreditRefusal::NotAGiftCard { .. }
            | CreditRefusal::NotASpend { .. }
            | CreditRefusal::AlreadyUndone { .. } => None,
        }
    }
}

impl fmt::Display for CreditRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreditRefusal::UnknownAccount => write!(f, "There is no such credit account."),
            CreditRefusal::UnknownEntry => write!(f, "The credit account has no such entry."),
            CreditRefusal::NotAGiftCard { account } => {
                write!(f, "acc_{account} is no gift card; only those have codes.")
            }
            CreditRefusal::NotASpend { entry } => {
                write!(f, "ent_{entry} is no spend, so there is nothing to undo.")
            }
            CreditRefusal::AlreadyUndone { entry, by } => {
                write!(f, "ent_{entry} was undone before, by ent_{by}.")
            }
            CreditRefusal::OtherCurrency { account, asked, .. } => {
                write!(f, "The credit account is in {}, not in {}.", account.code(), asked.code())
            }
            CreditRefusal::MoreThanSpent { asked, spent, .. } => {
                let code = asked.currency().code();
                write!(f, "{asked} {code} was asked back, {spent} was spent.")
            }
            CreditRefusal::NotEnough { asked, balance, .. } => {
                let code = asked.currency().code();
                write!(f, "{asked} {code} was asked of the credit account, {balance} is on it.")
            }
            CreditRefusal::Full { asked, balance, .. } => {
                let code = asked.currency().code();
                write!(
                    f,
                    "{asked} {code} more than the {balance} on the credit account is more than \
                     an account can hold."
                )
            }
        }
    }
}

/// What was wrong, with the value, and what to do.
impl fmt::Display for Refusal {
    #[expect(clippy::too_many_lines, reason = "one arm a refusal, so that none is forgotten")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownOrder => write!(f, "There is no such order; register it first."),
            Refusal::UnknownRefund => write!(f, "There is no such refund."),
            Refusal::UnknownTransaction => write!(f, "There is no such refund transaction."),
            Refusal::UnknownReturn => write!(f, "There is no such return of this order."),
            Refusal::UnknownPayment { payment, .. } => {
                write!(f, "The order has no payment txn_{payment}.")
            }
            Refusal::UnknownLine { line, .. } => write!(f, "The order has no line {line}."),
            Refusal::AmbiguousLine { sku, .. } => {
                write!(f, "More than one line of the order has the sku {sku:?}; name its position.")
            }
            Refusal::Missing { what, .. } => write!(f, "{what} is needed."),
            Refusal::TextTooLong { most, .. } => {
                write!(f, "The text is longer than {most} characters.")
            }
            Refusal::ControlCharacter { .. } => {
                write!(f, "The text contains a control character; remove it.")
            }
            Refusal::CardNumber { .. } => {
                write!(f, "The text contains what looks like a full card number; remove it.")
            }
            Refusal::TooMany { most, .. } => write!(f, "At most {most} are allowed here."),
            Refusal::OutOfRange { rule, .. } | Refusal::Contradiction { rule, .. } => {
                write!(f, "{rule}.")
            }
            Refusal::InTheFuture { .. } => write!(f, "The time is in the future."),
            Refusal::ReferenceTaken { reference, order, return_id, .. } => {
                write!(f, "The reference {reference:?} is taken")?;
                if let Some(order) = order {
                    write!(f, " by ord_{order}")?;
                }
                if let Some(return_id) = return_id {
                    write!(f, " by ret_{return_id}")?;
                }
                write!(f, ".")
            }
            Refusal::CurrencyDiffers { order, asked, .. } => {
                write!(f, "The order is in {}, not in {}.", order.code(), asked.code())
            }
            Refusal::TooPrecise { figure, currency, allowed, .. } => {
                write!(f, "{} has {allowed} decimals; {figure} has more.", currency.code())
            }
            Refusal::NotPositive { figure, .. } => {
                write!(f, "The amount must be above zero; it is {figure}.")
            }
            Refusal::AmountTooLarge { .. } => {
                write!(f, "The amount has more than 15 digits of minor units.")
            }
            Refusal::WrongParent { parent, rule, .. } => write!(f, "txn_{parent}: {rule}."),
            Refusal::MoreThanAuthorized { asked, left, .. } => write!(
                f,
                "{asked} {} was asked to be captured, {left} of the authorization is left.",
                asked.currency().code()
            ),
            Refusal::ReturnClosed { return_id, state } => {
                write!(f, "ret_{return_id} is {} and takes no more changes.", state.name())
            }
            Refusal::NothingCaptured => {
                write!(f, "Nothing of the order was paid yet; record its payment first.")
            }
            Refusal::NotRefundable { payment, .. } => {
                write!(f, "txn_{payment} is an authorization; refund its capture.")
            }
            Refusal::NoLineOfKind { kind, .. } => write!(f, "The order has no {kind} line."),
            Refusal::MoreUnitsThanLeft { line, asked, left, .. } => {
                write!(f, "{asked} units of line {line} were asked for, {left} are left.")
            }
            Refusal::MoreThanLineHas { line, asked, left, .. } => write!(
                f,
                "{asked} {} of line {line} was asked for, {left} is left.",
                asked.currency().code()
            ),
            Refusal::NothingToGiveBack { .. } => {
                write!(f, "What is asked for comes to nothing; nothing is left of it.")
            }
            Refusal::MoreThanIsLeft { asked, left, disputed, .. } => {
                let code = asked.currency().code();
                write!(f, "{asked} {code} was asked for, {left} can still be given back")?;
                if !disputed.minor().is_zero() {
                    write!(f, " ({disputed} is in dispute)")?;
                }
                write!(f, ".")
            }
            Refusal::DestinationNotAvailable { to, rule, .. } => {
                write!(f, "The refund cannot go to {}: {rule}.", to.name())
            }
            Refusal::ExecutionNotAvailable { execution, rule, .. } => {
                write!(f, "The refund cannot be carried out as {}: {rule}.", execution.name())
            }
            Refusal::ApprovalRequired { why } => match why {
                WaitsFor::DailyLimit => write!(
                    f,
                    "It is more than the merchant's policy lets go in a day; it wants this \
                    approved by a key with scope approve."
                ),
                WaitsFor::Approval | WaitsFor::Confirmation => write!(
                    f,
                    "The merchant's policy wants this approved by a key with scope approve."
                ),
            },
            Refusal::WrongState { refund, state, verb } => {
                write!(f, "ref_{refund} is {} and cannot be {verb}.", state.name())
            }
            Refusal::WrongTransactionState { transaction, state, verb } => {
                write!(f, "txn_{transaction} is {} and cannot be {verb}.", state.name())
            }
            Refusal::NotYoursToReport { transaction } => write!(
                f,
                "txn_{transaction} is carried out by a gateway; its outcome is learnt from there."
            ),
            Refusal::Leased { transaction } => {
                write!(f, "txn_{transaction} is being handed over by another worker.")
            }
            Refusal::Credit(refusal) => refusal.fmt(f),
        }
    }
}
