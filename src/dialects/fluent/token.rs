//! `/oauth/token`: an API key for tokens, as OAuth 2.0 has it (RFC 6749), in a form or in the query.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use serde::Serialize;

use crate::access::gate::{Admitted, Denied};
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::{JSON, Problem};
use crate::dialects::shared::tokens::{ACCESS_SECONDS, Tokens};
use crate::dialects::shared::{body, credential};

pub const PATH: &str = "/oauth/token";
const SCOPE: &str = "api";

#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    /// Of the access token.
    expires_in: i64,
    scope: &'static str,
    #[serde(rename = "Retailer_id")]
    retailer_id: i64,
}

/// Why there is no token, in OAuth's words.
struct Refused {
    status: u16,
    error: &'static str,
    description: String,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct RefusedView<'a> {
    error: &'a str,
    error_description: &'a str,
}

fn refused(status: u16, error: &'static str, description: impl Into<String>) -> Refused {
    Refused { status, error, description: description.into(), retry_after: None }
}

fn bad_client() -> Refused {
    refused(401, "invalid_client", "Bad client credentials")
}

fn bad_refresh() -> Refused {
    refused(400, "invalid_grant", "Invalid refresh token")
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        if problem.status >= 500 {
            return refused(500, "server_error", problem.detail);
        }
        refused(400, "invalid_request", problem.detail)
    }
}

pub fn route() -> MethodRouter<Desk> {
    post(async |State(desk): State<Desk>, request: Request| {
        let mut response = match exchange(&desk, request).await {
            Ok((admitted, tokens, refreshable)) => granted(&admitted, &tokens, refreshable),
            Err(refused) => answer_refused(&refused),
        };
        // RFC 6749, 5.1.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        response.extensions_mut().insert(Served(PATH));
        response
    })
}

fn granted(admitted: &Admitted, tokens: &Tokens, refreshable: bool) -> Response {
    let view = Granted {
        access_token: &tokens.access,
        token_type: "bearer",
        refresh_token: refreshable.then_some(&tokens.refresh),
        expires_in: ACCESS_SECONDS,
        scope: SCOPE,
        retailer_id: admitted.caller.merchant.0,
    };
    respond(200, serde_json::to_vec(&view).unwrap_or_default())
}

