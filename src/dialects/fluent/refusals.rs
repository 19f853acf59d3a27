//! How a "no" looks: `{"error":[{"message":"Not Found: …","code":"404"}]}`.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use refundry_domain::refusal::Refusal;
use serde::Serialize;

use crate::access::gate::Denied;
use crate::dialects::shared::problem::{JSON, Problem};
use crate::ledger::Fault;
use crate::store::StoreError;

#[derive(Debug)]
pub struct No {
    pub status: u16,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Errors {
    error: [Error; 1],
}

#[derive(Serialize)]
struct Error {
    message: String,
    code: String,
}

impl No {
    pub fn new(status: u16, detail: impl Into<String>) -> No {
        No { status, detail: detail.into(), headers: Vec::new() }
    }

    /// What was sent cannot be taken.
    pub fn bad(detail: impl Into<String>) -> No {
        No::new(400, detail)
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> No {
        self.headers.push((name, value));
        self
    }

    /// No token that opens anything; a client gets a new one and repeats the call.
    pub fn unauthorized(detail: &str) -> No {
        let challenge = HeaderValue::from_static("Bearer realm=\"refundry\"");
        No::new(401, detail).with(WWW_AUTHENTICATE, challenge)
    }

    pub fn too_many(seconds: u64) -> No {
        No::new(429, "The API key makes more requests than it may; slow down.")
            .with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub fn into_response(self) -> Response {
        let message = format!("{}: {}", name(self.status), self.detail);
        let body = Errors { error: [Error { message, code: self.status.to_string() }] };
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The words that the contract has for its codes, and those of HTTP for the two besides.
fn name(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Status 500 Error",
        _ => "Bad Request",
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> No {
        let status = match problem.status {
            status @ (401 | 403 | 404 | 405 | 429) => status,
            500.. => 500,
            _ => 400,
        };
        No { status, detail: problem.detail.into_owned(), headers: problem.headers }
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> No {
        Problem::from(error).into()
    }
}

impl From<Denied> for No {
    fn from(denied: Denied) -> No {
        match denied {
            Denied::Unknown => No::unauthorized("The token is not valid, or has expired."),
            Denied::Busy => No::too_many(1),
            Denied::Store(error) => error.into(),
        }
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> No {
        match fault {
            // Waited for long enough: a client that hears 500 repeats the call, which is harmless.
            Fault::InProgress => {
                No::new(500, "The same transaction is still being recorded; repeat the call.")
                    .with(RETRY_AFTER, HeaderValue::from(1))
            }
            Fault::Store(error) => error.into(),
        }
    }
}

impl From<&Refusal> for No {
    fn from(refusal: &Refusal) -> No {
        let status = match refusal {
            Refusal::UnknownOrder
            | Refusal::UnknownRefund
            | Refusal::UnknownTransaction
            | Refusal::UnknownReturn
            | Refusal::UnknownPayment { .. } => 404,
            Refusal::ApprovalRequired { .. } => 403,
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
            | Refusal::WrongState { .. }
            | Refusal::WrongTransactionState { .. }
            | Refusal::NotYoursToReport { .. }
            | Refusal::Leased { .. }
            | Refusal::Credit(_) => 400,
        };
        let place = refusal.field().map(name_of).filter(|name| !name.is_empty());
        match place {
            Some(name) => No::new(status, format!("{name}: {refusal}")),
            None => No::new(status, refusal.to_string()),
        }
    }
}

/// What this API calls a field of the ledger's.
fn name_of(field: &str) -> &str {
    match field {
        "paid/provider_reference" => "transactionRef",
        "provider_reference" => "transactionCode",
        "note" => "transactionNote",
        "reference" => "returnRef",
        "metadata" => "",
        // Notes have the contract's own names.
        field => field.strip_prefix("metadata/fluent.").unwrap_or(field),
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::from(&refusal)
    }
}
