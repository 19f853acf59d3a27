//! The methods over REST: `/api/admin/v{N}/refunds/{method}`, the same for every N.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::Repeat;
use super::answer::{self, fault_json, message_json};
use super::method::{Gives, Method};
use super::refusals::Trouble;
use super::wire::{Group, Value, is_digits, missing};
use crate::access::gate::{Admitted, Denied};
use crate::access::limits::Standing;
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::{Code, JSON, Problem};
use crate::dialects::shared::replay::{self, Once};
use crate::dialects::shared::{body, credential};

const ELSEWHERE: &str = "/api/admin/{version}/refunds/{method}";

pub async fn serve(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let method = method_of(parts.uri.path());
    let mut response = match method {
        None => problem_response(&Problem::not_found()),
        Some(method) if parts.method != method.verb() => {
            let allow = HeaderValue::from_str(method.verb().as_str()).ok();
            problem_response(&Problem::method_not_allowed(allow))
        }
        Some(method) => {
            let mut repeat = Repeat::default();
            let mut response = match exchange(&desk, method, &parts, body, &mut repeat).await {
                Ok(body) => response(StatusCode::OK, body),
                Err(trouble) => refused(method, &trouble),
            };
            repeat.mark(&mut response);
            response
        }
    };
    response.extensions_mut().insert(Served(method.map_or(ELSEWHERE, Method::route)));
    response
}

/// The method that the path names, of any version.
fn method_of(path: &str) -> Option<Method> {
    let mut segments = path.rsplit('/');
    let (name, _refunds, version) = (segments.next()?, segments.next()?, segments.next()?);
    let number = version.strip_prefix('v')?;
    Method::parse(name).filter(|_| is_digits(number) && number.len() <= 9)
}

async fn exchange(
    desk: &Desk,
    method: Method,
    parts: &Parts,
    body: Body,
    repeat: &mut Repeat,
) -> Result<Vec<u8>, Trouble> {
    let admitted = admit(desk, &parts.headers).await?;
    let key = replay::key(&parts.headers)?;
    let bytes = body::read(body).await?;
    let params = if method.reads() { Group::of_query(&parts.uri)? } else { params_of(&bytes)? };
    let name = method.name().as_bytes();
    repeat.once = key.map(|key| Once::new(key, [b"POST", name, b"", &bytes]));
    let reply = super::answer(desk, &admitted, method, &params, repeat).await?;
    Ok(answer::json(&reply, ""))
}

/// The fields in the body's wrapper.
fn params_of(bytes: &[u8]) -> Result<Group, Trouble> {
    let Value::Group(whole) = body::parse(bytes)? else {
        return Err(Trouble::Format("The body has to be an object.".to_owned()));
    };
    whole.group("params")?.cloned().ok_or_else(|| missing("params"))
}

/// By the key in `X-API-KEY` or as a Bearer token.
async fn admit(desk: &Desk, headers: &HeaderMap) -> Result<Arc<Admitted>, Trouble> {
    let mut keys = headers.get_all("x-api-key").iter();
    let secret = match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_str().ok().map(std::borrow::Cow::Borrowed),
        (Some(_), Some(_)) => None,
        (None, _) => credential::authorization(headers),
    };
    let Some(secret) = secret else {
        let detail = "Send your API key as X-API-KEY or as Authorization: Bearer.";
        return Err(Problem::unauthorized(Code::CredentialMissing, detail).into());
    };
    let (admitted, standing) = desk.admit_secret(&secret).await.map_err(denied)?;
    within_limit(standing)?;
    Ok(admitted)
}

pub fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Unknown => Problem::unauthorized(
            Code::CredentialInvalid,
            "There is no such API key, or it was revoked.",
        ),
        Denied::Busy => {
            Problem::new(Code::RateLimited, "Too many unknown API keys are being tried; try again.")
                .retry_after(1)
        }
        Denied::Store(error) => error.into(),
    }
}

pub fn within_limit(standing: Standing) -> Result<(), Problem> {
    if standing.allowed {
        return Ok(());
    }
    let detail = "The API key makes more requests than it may; slow down.";
    Err(Problem::new(Code::RateLimited, detail).retry_after(standing.reset_seconds))
}

pub fn response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refused(method: Method, trouble: &Trouble) -> Response {
    match trouble {
        Trouble::Coded(fault) => {
            let list = matches!(method.gives(), Gives::Results(_));
            response(StatusCode::MULTI_STATUS, fault_json(fault, list))
        }
        Trouble::Format(text) => message(StatusCode::UNPROCESSABLE_ENTITY, text),
        Trouble::Denied(text) => message(StatusCode::FORBIDDEN, text),
        Trouble::Problem(problem) => problem_response(problem),
    }
}

/// What is wrong before or around the method, with the statuses that the gate has.
pub fn problem_response(problem: &Problem) -> Response {
    let status = match problem.status {
        400 | 415 => 422,
        // Still under way: the gate has no 409, and clients wait as long as a 429 says.
        409 => 429,
        status => status,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = message(status, &problem.detail);
    for (name, value) in &problem.headers {
        if *name != ALLOW || status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

/// An error of HTTP: clients look for its text in `x-error` first, and then in the body.
fn message(status: StatusCode, text: &str) -> Response {
    let mut response = response(status, message_json(text));
    let line: String =
        text.chars().map(|c| if c.is_ascii() && !c.is_control() { c } else { '?' }).collect();
    if let Ok(value) = HeaderValue::from_str(&line) {
        response.headers_mut().insert(HeaderName::from_static("x-error"), value);
    }
    response
}