fn answer_refused(refused: &Refused) -> Response {
    let view = RefusedView { error: refused.error, error_description: &refused.description };
    let body = serde_json::to_vec(&view).unwrap_or_default();
    let mut response = respond(refused.status, body);
    if refused.status == 401 {
        let challenge = HeaderValue::from_static("Basic realm=\"refundry\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refused.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn respond(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The parameters, each of which may be given once.
struct Params(BTreeMap<String, String>);

impl Params {
    /// From the query and the body; clients use one or the other.
    async fn of(request: Request) -> Result<(HeaderMap, Params), Refused> {
        let (parts, body) = request.into_parts();
        let body = body::read(body).await?;
        let query = parts.uri.query().unwrap_or_default();
        let mut params = BTreeMap::new();
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(&body));
        for (name, value) in pairs {
            let (name, value) = (name.into_owned(), value.into_owned());
            if params.get(&name).is_some_and(|before| *before != value) {
                return Err(refused(400, "invalid_request", "A parameter is given twice."));
            }
            params.insert(name, value);
        }
        Ok((parts.headers, Params(params)))
    }

    /// What is empty is not given.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Who the client says that it is.
struct Client {
    id: String,
    secret: Option<String>,
}

impl Client {
    /// In the parameters, or as `Authorization: Basic`, where many libraries put it.
    fn of(headers: &HeaderMap, params: &Params) -> Result<Client, Refused> {
        if let Some((id, secret)) = credential::basic_of(headers) {
            return Ok(Client { id, secret: Some(secret).filter(|secret| !secret.is_empty()) });
        }
        let id = params.get("client_id").ok_or_else(bad_client)?.to_owned();
        Ok(Client { id, secret: params.get("client_secret").map(str::to_owned) })
    }

    /// The client's id is the number of the merchant whose key it has.
    fn check(&self, admitted: &Admitted) -> Result<(), Refused> {
        if self.id == admitted.caller.merchant.to_string() { Ok(()) } else { Err(bad_client()) }
    }
}

type Exchanged = (Arc<Admitted>, Tokens, bool);

async fn exchange(desk: &Desk, request: Request) -> Result<Exchanged, Refused> {
    let (headers, params) = Params::of(request).await?;
    let scopes = params.get("scope").unwrap_or(SCOPE);
    if scopes.split(' ').any(|scope| scope != SCOPE) {
        return Err(refused(400, "invalid_scope", "The only scope is api."));
    }
    let Some(grant) = params.get("grant_type") else {
        return Err(refused(400, "invalid_request", "Missing grant type"));
    };
    let (admitted, refreshable) = match grant {
        "password" => (log_in(desk, &headers, &params).await?, true),
        "client_credentials" => (log_in(desk, &headers, &params).await?, false),
        "refresh_token" => (refresh(desk, &headers, &params).await?, true),
        other => {
            let name: String = other.chars().filter(|c| !c.is_control()).take(100).collect();
            let text = format!("Unsupported grant type: {name}");
            return Err(refused(400, "unsupported_grant_type", text));
        }
    };
    let tokens = desk.tokens(&admitted).await.map_err(|denied| no(denied, bad_client()))?;
    Ok((admitted, tokens, refreshable))
}

/// By the key as the client's secret, as the user's password, or as both.
async fn log_in(
    desk: &Desk,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Arc<Admitted>, Refused> {
    let client = Client::of(headers, params)?;
    let bad_user = || refused(400, "invalid_grant", "Bad credentials");
    let (secret, wrong) = match (client.secret.as_deref(), params.get("password")) {
        (Some(secret), Some(password)) if secret != password => return Err(bad_user()),
        (Some(secret), _) => (secret, bad_client()),
        (None, Some(password)) => (password, bad_user()),
        (None, None) => return Err(bad_client()),
    };
    let admitted = admit(desk, secret, wrong).await?;
    client.check(&admitted)?;
    Ok(admitted)
}

async fn admit(desk: &Desk, secret: &str, wrong: Refused) -> Result<Arc<Admitted>, Refused> {
    let admitted = desk.admit_secret(secret).await;
    let (admitted, standing) = admitted.map_err(|denied| no(denied, wrong))?;
    if standing.allowed { Ok(admitted) } else { Err(too_many(standing.reset_seconds)) }
}

/// Everything is looked at before the token is used up, so that a mistake does not cost it.
async fn refresh(
    desk: &Desk,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Arc<Admitted>, Refused> {
    let client = Client::of(headers, params)?;
    let Some(token) = params.get("refresh_token") else {
        return Err(refused(400, "invalid_request", "Missing refresh token"));
    };
    let found = desk.whose_refresh(token).await;
    let admitted = found.map_err(|denied| no(denied, bad_refresh()))?;
    client.check(&admitted)?;
    if let Some(secret) = &client.secret {
        let of_secret = admit(desk, secret, bad_client()).await?;
        if of_secret.caller.key != admitted.caller.key {
            return Err(bad_refresh());
        }
    }
    desk.redeem(token).await.map_err(|denied| no(denied, bad_refresh()))?;
    Ok(admitted)
}

fn no(denied: Denied, wrong: Refused) -> Refused {
    match denied {
        Denied::Unknown => wrong,
        Denied::Busy => too_many(1),
        Denied::Store(error) => Problem::from(error).into(),
    }
}

fn too_many(seconds: u64) -> Refused {
    let text = "The API key makes more requests than it may; slow down.";
    Refused { retry_after: Some(seconds), ..refused(429, "temporarily_unavailable", text) }
}
