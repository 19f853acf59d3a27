//! How a "no" looks: `{"type": T, "errors": [{"code", "parameter", "message"}]}`.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue};
use refundry_domain::refusal::Refusal;
use serde::Serialize;

use crate::access::links::LinkError;
use crate::dialects::shared::problem::{At, Problem};
use crate::ledger::Fault;
use crate::store::StoreError;

/// What is said when more is asked for than can be given back, wherever the ledger sees it.
const MORE_THAN_AVAILABLE: &str =
    "The requested refund amount is greater than the available amount.";
const DISPUTED: &str = "A refund cannot be performed while there is a dispute on the order.";
const ONLY_FULL_TAX: &str = "Only full tax refunds are supported.";

#[derive(Debug)]
pub struct No {
    pub status: u16,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    code: Option<&'static str>,
    parameter: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
}

#[derive(Serialize)]
struct Errors<'a> {
    r#type: &'static str,
    errors: [Error<'a>; 1],
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    message: &'a str,
}

impl No {
    /// Without a code and a parameter.
    pub fn new(status: u16, message: impl Into<Cow<'static, str>>) -> No {
        No { status, headers: Vec::new(), code: None, parameter: None, message: message.into() }
    }

    fn coded(
        status: u16,
        code: &'static str,
        parameter: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> No {
        No { code: Some(code), parameter: Some(parameter.into()), ..No::new(status, message) }
    }

    /// 400 with the code that most troubles have.
    pub fn invalid(
        parameter: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> No {
        No::coded(400, "invalid_parameter", parameter, message)
    }

    /// 400 with a code of its own.
    pub fn bad(
        code: &'static str,
        parameter: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> No {
        No::coded(400, code, parameter, message)
    }

    pub fn missing(parameter: impl Into<Cow<'static, str>>) -> No {
        No::coded(400, "missing_parameter", parameter, "A parameter is missing.")
    }

    /// `what` such as `Order`, and the name by which it was asked for.
    pub fn unknown(what: &str, parameter: &'static str, name: &str) -> No {
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        No::coded(404, "not_found", parameter, format!("{what} '{name}' not found."))
    }

    pub fn currency(code: &str) -> No {
        let code: String = code.chars().filter(|c| !c.is_control()).take(20).collect();
        No::invalid("currency", format!("Currency {code} is not supported."))
    }

    /// `item` is its place in the list.
    pub fn too_many_units(item: &str) -> No {
        let text = "Return quantity is larger than order quantity";
        No::coded(409, "quantity_too_large", format!("items[{item}].qty"), text)
    }

    pub fn only_full_tax() -> No {
        No::invalid("percentRequested", ONLY_FULL_TAX)
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> No {
        self.headers.push((name, value));
        self
    }

    pub fn body(&self) -> Vec<u8> {
        let error =
            Error { code: self.code, parameter: self.parameter.as_deref(), message: &self.message };
        let errors = Errors { r#type: kind(self.status), errors: [error] };
        serde_json::to_vec(&errors).unwrap_or_default()
    }
}

/// The type of an error is its status, in words.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        406 => "not_acceptable",
        408 => "request_timeout",
        409 => "conflict",
        429 => "too_many_requests",
        503 => "service_unavailable",
        500.. => "internal_server_error",
        _ => "bad_request",
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> No {
        let status = match problem.status {
            413 | 415 | 422 => 400,
            status => status,
        };
        let parameter = problem.at.as_ref().map(|at| match at {
            At::Body(pointer) => path(pointer),
            At::Query(name) => name.clone(),
            At::Header(name) => (*name).to_owned(),
        });
        let (code, message) = match (problem.code, &parameter) {
            ("field_unknown", Some(name)) => {
                (Some("unknown_parameter"), format!("'{name}' is an unknown parameter.").into())
            }
            ("field_missing", _) => (Some("missing_parameter"), "A parameter is missing.".into()),
            ("rate_limited", _) => (Some("limit_exceeded"), problem.detail),
            ("credential_missing" | "credential_invalid", _) => {
                (None, "An authorization error has occurred.".into())
            }
            ("internal", _) => (Some("unknown_error"), problem.detail),
            ("method_not_allowed", _) => (Some("method_not_allowed"), problem.detail),
            _ if status == 400 => (Some("invalid_parameter"), problem.detail),
            _ => (None, problem.detail),
        };
        No { status, headers: problem.headers, code, parameter: parameter.map(Cow::Owned), message }
    }
}

/// A place in a body: `/items/0/amount` is `items[0].amount`.
fn path(pointer: &str) -> String {
    let mut path = String::with_capacity(pointer.len());
    for step in pointer.split('/').skip(1) {
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push('[');
            path.push_str(step);
            path.push(']');
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&step.replace("~1", "/").replace("~0", "~"));
        }
    }
    path.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl From<LinkError> for No {
    fn from(error: LinkError) -> No {
        match error {
            LinkError::Store(error) => error.into(),
            error @ (LinkError::Seal(_) | LinkError::NoRandomness(_)) => {
                tracing::error!(%error, "a link cannot be made");
                No::new(500, "The token could not be made.")
            }
        }
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

/// A field of the ledger under its name here.
fn field(name: &str) -> String {
    let name = match name.rsplit_once('/') {
        Some((before, "line")) => format!("{before}/itemId"),
        Some((before, "sku")) => format!("{before}/skuId"),
        Some(_) | None => name.to_owned(),
    };
    path(&format!("/{name}"))
}

impl From<&Refusal> for No {
    fn from(refusal: &Refusal) -> No {
        let text = refusal.to_string();
        let at = || refusal.field().map_or_else(String::new, field);
        match refusal {
            Refusal::UnknownOrder => No::coded(404, "not_found", "orderId", "Order not found."),
            Refusal::UnknownRefund => No::coded(404, "not_found", "id", "Refund not found."),
            Refusal::UnknownReturn => No::coded(404, "not_found", "id", "Return not found."),
            Refusal::UnknownTransaction | Refusal::UnknownPayment { .. } => {
                No::coded(404, "not_found", "id", "Charge not found.")
            }
            Refusal::UnknownLine { .. } | Refusal::AmbiguousLine { .. } => No::invalid(at(), text),
            Refusal::Missing { .. } => No::missing(at()),
            Refusal::TextTooLong { .. }
            | Refusal::ControlCharacter { .. }
            | Refusal::CardNumber { .. }
            | Refusal::InTheFuture { .. } => No::invalid(at(), text),
            Refusal::TooMany { field: name, .. } if name == "metadata" => {
                No::bad("too_many_metadata_pairs", at(), text)
            }
            Refusal::TooMany { .. } => No::bad("limit_exceeded", at(), text),
            Refusal::OutOfRange { .. } => No::bad("invalid_quantity_amount", at(), text),
            // The one thing that is given back as a whole or not at all.
            Refusal::Contradiction { field: name, .. } if name == "amount" => No::only_full_tax(),
            Refusal::Contradiction { .. } => No::invalid(at(), text),
            Refusal::CurrencyDiffers { asked, .. } => No::currency(asked.code()),
            Refusal::TooPrecise { .. } | Refusal::NotPositive { .. } => {
                No::bad("invalid_amount", at(), text)
            }
            Refusal::AmountTooLarge { .. } => No::bad("amount_too_large", at(), text),
            Refusal::NothingToGiveBack { .. }
            | Refusal::MoreThanLineHas { .. }
            | Refusal::NothingCaptured => No::invalid("amountRequested", MORE_THAN_AVAILABLE),
            Refusal::MoreThanIsLeft { disputed, .. } if !disputed.minor().is_zero() => {
                No::invalid("order", DISPUTED)
            }
            Refusal::MoreThanIsLeft { .. } => No::invalid("amountRequested", MORE_THAN_AVAILABLE),
            Refusal::MoreUnitsThanLeft { .. } => No::invalid(at(), text),
            Refusal::NoLineOfKind { .. } => No::invalid(type_of(at()), text),
            Refusal::ApprovalRequired { .. } => No::new(403, text),
            Refusal::ReferenceTaken { .. } => No::coded(409, "already_exists", at(), text),
            Refusal::WrongState { .. }
            | Refusal::WrongTransactionState { .. }
            | Refusal::NotYoursToReport { .. }
            | Refusal::Leased { .. }
            | Refusal::ReturnClosed { .. } => No::new(409, text),
            Refusal::NotRefundable { .. }
            | Refusal::DestinationNotAvailable { .. }
            | Refusal::ExecutionNotAvailable { .. }
            | Refusal::WrongParent { .. }
            | Refusal::MoreThanAuthorized { .. }
            | Refusal::Credit(_) => No::invalid(at(), text),
        }
    }
}

/// The ledger calls it a kind.
fn type_of(parameter: String) -> String {
    if parameter == "kind" { "type".to_owned() } else { parameter }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::from(&refusal)
    }
}
