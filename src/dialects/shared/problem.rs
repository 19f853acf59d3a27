//! Problem details (RFC 9457): how a request is told that it was not carried out, and why.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::ledger::Fault;
use crate::store::StoreError;

/// What can be wrong with a request before any rule of money is asked, or with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    BodyTooLarge,
    BodyTimeout,
    JsonMalformed,
    JsonTooDeep,
    FieldUnknown,
    FieldMissing,
    FieldDuplicate,
    FieldInvalid,
    QueryInvalid,
    HeaderInvalid,
    CredentialMissing,
    CredentialInvalid,
    ScopeMissing,
    OperatorOnly,
    RateLimited,
    IdempotencyKeyRequired,
    IdempotencyKeyInvalid,
    IdempotencyKeyUnsupported,
    IdempotencyKeyReused,
    IdempotencyKeyInProgress,
    KeyNotFound,
    GatewayNotFound,
    GatewayExists,
    GatewayInUse,
    NotificationRefused,
    MerchantNotFound,
    EndpointNotFound,
    EndpointDisabled,
    TooManyEndpoints,
    DeliveryNotFound,
    Unavailable,
    WritesStopped,
    TimedOut,
    Internal,
}

impl Code {
    pub const ALL: [Code; 37] = [
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::UnsupportedMediaType,
        Code::BodyTooLarge,
        Code::BodyTimeout,
        Code::JsonMalformed,
        Code::JsonTooDeep,
        Code::FieldUnknown,
        Code::FieldMissing,
        Code::FieldDuplicate,
        Code::FieldInvalid,
        Code::QueryInvalid,
        Code::HeaderInvalid,
        Code::CredentialMissing,
        Code::CredentialInvalid,
        Code::ScopeMissing,
        Code::OperatorOnly,
        Code::RateLimited,
        Code::IdempotencyKeyRequired,
        Code::IdempotencyKeyInvalid,
        Code::IdempotencyKeyUnsupported,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyInProgress,
        Code::KeyNotFound,
        Code::GatewayNotFound,
        Code::GatewayExists,
        Code::GatewayInUse,
        Code::NotificationRefused,
        Code::MerchantNotFound,
        Code::EndpointNotFound,
        Code::EndpointDisabled,
        Code::TooManyEndpoints,
        Code::DeliveryNotFound,
        Code::Unavailable,
        Code::WritesStopped,
        Code::TimedOut,
        Code::Internal,
    ];

    /// The stable name, the status and the title.
    pub fn entry(self) -> (&'static str, u16, &'static str) {
        match self {
            Code::NotFound => ("not_found", 404, "Nothing here"),
            Code::MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed"),
            Code::UnsupportedMediaType => ("unsupported_media_type", 415, "Not JSON"),
            Code::BodyTooLarge => ("body_too_large", 413, "Body too large"),
            Code::BodyTimeout => ("body_timeout", 408, "Body came too slowly"),
            Code::JsonMalformed => ("json_malformed", 400, "Malformed JSON"),
            Code::JsonTooDeep => ("json_too_deep", 400, "JSON nested too deeply"),
            Code::FieldUnknown => ("field_unknown", 422, "Unknown field"),
            Code::FieldMissing => ("field_missing", 422, "Field missing"),
            Code::FieldDuplicate => ("field_duplicate", 422, "Field given twice"),
            Code::FieldInvalid => ("field_invalid", 422, "Field not as expected"),
            Code::QueryInvalid => ("query_invalid", 400, "Query not as expected"),
            Code::HeaderInvalid => ("header_invalid", 400, "Header not as expected"),
            Code::CredentialMissing => ("credential_missing", 401, "API key missing"),
            Code::CredentialInvalid => ("credential_invalid", 401, "API key not valid"),
            Code::ScopeMissing => ("scope_missing", 403, "Scope missing"),
            Code::OperatorOnly => ("operator_only", 403, "For the operator only"),
            Code::RateLimited => ("rate_limited", 429, "Too many requests"),
            Code::IdempotencyKeyRequired => {
                ("idempotency_key_required", 400, "Idempotency key required")
            }
            Code::IdempotencyKeyInvalid => {
                ("idempotency_key_invalid", 400, "Idempotency key not valid")
            }
            Code::IdempotencyKeyUnsupported => {
                ("idempotency_key_unsupported", 400, "No idempotency key here")
            }
            Code::IdempotencyKeyReused => {
                ("idempotency_key_reused", 422, "Idempotency key used for another request")
            }
            Code::IdempotencyKeyInProgress => {
                ("idempotency_key_in_progress", 409, "The first request still runs")
            }
            Code::KeyNotFound => ("key_not_found", 404, "No such API key"),
            Code::GatewayNotFound => ("gateway_not_found", 404, "No such gateway"),
            Code::GatewayExists => ("gateway_exists", 409, "Gateway connected already"),
            Code::GatewayInUse => ("gateway_in_use", 409, "Refunds are under way there"),
            Code::NotificationRefused => ("notification_refused", 401, "Notification not believed"),
            Code::MerchantNotFound => ("merchant_not_found", 404, "No such merchant"),
            Code::EndpointNotFound => {
                ("webhook_endpoint_not_found", 404, "No such webhook endpoint")
            }
            Code::EndpointDisabled => {
                ("webhook_endpoint_disabled", 409, "The webhook endpoint is disabled")
            }
            Code::TooManyEndpoints => {
                ("too_many_webhook_endpoints", 409, "Too many webhook endpoints")
            }
            Code::DeliveryNotFound => ("delivery_not_found", 404, "No such delivery"),
            Code::Unavailable => ("unavailable", 503, "Not available now"),
            Code::WritesStopped => ("writes_stopped", 503, "No writes are taken"),
            Code::TimedOut => ("timed_out", 503, "Took too long"),
            Code::Internal => ("internal", 500, "A fault of the server"),
        }
    }
}

