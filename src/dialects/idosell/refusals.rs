//! How a "no" looks to an IdoSell client: the fault codes of the refunds gate.

use refundry_domain::refund::State;
use refundry_domain::refusal::Refusal;

use super::method::Method;
use crate::dialects::shared::problem::Problem;
use crate::ledger;
use crate::store::StoreError;

/// A fault of the gate's own list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    pub code: u16,
    pub text: String,
}

/// Why a call is not answered with what it asked for.
#[derive(Debug)]
pub enum Trouble {
    Coded(Coded),
    /// What was sent cannot be read as what it should be.
    Format(String),
    /// The caller may not, because of the merchant's policy.
    Denied(String),
    /// Not about the refund: rights, limits, the server.
    Problem(Problem),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Problem(problem)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Problem(error.into())
    }
}

impl From<ledger::Fault> for Trouble {
    fn from(fault: ledger::Fault) -> Trouble {
        Trouble::Problem(fault.into())
    }
}

/// The operation failed, and no other code of the method says why.
pub const FAILED: u16 = 3;

/// Which codes each method has, besides [`FAILED`].
fn listed(method: Method) -> &'static [u16] {
    match method {
        Method::AddAutomaticRefund => &[4005, 4006, 4007, 4008, 4010, 4018],
        Method::AddAutomaticRefundForOrder => &[4001, 4002, 4003, 4004, 4008, 4010, 4014],
        Method::AddManualRefund => &[4004, 4005, 4007, 4008, 4009, 4010, 4011],
        Method::GetPossibleAutoRefunds => &[4005, 4007, 4014, 4018],
        Method::GetRefundStatus => &[4005, 4008],
        Method::UpdateRefund => &[4004, 4005, 4006, 4013, 4018],
        Method::ConfirmRefund => &[4005, 4007, 4008, 4012, 4014, 4015, 4016, 4017],
        Method::CancelRefund => &[4019, 4020],
        Method::RetrieveRefundsList => &[4005],
    }
}

/// The first of these codes that the method has.
pub fn fault(method: Method, wanted: &[u16], text: impl Into<String>) -> Trouble {
    let known = listed(method);
    let code = wanted.iter().find(|code| known.contains(code)).copied().unwrap_or(FAILED);
    Trouble::Coded(Coded { code, text: text.into() })
}

pub fn bad_source_type(method: Method) -> Trouble {
    fault(method, &[4005], "sourceType is none of those that this method takes.")
}

pub fn unknown_source(method: Method) -> Trouble {
    fault(method, &[4007, 4006, 4008], "There is no such source.")
}

pub fn unknown_payment(method: Method) -> Trouble {
    fault(method, &[4008, 4018], "There is no such payment or refund of this source.")
}

pub fn fulfilled(method: Method) -> Trouble {
    fault(method, &[4014], "The order is fulfilled: it takes no more automatic refunds.")
}

/// A rule's "no", as this method says it.
pub fn trouble(method: Method, refusal: &Refusal) -> Trouble {
    let text = refusal.to_string();
    let coded = |wanted: &[u16]| fault(method, wanted, text.clone());
    match refusal {
        Refusal::UnknownOrder | Refusal::UnknownReturn => unknown_source(method),
        Refusal::UnknownRefund | Refusal::UnknownTransaction | Refusal::UnknownPayment { .. } => {
            unknown_payment(method)
        }
        Refusal::UnknownLine { .. } | Refusal::AmbiguousLine { .. } => coded(&[4018]),
        Refusal::Missing { .. }
        | Refusal::TextTooLong { .. }
        | Refusal::ControlCharacter { .. }
        | Refusal::CardNumber { .. }
        | Refusal::TooMany { .. }
        | Refusal::OutOfRange { .. }
        | Refusal::InTheFuture { .. }
        | Refusal::TooPrecise { .. }
        | Refusal::AmountTooLarge { .. }
        | Refusal::NotPositive { .. } => Trouble::Format(text),
        // A refund of lines: its amount follows from them.
        Refusal::Contradiction { .. } => coded(&[4013]),
        Refusal::CurrencyDiffers { .. } => coded(&[4004]),
        Refusal::WrongState { state, .. } => wrong_state(method, *state, text),
        Refusal::WrongTransactionState { .. }
        | Refusal::NotYoursToReport { .. }
        | Refusal::Leased { .. } => coded(&[4017, 4019]),
        Refusal::ReturnClosed { .. }
        | Refusal::MoreUnitsThanLeft { .. }
        | Refusal::MoreThanLineHas { .. }
        | Refusal::NothingToGiveBack { .. } => coded(&[4018]),
        Refusal::NothingCaptured => coded(&[4001, 4009, 4008]),
        Refusal::NotRefundable { .. } => coded(&[4002, 4008]),
        Refusal::MoreThanIsLeft { left, .. } if left.minor().is_zero() => {
            coded(&[4003, 4009, 4008])
        }
        Refusal::MoreThanIsLeft { .. } => coded(&[4003]),
        Refusal::DestinationNotAvailable { .. } => coded(&[4011]),
        Refusal::ExecutionNotAvailable { .. } => coded(&[4002, 4008]),
        Refusal::ApprovalRequired { .. } => Trouble::Denied(text),
        Refusal::ReferenceTaken { .. }
        | Refusal::WrongParent { .. }
        | Refusal::MoreThanAuthorized { .. }
        | Refusal::NoLineOfKind { .. }
        | Refusal::Credit(_) => coded(&[]),
    }
}

fn wrong_state(method: Method, state: State, text: String) -> Trouble {
    let wanted: &[u16] = match (method, state) {
        (Method::ConfirmRefund, State::Processing | State::NeedsAttention) => &[4017],
        (
            Method::ConfirmRefund,
            State::RequiresInformation
            | State::Pending
            | State::Succeeded
            | State::Failed
            | State::Reversed,
        ) => &[4012],
        (Method::CancelRefund, State::Processing | State::NeedsAttention) => &[4019],
        (Method::CancelRefund, _) => &[4020],
        (Method::UpdateRefund, _) => &[4013],
        (_, _) => &[],
    };
    fault(method, wanted, text)
}
