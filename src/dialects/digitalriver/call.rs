//! One call: who asks, what came, and the answer that goes back.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use refundry_domain::book::Book;
use refundry_domain::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusals::No;
use crate::access::gate::Denied;
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::problem::{Code, JSON, Problem};
use crate::dialects::shared::replay::{self, Once};
use crate::dialects::shared::right::{Right, Scoped};
use crate::dialects::shared::{body, credential};
use crate::ledger;
use crate::store::{Answer, Render};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DR_REQUEST_ID: HeaderName = HeaderName::from_static("x-dr-requestid");
const VERSION: &str = "digitalriver-version";

pub struct Call {
    /// What the path names.
    pub name: String,
    pub parts: Parts,
    pub body: Body,
}

pub type Answered = Result<Response, No>;

/// The methods of one path.
pub struct Methods {
    path: &'static str,
    methods: MethodRouter<Desk>,
    allowed: Vec<&'static str>,
}

impl Methods {
    pub fn at(path: &'static str) -> Methods {
        Methods { path, methods: MethodRouter::new(), allowed: Vec::new() }
    }

    pub fn path(&self) -> &'static str {
        self.path
    }

    fn add(
        mut self,
        method: (MethodFilter, &'static str),
        make: impl FnOnce(At) -> MethodRouter<Desk>,
    ) -> Methods {
        self.allowed.push(method.1);
        let (filter, path) = (method.0, self.path);
        self.methods = self.methods.merge(make(At { filter, path }));
        self
    }

    pub fn get(self, make: impl FnOnce(At) -> MethodRouter<Desk>) -> Methods {
        self.add((MethodFilter::GET, "GET,HEAD"), make)
    }

    pub fn post(self, make: impl FnOnce(At) -> MethodRouter<Desk>) -> Methods {
        self.add((MethodFilter::POST, "POST"), make)
    }

    pub fn patch(self, make: impl FnOnce(At) -> MethodRouter<Desk>) -> Methods {
        self.add((MethodFilter::PATCH, "PATCH"), make)
    }

    pub fn delete(self, make: impl FnOnce(At) -> MethodRouter<Desk>) -> Methods {
        self.add((MethodFilter::DELETE, "DELETE"), make)
    }

    /// Every other method is refused in this API's words.
    pub fn done(self) -> MethodRouter<Desk> {
        let (path, allow) = (self.path, self.allowed.join(","));
        self.methods.fallback(async move |request: Request| {
            let mut no =
                No::from(Problem::new(Code::MethodNotAllowed, "The method is not allowed."));
            if let Ok(value) = HeaderValue::from_str(&allow) {
                no = no.with(ALLOW, value);
            }
            named(refused(&no), request.headers(), path)
        })
    }
}

/// Where a handler is mounted.
#[derive(Clone, Copy)]
pub struct At {
    filter: MethodFilter,
    path: &'static str,
}

/// Mounts a handler: lets the caller in, counts the call, and claims the handler's right.
pub fn serve<S, F, H>(at: At, handler: F) -> MethodRouter<Desk>
where
    S: Scoped,
    F: Fn(Right<S>, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Answered> + Send + 'static,
{
    on(at.filter, move |State(desk): State<Desk>, request: Request| {
        let handler = handler.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let headers = parts.headers.clone();
            let answered = match admit(desk, &headers).await {
                Ok(right) => {
                    let named = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
                    let name = named.as_ref().and_then(|params| params.iter().next());
                    let name = name.map(|(_, value)| value.to_owned()).unwrap_or_default();
                    handler(right, Call { name, parts, body }).await
                }
                Err(no) => Err(no),
            };
            named(answered.unwrap_or_else(|no| refused(&no)), &headers, at.path)
        }
    })
}

/// Says which request it was, in the field that this API has for it.
fn named(mut response: Response, headers: &HeaderMap, path: &'static str) -> Response {
    if let Some(id) = headers.get(REQUEST_ID) {
        response.headers_mut().insert(DR_REQUEST_ID, id.clone());
    }
    response.extensions_mut().insert(Served(path));
    response
}