/// Where in the request the trouble is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A JSON Pointer (RFC 6901) into the body; empty for the whole of it.
    Body(String),
    Query(String),
    Header(&'static str),
}

#[derive(Debug)]
pub struct Problem {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    pub detail: Cow<'static, str>,
    pub at: Option<At>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Problem {
        let (code, status, title) = code.entry();
        Problem { code, status, title, detail: detail.into(), at: None, headers: Vec::new() }
    }

    pub fn at(mut self, at: At) -> Problem {
        self.at = Some(at);
        self
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// A field of the body, named by its JSON Pointer.
    pub fn field(
        code: Code,
        pointer: impl Into<String>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Problem {
        Problem::new(code, detail).at(At::Body(pointer.into()))
    }

    pub fn query(name: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(Code::QueryInvalid, detail).at(At::Query(name.into()))
    }

    pub fn not_found() -> Problem {
        Problem::new(Code::NotFound, "There is nothing at this address; see /docs.")
    }

    /// 401, with the way to do it right.
    pub fn unauthorized(code: Code, detail: &'static str) -> Problem {
        let challenge = HeaderValue::from_static("Bearer realm=\"refundry\"");
        Problem::new(code, detail).with(WWW_AUTHENTICATE, challenge)
    }

    pub fn retry_after(self, seconds: u64) -> Problem {
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub fn method_not_allowed(allow: Option<HeaderValue>) -> Problem {
        let problem = Problem::new(
            Code::MethodNotAllowed,
            "The method is not one of those that the Allow field lists.",
        );
        match allow {
            Some(allow) => problem.with(ALLOW, allow),
            None => problem,
        }
    }

    /// The body as it goes over the wire.
    pub fn body(&self) -> Vec<u8> {
        let place = self.at.as_ref().map(|at| Place::of(at, &self.detail, self.code));
        let wire = Wire {
            kind: Kind(self.code),
            title: self.title,
            status: self.status,
            code: self.code,
            detail: &self.detail,
            errors: place.as_slice(),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

/// The body of every answer that is not a success, as `application/problem+json`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Wire<'a> {
    /// Where the problem is documented, relative to the server.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "/docs/errors#more_than_is_left")]
    kind: Kind<'a>,
    #[schema(example = "More than is left")]
    title: &'a str,
    #[schema(example = 422)]
    status: u16,
    /// The stable name of the problem; decide by this.
    #[schema(example = "more_than_is_left")]
    code: &'a str,
    /// What was wrong in this request and what to do, in words for people.
    detail: &'a str,
    /// Where in the request it is, when it is in one place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Place<'_>>)]
    errors: &'a [Place<'a>],
}

struct Kind<'a>(&'a str);

impl Serialize for Kind<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("/docs/errors#{}", self.0))
    }
}

/// One place in the request.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Place<'a> {
    /// A JSON Pointer (RFC 6901) into the body; empty for the whole of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/amount")]
    pointer: Option<&'a str>,
    /// The query field.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
    detail: &'a str,
    code: &'a str,
}

impl<'a> Place<'a> {
    fn of(at: &'a At, detail: &'a str, code: &'a str) -> Place<'a> {
        let (pointer, parameter, header) = match at {
            At::Body(pointer) => (Some(pointer.as_str()), None, None),
            At::Query(name) => (None, Some(name.as_str()), None),
            At::Header(name) => (None, None, Some(*name)),
        };
        Place { pointer, parameter, header, detail, code }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::error!(%error, "the store could not answer");
        match error {
            StoreError::Broken(_) => Problem::new(
                Code::WritesStopped,
                "A write has failed, so the server takes no more until an operator restarts it; \
                 whether this request was carried out is not known. Repeat it with the same key.",
            )
            .retry_after(30),
            StoreError::Doubtful(_) => Problem::new(
                Code::Unavailable,
                "The connection to the books broke; whether this request was carried out is not \
                 known. Repeat it with the same key.",
            )
            .retry_after(1),
            StoreError::Unavailable(_) => Problem::new(
                Code::Unavailable,
                "The books cannot be reached now; nothing was changed. Try again.",
            )
            .retry_after(1),
            StoreError::Damaged(_) => Problem::new(
                Code::Internal,
                "The books hold what this server does not understand; tell its operator.",
            ),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        match fault {
            Fault::InProgress => Problem::new(
                Code::IdempotencyKeyInProgress,
                "A request with this idempotency key is still being carried out; try again.",
            )
            .at(At::Header("Idempotency-Key"))
            .retry_after(1),
            Fault::Store(error) => error.into(),
        }
    }
}

pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
