//! The older API: `/api/?gate=refunds/{method}/{version}/{soap, soap/wsdl, json}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{OriginalUri, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode};
use axum::response::Response;
use refundry_domain::ids::KeyId;

use super::answer::{self, Out, Reply};
use super::method::{Gives, Method};
use super::refusals::{Coded, FAILED, Trouble};
use super::soap::{self, Fault};
use super::wire::{Group, Value};
use super::{Repeat, rest, source, wsdl};
use crate::access::gate::{Admitted, Denied};
use crate::dialects::Served;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::replay::{self, Once};
use crate::dialects::shared::{body, credential};

const ROUTE: &str = "/api/?gate={gate}/{method}/{version}/{form}";
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");
/// The fault of a login that failed.
const LOGIN_FAILED: u16 = 1;
/// The login that goes with an access token in place of a key of the day.
const TOKEN_LOGIN: &str = "oauth_authorization";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Soap,
    Wsdl,
    Json,
}

/// What the query asks for: the form, and the method with the gate's text when there is one.
struct Gate {
    form: Form,
    method: Option<Method>,
    text: String,
}

impl Gate {
    fn of(parts: &Parts) -> Option<Gate> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok()?;
        let mut named = pairs.into_iter().filter(|(name, _)| name == "gate");
        let ((_, text), None) = (named.next()?, named.next()) else { return None };
        let segments: Vec<&str> = text.split('/').collect();
        let (form, head) = match segments.as_slice() {
            [head @ .., "soap"] => (Form::Soap, head),
            [head @ .., "soap", "wsdl"] => (Form::Wsdl, head),
            [head @ .., "json"] => (Form::Json, head),
            _ => return None,
        };
        let method = match head {
            ["refunds", name, version] if source::digits::<u32>(version).is_some() => {
                Method::parse(name)
            }
            _ => None,
        };
        let text = text.strip_suffix("/wsdl").map(str::to_owned).unwrap_or(text);
        Some(Gate { form, method, text })
    }
}

pub async fn serve(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match Gate::of(&parts) {
        None => rest::problem_response(&Problem::not_found()),
        Some(gate) => match (gate.form, gate.method) {
            (Form::Wsdl, Some(method)) => describe(&parts, &gate, method),
            (Form::Soap, Some(method)) => over_soap(&desk, method, &parts, body).await,
            (Form::Json, Some(method)) => over_json(&desk, method, &parts, body).await,
            (Form::Wsdl | Form::Soap, None) => {
                xml(404, soap::fault(&Fault::client("There is no such gate or method.")))
            }
            (Form::Json, None) => rest::problem_response(&Problem::not_found()),
        },
    };
    response.extensions_mut().insert(Served(ROUTE));
    response
}

fn xml(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, XML);
    response
}

fn describe(parts: &Parts, gate: &Gate, method: Method) -> Response {
    if parts.method != Verb::GET && parts.method != Verb::HEAD {
        let allow = Some(HeaderValue::from_static("GET"));
        return rest::problem_response(&Problem::method_not_allowed(allow));
    }
    xml(200, wsdl::document(method, &address(parts, &gate.text)))
}

/// Where the method answers, as the client has found this server.
fn address(parts: &Parts, gate: &str) -> String {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |text: &&str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte))
    };
    let host = header(HOST.as_str()).filter(plain).unwrap_or("localhost");
    let secure = header("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let scheme = if secure { "https" } else { "http" };
    let path = match parts.extensions.get::<OriginalUri>() {
        Some(OriginalUri(uri)) => uri.path(),
        None => parts.uri.path(),
    };
    format!("{scheme}://{host}{path}?gate={gate}")
}

