//! What is kept of an answer under an idempotency key: enough to say it again, over REST or SOAP.

use refundry_domain::book::Book;
use refundry_domain::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::refusals::{Trouble, trouble};
use crate::store::{Answer, Render};

#[derive(Debug, Serialize, Deserialize)]
pub enum Kept {
    Refund(i64),
    Coded(u16, String),
    Format(String),
    /// The key was used for something else; never kept.
    Reused,
}

impl Kept {
    pub fn of(method: Method, result: Result<&Book, &Refusal>) -> Option<Kept> {
        match result {
            Ok(book) => book.refund.as_ref().map(|refund| Kept::Refund(refund.id.0)),
            Err(refusal) => Some(match trouble(method, refusal) {
                Trouble::Coded(coded) => Kept::Coded(coded.code, coded.text),
                Trouble::Format(text) | Trouble::Denied(text) => Kept::Format(text),
                Trouble::Problem(problem) => Kept::Format(problem.detail.into_owned()),
            }),
        }
    }

    pub fn read(answer: &Answer) -> Option<Kept> {
        serde_json::from_slice(&answer.body).ok()
    }
}

fn keep(method: Method, result: Result<&Book, &Refusal>) -> Answer {
    let body = serde_json::to_vec(&Kept::of(method, result)).unwrap_or_default();
    Answer { status: 200, body }
}

/// How the answer to a method that adds a refund is kept.
pub fn render(method: Method) -> Render {
    match method {
        Method::AddAutomaticRefund => |result| keep(Method::AddAutomaticRefund, result),
        Method::AddAutomaticRefundForOrder => {
            |result| keep(Method::AddAutomaticRefundForOrder, result)
        }
        Method::AddManualRefund
        | Method::GetPossibleAutoRefunds
        | Method::GetRefundStatus
        | Method::UpdateRefund
        | Method::ConfirmRefund
        | Method::CancelRefund
        | Method::RetrieveRefundsList => |result| keep(Method::AddManualRefund, result),
    }
}
