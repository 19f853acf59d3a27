//! One call: who asks, of which of the two APIs, and how it is answered.

use axum::body::Body;
use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use axum::response::Response;
use axum::routing::{MethodRouter, on};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::Route;
use super::refusals::No;
use crate::access::gate::Denied;
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::JSON;
use crate::dialects::shared::replay::{self, Once};
use crate::dialects::shared::right::{Right, Scoped};
use crate::dialects::shared::{body, credential};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Beyag,
    Card,
}

/// In which of the forms an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    Beyag,
    Card,
    /// The card API's version 3.
    Flat,
}

impl Voice {
    fn of(api: Api, headers: &HeaderMap) -> Voice {
        let version = headers.get("x-api-version").map(HeaderValue::as_bytes);
        match (api, version) {
            (Api::Beyag, _) => Voice::Beyag,
            (Api::Card, Some(b"3")) => Voice::Flat,
            (Api::Card, _) => Voice::Card,
        }
    }

    pub fn api(self) -> Api {
        match self {
            Voice::Beyag => Api::Beyag,
            Voice::Card | Voice::Flat => Api::Card,
        }
    }
}

pub struct Call {
    pub voice: Voice,
    /// What the path names, decoded; empty when it names nothing.
    pub name: String,
    /// The server as the client calls it, with the prefix that the dialect is called under.
    pub base: String,
    pub parts: request::Parts,
    body: Body,
}

/// A handler's answer: a status and a body, or the refusal.
pub type Answered = Result<Response, No>;

/// Mounts a handler: lets the caller in, counts the request, and claims the handler's right.
pub fn serve<S, F, H>(route: &'static Route, handler: F) -> MethodRouter<Desk>
where
    S: Scoped,
    F: Fn(Right<S>, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Answered> + Send + 'static,
{
    on(route.method, move |State(desk): State<Desk>, request: Request| {
        let handler = handler.clone();
        async move {
            let voice = Voice::of(route.api, request.headers());
            let answered = match admit(desk, request.headers()).await {
                Ok(right) => handler(right, Call::of(voice, request).await).await,
                Err(no) => Err(no),
            };
            let mut response = answered.unwrap_or_else(|no| refused(&no, voice));
            response.extensions_mut().insert(Served(route.path));
            response
        }
    })
}

async fn admit<S: Scoped>(desk: Desk, headers: &HeaderMap) -> Result<Right<S>, No> {
    let Some((shop, secret)) = credential::basic_of(headers) else {
        return Err(unauthorized());
    };
    let (admitted, standing) = desk.admit_secret(&secret).await.map_err(|denied| match denied {
        Denied::Unknown => unauthorized(),
        Denied::Busy => No::system(429, "Too many unknown keys are being tried; try again.")
            .with(RETRY_AFTER, HeaderValue::from(1)),
        Denied::Store(error) => error.into(),
    })?;
    if admitted.caller.merchant.to_string() != shop {
        return Err(unauthorized());
    }
    if !standing.allowed {
        let no = No::system(429, "The shop makes more requests than it may; slow down.");
        return Err(no.with(RETRY_AFTER, HeaderValue::from(standing.reset_seconds)));
    }
    Ok(Right::claim(desk, admitted)?)
}

fn unauthorized() -> No {
    let challenge = HeaderValue::from_static("Basic realm=\"refundry\"");
    No::system(401, "Unauthorized").with(WWW_AUTHENTICATE, challenge)
}

pub fn method_not_allowed(api: Api) -> Response {
    let voice = match api {
        Api::Beyag => Voice::Beyag,
        Api::Card => Voice::Card,
    };
    // Without an Allow field of its own, axum adds the right one.
    refused(&No::system(405, "The method is not one of those that are allowed here."), voice)
}

impl Call {
    async fn of(voice: Voice, request: Request) -> Call {
        let (mut parts, body) = request.into_parts();
        let named = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
        let name = named.as_ref().and_then(|params| params.iter().next());
        let name = name.map(|(_, value)| value.to_owned()).unwrap_or_default();
        Call { voice, name, base: base(&parts), parts, body }
    }

    /// The body, and the promise to answer the same request alike when it names itself.
    pub async fn read(&mut self, operation: &str) -> Result<(Bytes, Option<Once>), No> {
        let id = self.request_id()?.map(str::to_owned);
        let bytes = body::read(std::mem::take(&mut self.body)).await?;
        let voice: &[u8] = match self.voice {
            Voice::Beyag => b"beyag",
            Voice::Card => b"card",
            Voice::Flat => b"card 3",
        };
        let parts = [b"begateway".as_slice(), operation.as_bytes(), voice, &bytes];
        let once = id.map(|id| Once::new(&id, parts));
        Ok((bytes, once))
    }

    /// The client's own name of the request, under which it may repeat it.
    pub fn request_id(&self) -> Result<Option<&str>, No> {
        let mut values = self.parts.headers.get_all("requestid").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        if values.next().is_some() || !replay::is_key(text) {
            let rule = "RequestID is one text of 1 to 255 visible ASCII characters.";
            return Err(No::system(400, rule));
        }
        Ok(Some(text))
    }

    /// The shop's number and key, as the Basic scheme writes them.
    pub fn credentials(&self) -> Option<String> {
        let (shop, key) = credential::basic_of(&self.parts.headers)?;
        Some(STANDARD.encode(format!("{shop}:{key}")))
    }

    /// The same API's paths of the asynchronous variant.
    pub fn later(&self) -> String {
        let api = match self.voice.api() {
            Api::Beyag => "/beyag/async",
            Api::Card => "/async",
        };
        format!("{}{api}", self.base)
    }
}

fn base(parts: &request::Parts) -> String {
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST).unwrap_or("localhost");
    // Said by the proxy that ends the encryption; without one there is none.
    let secure = header(HeaderName::from_static("x-forwarded-proto")) == Some("https");
    let original = parts.extensions.get::<OriginalUri>().map(|uri| uri.0.path());
    let prefix = original.and_then(|path| path.strip_suffix(parts.uri.path())).unwrap_or_default();
    format!("{}://{host}{prefix}", if secure { "https" } else { "http" })
}

pub fn json(status: u16, view: &impl Serialize) -> Response {
    respond(status, serde_json::to_vec(view).unwrap_or_default())
}

pub fn respond(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refused(no: &No, voice: Voice) -> Response {
    let mut response = respond(no.status, no.body(voice));
    for (name, value) in &no.headers {
        if name != ALLOW {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

/// Says that the answer was given before.
pub fn replayed(mut response: Response) -> Response {
    let yes = HeaderValue::from_static("true");
    response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), yes);
    response
}