/// Why a call of the older API got no answer of the method's own.
enum Refused {
    Login,
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Refused {
    fn from(trouble: T) -> Refused {
        Refused::Trouble(trouble.into())
    }
}

/// By the key's number and its key of the day, or by a key as an access token, in the body or in
/// the header.
async fn admit(desk: &Desk, headers: &HeaderMap, call: &Group) -> Result<Arc<Admitted>, Refused> {
    let authenticate = call.group("authenticate")?.cloned().unwrap_or_default();
    let login = authenticate.text("userLogin")?.or(authenticate.text("system_login")?);
    let given = authenticate.text("authenticateKey")?.or(authenticate.text("system_key")?);
    let admitted = match (login, given) {
        (Some(TOKEN_LOGIN), Some(token)) => desk.admit_secret(token).await,
        (Some(login), Some(given)) => {
            let id = login.strip_prefix("key_").unwrap_or(login);
            let id: i64 = source::digits(id).ok_or(Refused::Login)?;
            desk.admit_by_day(KeyId(id), given).await
        }
        (None, None) => {
            let secret = credential::authorization(headers).ok_or(Refused::Login)?;
            desk.admit_secret(&secret).await
        }
        (Some(_), None) | (None, Some(_)) => return Err(Refused::Login),
    };
    let (admitted, standing) = admitted.map_err(|denied| match denied {
        Denied::Unknown => Refused::Login,
        Denied::Busy | Denied::Store(_) => rest::denied(denied).into(),
    })?;
    rest::within_limit(standing)?;
    Ok(admitted)
}

async fn carry_out(
    desk: &Desk,
    method: Method,
    parts: &Parts,
    call: &Group,
    repeat: &mut Repeat,
) -> Result<Reply, Refused> {
    let admitted = admit(desk, &parts.headers, call).await?;
    let key = replay::key(&parts.headers)?;
    let params = call.group("params")?.cloned().unwrap_or_default();
    // Not the whole body: the key of the day in it is another one tomorrow.
    let (name, asked) = (method.name().as_bytes(), format!("{params:?}"));
    repeat.once = key.map(|key| Once::new(key, [b"LEGACY", name, b"", asked.as_bytes()]));
    Ok(super::answer(desk, &admitted, method, &params, repeat).await?)
}

/// The fault that is told in a normal answer; what is about the request or the server is none.
fn told(refused: Refused) -> Result<Coded, Problem> {
    match refused {
        Refused::Login => {
            let text = "The login has failed: wrong userLogin or authenticateKey.".to_owned();
            Ok(Coded { code: LOGIN_FAILED, text })
        }
        Refused::Trouble(Trouble::Coded(fault)) => Ok(fault),
        Refused::Trouble(Trouble::Format(text) | Trouble::Denied(text)) => {
            Ok(Coded { code: FAILED, text })
        }
        Refused::Trouble(Trouble::Problem(problem)) => Err(problem),
    }
}

async fn over_soap(desk: &Desk, method: Method, parts: &Parts, body: Body) -> Response {
    if parts.method != Verb::POST {
        let mut response = xml(405, soap::fault(&Fault::client("SOAP is sent with POST.")));
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(axum::http::header::ALLOW, post);
        return response;
    }
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(problem) => return soap_problem(&problem),
    };
    let call = match soap::read(&parts.headers, &bytes, method) {
        Ok(call) => call,
        Err(fault) => return xml(400, soap::fault(&fault)),
    };
    let mut repeat = Repeat::default();
    let mut response = match carry_out(desk, method, parts, &call, &mut repeat).await {
        Ok(reply) => xml(200, soap::answer(method, &reply)),
        Err(refused) => match told(refused) {
            Ok(fault) => xml(200, soap::refused(method, &fault)),
            Err(problem) => soap_problem(&problem),
        },
    };
    repeat.mark(&mut response);
    response
}

fn soap_problem(problem: &Problem) -> Response {
    let server = problem.status >= 500;
    let text = problem.detail.as_ref();
    let fault = if server { Fault::server(text) } else { Fault::client(text) };
    let mut response = xml(problem.status, soap::fault(&fault));
    for (name, value) in &problem.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

async fn over_json(desk: &Desk, method: Method, parts: &Parts, body: Body) -> Response {
    if parts.method != Verb::POST {
        let allow = Some(HeaderValue::from_static("POST"));
        return rest::problem_response(&Problem::method_not_allowed(allow));
    }
    let mut repeat = Repeat::default();
    let mut response = match json_exchange(desk, method, parts, body, &mut repeat).await {
        Ok(reply) => {
            let none = "\"errors\":{\"faultCode\":0,\"faultString\":\"\"}";
            rest::response(StatusCode::OK, answer::json(&reply, none))
        }
        Err(refused) => match told(refused) {
            Ok(fault) => {
                let list = matches!(method.gives(), Gives::Results(_));
                rest::response(StatusCode::OK, answer::fault_json(&fault, list))
            }
            Err(problem) => rest::problem_response(&problem),
        },
    };
    repeat.mark(&mut response);
    response
}

async fn json_exchange(
    desk: &Desk,
    method: Method,
    parts: &Parts,
    body: Body,
    repeat: &mut Repeat,
) -> Result<Reply, Refused> {
    let bytes = body::read(body).await?;
    let Value::Group(call) = body::parse(&bytes)? else {
        let detail = "The body has to be an object.";
        return Err(Problem::new(Code::JsonMalformed, detail).into());
    };
    carry_out(desk, method, parts, &call, repeat).await
}

/// What `errors` holds in an answer without one.
pub fn no_errors() -> [(&'static str, Out); 2] {
    [("faultCode", Out::Int(0)), ("faultString", Out::Text(String::new()))]
}
