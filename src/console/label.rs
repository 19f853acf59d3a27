//! The words for what the books name, and the colour of each state. A state is never told by its
//! colour alone.

use refundry_domain::credit::{AccountKind, EntryKind};
use refundry_domain::order::{LineKind, PaymentKind};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Destination, Execution, State, TransactionState, WaitsFor};
use refundry_domain::returns::{ReturnKind, ReturnState};
use refundry_domain::webhook::{DeliveryState, EndpointState};

/// A word and a class of the styles: `good`, `busy`, `look`, `bad` or `quiet`.
pub type Toned = (&'static str, &'static str);

pub fn state(state: State) -> Toned {
    match state {
        State::Unconfirmed => ("To confirm", "look"),
        State::RequiresInformation => ("Waits for bank details", "look"),
        State::Pending => ("Pending", "busy"),
        State::Processing => ("Processing", "busy"),
        State::NeedsAttention => ("Needs attention", "bad"),
        State::Succeeded => ("Succeeded", "good"),
        State::Failed => ("Failed", "bad"),
        State::Canceled => ("Canceled", "quiet"),
        State::Reversed => ("Reversed", "bad"),
    }
}

/// What a refund to be confirmed waits for.
pub fn waits_for(why: WaitsFor) -> &'static str {
    match why {
        WaitsFor::Confirmation => "Confirmation",
        WaitsFor::Approval => "Approval",
        WaitsFor::DailyLimit => "Approval: more than a day may have",
    }
}

pub fn transaction(state: TransactionState) -> Toned {
    match state {
        TransactionState::Unconfirmed => ("To confirm", "look"),
        TransactionState::RequiresInformation => ("Waits for bank details", "look"),
        TransactionState::Pending => ("Pending", "busy"),
        TransactionState::Requested => ("Requested", "look"),
        TransactionState::Processing => ("Processing", "busy"),
        TransactionState::NeedsAttention => ("Needs attention", "bad"),
        TransactionState::Succeeded => ("Succeeded", "good"),
        TransactionState::Failed => ("Failed", "bad"),
        TransactionState::Canceled => ("Canceled", "quiet"),
        TransactionState::Reversed => ("Reversed", "bad"),
    }
}

pub fn return_state(state: ReturnState) -> Toned {
    match state {
        ReturnState::Pending => ("Pending", "look"),
        ReturnState::Approved => ("Approved", "busy"),
        ReturnState::Received => ("Received", "busy"),
        ReturnState::Validated => ("Validated", "busy"),
        ReturnState::Done => ("Done", "good"),
        ReturnState::Rejected => ("Rejected", "quiet"),
        ReturnState::Canceled => ("Canceled", "quiet"),
    }
}

pub fn delivery(state: DeliveryState) -> Toned {
    match state {
        DeliveryState::Pending => ("On its way", "busy"),
        DeliveryState::Succeeded => ("Delivered", "good"),
        DeliveryState::Failed => ("Given up", "bad"),
    }
}

pub fn endpoint(state: EndpointState) -> Toned {
    match state {
        EndpointState::Enabled => ("Enabled", "good"),
        EndpointState::Disabled => ("Disabled", "quiet"),
        EndpointState::Deleted => ("Deleted", "quiet"),
    }
}

pub fn execution(execution: Execution) -> &'static str {
    match execution {
        Execution::Automatic => "Through the provider",
        Execution::Notify => "By an outside platform",
        Execution::Manual => "By hand",
        Execution::Internal => "Credited to an account here",
    }
}

pub fn destination(to: Destination) -> &'static str {
    match to {
        Destination::OriginalPayment => "Original payment",
        Destination::StoreCredit => "Store credit",
        Destination::GiftCard => "Gift card",
        Destination::CustomerBalance => "Customer balance",
        Destination::BankTransfer => "Bank transfer",
        Destination::Cash => "Cash",
        Destination::Other => "Other",
    }
}

pub fn line(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Product => "Product",
        LineKind::Shipping => "Shipping",
        LineKind::Tax => "Tax",
        LineKind::Duty => "Duty",
        LineKind::ImporterTax => "Importer tax",
        LineKind::Fee => "Fee",
    }
}

pub fn payment(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::Payment => "Payment",
        PaymentKind::Authorization => "Authorization",
        PaymentKind::Capture => "Capture",
        PaymentKind::InvoicePayment => "Invoice payment",
    }
}

pub fn return_kind(kind: ReturnKind) -> &'static str {
    match kind {
        ReturnKind::Return => "Return",
        ReturnKind::Complaint => "Complaint",
    }
}

pub fn account(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::StoreCredit => "Store credit",
        AccountKind::GiftCard => "Gift card",
        AccountKind::CustomerBalance => "Customer balance",
    }
}

pub fn entry(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Credit => "Credited by a refund",
        EntryKind::Reversal => "Taken back with its refund",
        EntryKind::Spend => "Spent",
        EntryKind::Undo => "Spend undone",
    }
}

pub fn failure(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Declined => "Declined",
        FailureCode::ExpiredOrCanceledCard => "Card expired or canceled",
        FailureCode::AccountClosed => "Account closed",
        FailureCode::InsufficientFunds => "Insufficient funds",
        FailureCode::LimitExceeded => "Limit exceeded",
        FailureCode::TooLate => "Too late",
        FailureCode::AlreadyRefunded => "Already refunded",
        FailureCode::CurrencyNotSupported => "Currency not supported",
        FailureCode::SuspectedFraud => "Suspected fraud",
        FailureCode::Disputed => "In dispute",
        FailureCode::PaymentNotFound => "Payment not found",
        FailureCode::InvalidRequest => "Request refused",
        FailureCode::InformationExpired => "Bank details not given in time",
        FailureCode::Canceled => "Called off",
        FailureCode::Reversed => "Taken back",
        FailureCode::Other => "Other",
    }
}