async fn admit<S: Scoped>(desk: Desk, headers: &HeaderMap) -> Result<Right<S>, No> {
    let unknown = |code| Problem::unauthorized(code, "An authorization error has occurred.");
    let secret = credential::authorization(headers);
    let secret = secret.ok_or_else(|| unknown(Code::CredentialMissing))?;
    let (admitted, standing) = desk.admit_secret(&secret).await.map_err(|denied| match denied {
        Denied::Unknown => unknown(Code::CredentialInvalid),
        Denied::Busy => {
            Problem::new(Code::RateLimited, "Too many unknown API keys are being tried; try again.")
                .retry_after(1)
        }
        Denied::Store(error) => error.into(),
    })?;
    if !standing.allowed {
        let detail = "The API key makes more requests than it may; slow down.";
        let limited = Problem::new(Code::RateLimited, detail);
        return Err(limited.retry_after(standing.reset_seconds).into());
    }
    check_headers(headers)?;
    Ok(Right::claim(desk, admitted)?)
}

/// What the caller wants back is what there is: JSON, of a version that is a date.
fn check_headers(headers: &HeaderMap) -> Result<(), No> {
    let mut wanted = headers.get_all(ACCEPT).iter().peekable();
    if wanted.peek().is_some() && !wanted.any(takes_json) {
        return Err(No::new(406, "Only application/json can be answered."));
    }
    let Some(version) = headers.get(VERSION) else { return Ok(()) };
    let date = version.to_str().ok().and_then(|text| text.parse::<jiff::civil::Date>().ok());
    if date.is_none() {
        let text = "Expected a date such as 2021-12-13.";
        return Err(No::invalid("DigitalRiver-Version", text));
    }
    Ok(())
}

fn takes_json(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(',').any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        matches!(kind.to_ascii_lowercase().as_str(), "*/*" | "application/*" | "application/json")
    })
}

/// A body that was read, and under which key.
pub struct Read<T> {
    pub body: T,
    pub once: Option<Once>,
}

impl Call {
    pub fn fields(&self) -> Result<Fields, No> {
        Ok(Fields::of(&self.parts.uri)?)
    }

    /// Refuses every field of the query.
    pub fn no_fields(&self) -> Result<(), No> {
        Ok(self.fields()?.finish()?)
    }

    /// Reads a JSON body.
    pub async fn read<T: DeserializeOwned>(self) -> Result<Read<T>, No> {
        self.no_fields()?;
        let headers = &self.parts.headers;
        let key = replay::key(headers)?;
        let bytes = body::read(self.body).await?;
        body::check_type(headers, &["application/json"])?;
        let method = self.parts.method.as_str().as_bytes();
        let path = self.parts.uri.path().as_bytes();
        // Of this API, so that a key of another does not answer in its words.
        let once = key.map(|key| Once::new(key, [b"digitalriver", method, path, &bytes]));
        Ok(Read { body: body::parse(&bytes)?, once })
    }
}

pub fn json(view: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(view).unwrap_or_default()
}

/// 200 with a view.
pub fn shown(view: &impl Serialize) -> Response {
    respond(Answer { status: 200, body: json(view) })
}

pub fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refused(no: &No) -> Response {
    let mut response = respond(Answer { status: no.status, body: no.body() });
    for (name, value) in &no.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

/// An answer, or the error; for claims, it is kept as it is.
pub fn rendered(
    result: Result<&Book, &Refusal>,
    status: u16,
    view: impl FnOnce(&Book) -> Vec<u8>,
) -> Answer {
    match result {
        Ok(book) => Answer { status, body: view(book) },
        Err(refusal) => {
            let no = No::from(refusal);
            Answer { status: no.status, body: no.body() }
        }
    }
}

/// The answer to a command, rendered by the same function whether or not it was kept.
pub fn answered(answered: ledger::Answered, render: Render) -> Answered {
    use ledger::Answered::{Done, KeyReused, Refused, Replayed};
    let (answer, replayed) = match answered {
        Done { answer: Some(answer), .. } | Refused { answer: Some(answer), .. } => (answer, false),
        Done { book, answer: None } => (render(Ok(&book)), false),
        Refused { refusal, answer: None } => (render(Err(&refusal)), false),
        Replayed(answer) => (answer, true),
        KeyReused => return Err(replay::reused().into()),
    };
    let mut response = respond(answer);
    if replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), yes);
    }
    Ok(response)
}
