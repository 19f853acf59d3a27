//! How a "no" looks: a status and `{"message": …}`.

use axum::http::{HeaderName, HeaderValue};
use refundry_domain::refusal::Refusal;
use serde_json::json;

use crate::dialects::shared::problem::Problem;
use crate::ledger::Fault;
use crate::store::StoreError;

#[derive(Debug)]
pub struct No {
    pub status: u16,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    message: String,
}

impl No {
    pub fn new(status: u16, message: impl Into<String>) -> No {
        No { status, headers: Vec::new(), message: message.into() }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> No {
        self.headers.push((name, value));
        self
    }

    pub fn body(&self) -> Vec<u8> {
        json!({ "message": self.message }).to_string().into_bytes()
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> No {
        // The contract knows 400 for whatever is wrong with a request.
        let status = if problem.status == 422 { 400 } else { problem.status };
        No { headers: problem.headers, ..No::new(status, problem.detail) }
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> No {
        Problem::from(error).into()
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> No {
        Problem::from(fault).into()
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        let status = match &refusal {
            Refusal::UnknownOrder
            | Refusal::UnknownRefund
            | Refusal::UnknownTransaction
            | Refusal::UnknownReturn
            | Refusal::UnknownPayment { .. } => 404,
            Refusal::UnknownLine { .. }
            | Refusal::AmbiguousLine { .. }
            | Refusal::Missing { .. }
            | Refusal::TextTooLong { .. }
            | Refusal::ControlCharacter { .. }
            | Refusal::CardNumber { .. }
            | Refusal::TooMany { .. }
            | Refusal::OutOfRange { .. }
            | Refusal::InTheFuture { .. }
            | Refusal::Contradiction { .. }
            | Refusal::ReferenceTaken { .. }
            | Refusal::CurrencyDiffers { .. }
            | Refusal::TooPrecise { .. }
            | Refusal::NotPositive { .. }
            | Refusal::AmountTooLarge { .. }
            | Refusal::WrongParent { .. }
            | Refusal::MoreThanAuthorized { .. }
            | Refusal::ReturnClosed { .. }
            | Refusal::NothingCaptured
            | Refusal::NotRefundable { .. }
            | Refusal::NoLineOfKind { .. }
            | Refusal::MoreUnitsThanLeft { .. }
            | Refusal::MoreThanLineHas { .. }
            | Refusal::NothingToGiveBack { .. }
            | Refusal::MoreThanIsLeft { .. }
            | Refusal::DestinationNotAvailable { .. }
            | Refusal::ExecutionNotAvailable { .. }
            | Refusal::ApprovalRequired { .. }
            | Refusal::WrongState { .. }
            | Refusal::WrongTransactionState { .. }
            | Refusal::NotYoursToReport { .. }
            | Refusal::Leased { .. }
            | Refusal::Credit(_) => 400,
        };
        No::new(status, refusal.to_string())
    }
}
