//! One call: who asks, for what, and the answer around what a handler says.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusals::No;
use crate::access::gate::Admitted;
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::{JSON, Problem};
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::dialects::shared::{body, credential};

pub struct Call {
    /// What the path names, in its order.
    names: Vec<String>,
    pub uri: Uri,
    body: Body,
}

impl Call {
    /// The return's reference, which comes first in every path that names anything.
    pub fn return_id(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    pub fn transaction_id(&self) -> &str {
        self.names.get(1).map_or("", String::as_str)
    }

    pub async fn bytes(self) -> Result<Bytes, No> {
        Ok(body::read(self.body).await?)
    }

    pub async fn json<T: DeserializeOwned>(self) -> Result<T, No> {
        Ok(body::parse(&self.bytes().await?)?)
    }
}

/// What a handler is given of its caller's rights.
pub trait Granted: Sized {
    fn claim(desk: Desk, admitted: Arc<Admitted>) -> Result<Self, Problem>;
}

impl Granted for Right<Reads> {
    fn claim(desk: Desk, admitted: Arc<Admitted>) -> Result<Right<Reads>, Problem> {
        Right::claim(desk, admitted)
    }
}

/// To change a return's transactions: what is there has to be looked at.
pub struct Changes {
    pub reads: Right<Reads>,
    pub writes: Right<Writes>,
}

impl Granted for Changes {
    fn claim(desk: Desk, admitted: Arc<Admitted>) -> Result<Changes, Problem> {
        let reads = Right::claim(desk.clone(), admitted.clone())?;
        Ok(Changes { reads, writes: Right::claim(desk, admitted)? })
    }
}

pub type Answered = Result<Response, No>;

/// Mounts a handler: lets the caller in by its token and claims the handler's right.
pub fn serve<R, F, H>(method: MethodFilter, route: &'static str, handler: F) -> MethodRouter<Desk>
where
    R: Granted + Send,
    F: Fn(R, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Answered> + Send + 'static,
{
    on(method, move |State(desk): State<Desk>, request: Request| {
        let handler = handler.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let answered = match admit(desk, &parts.headers).await {
                Ok(right) => {
                    let named = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
                    let names = named.iter().flat_map(|named| named.iter());
                    let names = names.map(|(_, value)| value.to_owned()).collect();
                    handler(right, Call { names, uri: parts.uri, body }).await
                }
                Err(no) => Err(no),
            };
            served(route, answered)
        }
    })
}

pub fn served(route: &'static str, answered: Answered) -> Response {
    let mut response = answered.unwrap_or_else(No::into_response);
    response.extensions_mut().insert(Served(route));
    response
}

pub async fn not_allowed() -> Response {
    No::new(405, "This address does not take the method.").into_response()
}

async fn admit<R: Granted>(desk: Desk, headers: &HeaderMap) -> Result<R, No> {
    let Some(token) = credential::authorization(headers) else {
        return Err(No::unauthorized("Send the token of /oauth/token as Authorization: Bearer."));
    };
    let (admitted, standing) = desk.admit_token(&token).await?;
    if !standing.allowed {
        return Err(No::too_many(standing.reset_seconds));
    }
    Ok(R::claim(desk, admitted)?)
}

/// A success: 200, for writes too.
pub fn ok(view: &impl Serialize) -> Response {
    raw(serde_json::to_vec(view).unwrap_or_default())
}

pub fn raw(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
