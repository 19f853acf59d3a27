//! One call: which key asks for which shop, and how often it may.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde::Serialize;

use super::refusals::No;
use crate::access::gate::Denied;
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::JSON;
use crate::dialects::shared::right::{Right, Scoped};

/// Calls a day of a key for which nothing else was said.
const PER_DAY: u32 = 2_000;

pub struct Call {
    /// What the path names.
    pub name: String,
    pub uri: Uri,
    pub body: Body,
}

pub type Answered = Result<Response, No>;

/// The one method of a path.
pub fn serve<S, F, H>(method: MethodFilter, path: &'static str, handler: F) -> MethodRouter<Desk>
where
    S: Scoped,
    F: Fn(Right<S>, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Answered> + Send + 'static,
{
    only(one(method, path, handler))
}

/// Refuses all other methods.
pub fn only(methods: MethodRouter<Desk>) -> MethodRouter<Desk> {
    methods.fallback(async || refused(&No::new(405, "The method is not allowed here.")))
}

/// Mounts a handler: lets the caller in, counts the call, and claims the handler's right.
pub fn one<S, F, H>(method: MethodFilter, path: &'static str, handler: F) -> MethodRouter<Desk>
where
    S: Scoped,
    F: Fn(Right<S>, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Answered> + Send + 'static,
{
    on(method, move |State(desk): State<Desk>, request: Request| {
        let handler = handler.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let answered = match admit(desk, &parts.headers).await {
                Ok(right) => {
                    let named = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
                    let name = named.as_ref().and_then(|params| params.iter().next());
                    let name = name.map(|(_, value)| value.to_owned()).unwrap_or_default();
                    handler(right, Call { name, uri: parts.uri, body }).await
                }
                Err(no) => Err(no),
            };
            let mut response = answered.unwrap_or_else(|no| refused(&no));
            response.extensions_mut().insert(Served(path));
            response
        }
    })
}

async fn admit<S: Scoped>(desk: Desk, headers: &HeaderMap) -> Result<Right<S>, No> {
    let mut keys = headers.get_all("x-api-key").iter();
    let (Some(key), None) = (keys.next().and_then(|key| key.to_str().ok()), keys.next()) else {
        return Err(No::new(401, "Send your API key as x-api-key."));
    };
    let (admitted, standing) = desk.admit_secret(key).await.map_err(|denied| match denied {
        Denied::Unknown => No::new(401, "There is no such API key, or it was revoked."),
        Denied::Busy => No::new(429, "Too many unknown keys are being tried; try again.")
            .with(RETRY_AFTER, HeaderValue::from(1)),
        Denied::Store(error) => error.into(),
    })?;
    let too_many = |what: &str, seconds: u64| {
        Err(No::new(429, format!("Too many requests: {what}."))
            .with(RETRY_AFTER, HeaderValue::from(seconds)))
    };
    if !standing.allowed {
        return too_many("the key's limit a second is used up", standing.reset_seconds);
    }
    if let Err(seconds) = desk.count_today(&admitted, PER_DAY) {
        return too_many("the key's limit a day is used up", seconds);
    }
    let right = Right::claim(desk, admitted)?;
    if let Some(name) = headers.get("x-shop-name") {
        check_shop(&right, name).await?;
    }
    Ok(right)
}

/// The shop by its name, which may stand in its platform's domain.
async fn check_shop<S: Scoped>(right: &Right<S>, name: &HeaderValue) -> Result<(), No> {
    let name = String::from_utf8_lossy(name.as_bytes()).to_lowercase();
    let shop = right.shop().await?.map(|shop| shop.name.to_lowercase()).unwrap_or_default();
    if name == shop || name.strip_suffix(".myshopify.com") == Some(shop.as_str()) {
        return Ok(());
    }
    Err(No::new(403, "The API key has no shop of this name."))
}

pub fn json(view: &impl Serialize) -> Response {
    respond(200, serde_json::to_vec(view).unwrap_or_default())
}

fn respond(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refused(no: &No) -> Response {
    let mut response = respond(no.status, no.body());
    for (name, value) in &no.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
