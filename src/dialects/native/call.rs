//! One call of an operation: what came, read as the route says, and the answer that goes back.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, on};
use bytes::Bytes;
use refundry_domain::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusals;
use super::route::Route;
use super::wire::words::{Numbered, id};
use crate::access::limits::Standing;
use crate::dialects::Served;
use crate::dialects::shared::body;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::problem::{JSON, PROBLEM_JSON, Problem};
use crate::dialects::shared::replay::{self, KeyRule, Once};
use crate::dialects::shared::right::{Right, Scoped};
use crate::ledger::Answered;
use crate::store::{Answer, Render};

/// What came in.
pub struct Call {
    pub route: &'static Route,
    pub parts: axum::http::request::Parts,
    pub body: Body,
}

/// A body that was read, and how often and whether it takes effect.
pub struct Read<T> {
    pub body: T,
    pub once: Option<Once>,
    pub dry_run: bool,
}

/// Mounts a handler: lets the caller in, counts the request against the key's quota, and claims
/// the right that the handler takes.
pub fn serve<S, F, H>(route: &'static Route, handler: F) -> MethodRouter<Desk>
where
    S: Scoped,
    F: Fn(Right<S>, Call) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    on(route.method.filter(), move |State(desk): State<Desk>, request: Request| {
        let handler = handler.clone();
        async move {
            let mut response = match desk.admit(request.headers()).await {
                Err(problem) => problem.into_response(),
                Ok((admitted, standing)) => {
                    let answered = if standing.allowed {
                        match Right::<S>::claim(desk, admitted) {
                            Ok(right) => {
                                let (parts, body) = request.into_parts();
                                handler(right, Call { route, parts, body }).await
                            }
                            Err(problem) => Err(problem),
                        }
                    } else {
                        Err(limited(standing))
                    };
                    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
                    say_limits(&mut response, standing);
                    response
                }
            };
            response.extensions_mut().insert(Served(route.path));
            response
        }
    })
}

fn limited(standing: Standing) -> Problem {
    use crate::dialects::shared::problem::Code;
    Problem::new(Code::RateLimited, "The API key makes more requests than it may; slow down.")
        .retry_after(standing.reset_seconds)
}

/// The fields of draft-ietf-httpapi-ratelimit-headers.
fn say_limits(response: &mut Response, standing: Standing) {
    let policy = format!("\"key\";q={};w={}", standing.quota, standing.window_seconds);
    let now = format!("\"key\";r={};t={}", standing.remaining, standing.reset_seconds);
    for (name, text) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

impl Call {
    /// What stands in the path where an id would, `/v1/gateways/{id}/…`.
    pub fn segment(&self) -> &str {
        self.parts.uri.path().split('/').nth(3).unwrap_or_default()
    }

    /// The id in the path, `/v1/orders/{id}/…`; `None` when no row can have it.
    pub fn id<T: Numbered>(&self) -> Option<T> {
        self.parts.uri.path().split('/').nth(3).and_then(id)
    }

    pub fn fields(&self) -> Result<Fields, Problem> {
        Fields::of(&self.parts.uri)
    }

    /// Reads a body that has to be there.
    pub async fn read<T: DeserializeOwned>(self) -> Result<Read<T>, Problem> {
        let (bytes, read) = self.take().await?;
        Ok(Read { body: body::parse(&bytes)?, once: read.once, dry_run: read.dry_run })
    }

    /// Reads a body that may be left out.
    pub async fn read_or_default<T: DeserializeOwned + Default>(self) -> Result<Read<T>, Problem> {
        let (bytes, read) = self.take().await?;
        let body = if bytes.is_empty() { T::default() } else { body::parse(&bytes)? };
        Ok(Read { body, once: read.once, dry_run: read.dry_run })
    }

    async fn take(self) -> Result<(Bytes, Read<()>), Problem> {
        let mut fields = self.fields()?;
        let dry_run = fields.flag("dry_run")?;
        fields.finish()?;
        let headers = &self.parts.headers;
        let key = match (self.route.key, replay::key(headers)?) {
            (KeyRule::Required, None) if !dry_run => return Err(replay::required()),
            (KeyRule::Refused, Some(_)) => return Err(replay::unsupported()),
            // What is not carried out needs no promise to be carried out once.
            (_, key) => key.filter(|_| !dry_run),
        };
        let bytes = body::read(self.body).await?;
        if !bytes.is_empty() {
            body::check_type(headers, &["application/json"])?;
        }
        let method = self.parts.method.as_str().as_bytes();
        let query = self.parts.uri.query().unwrap_or_default().as_bytes();
        let path = self.parts.uri.path().as_bytes();
        let once = key.map(|key| Once::new(key, [method, path, query, &bytes]));
        Ok((bytes, Read { body: (), once, dry_run }))
    }
}

/// An answer, or the problem; for claims, it is kept as it is.
pub fn rendered<T>(
    result: Result<&T, &Refusal>,
    status: u16,
    view: impl FnOnce(&T) -> Vec<u8>,
) -> Answer {
    match result {
        Ok(book) => Answer { status, body: view(book) },
        Err(refusal) => {
            let problem = refusals::problem(refusal);
            Answer { status: problem.status, body: problem.body() }
        }
    }
}

pub fn json(view: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(1024);
    // Only a map with keys that are no texts can fail to be written, and no view has one.
    let _ = serde_json::to_writer(&mut body, view);
    body
}

/// 200 with a view.
pub fn shown(view: &impl Serialize) -> Response {
    response(Answer { status: 200, body: json(view) })
}

/// 201 with a view.
pub fn created(view: &impl Serialize) -> Response {
    response(Answer { status: 201, body: json(view) })
}

/// The answer to a command, rendered by the same function whether or not it was kept.
pub fn answered<T>(
    answered: Answered<T>,
    render: Render<T>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let (mut answer, replayed) = match answered {
        Answered::Done { answer: Some(answer), .. }
        | Answered::Refused { answer: Some(answer), .. } => (answer, false),
        Answered::Done { book, answer: None } => (render(Ok(&book)), false),
        Answered::Refused { refusal, answer: None } => (render(Err(&refusal)), false),
        Answered::Replayed(answer) => (answer, true),
        Answered::KeyReused => return Err(replay::reused()),
    };
    if dry_run && answer.status == 201 {
        answer.status = 200;
    }
    let mut response = response(answer);
    if replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), yes);
    }
    Ok(response)
}

fn response(answer: Answer) -> Response {
    let kind = if answer.status < 400 { JSON } else { PROBLEM_JSON };
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A page of a list.
#[derive(Serialize)]
pub struct List<T> {
    pub data: Vec<T>,
    pub has_more: bool,
    pub next_cursor: Option<String>,
}

/// Shows a page; the cursor is the id of the row from which the list goes on.
pub fn listed<'a, R, T: Serialize, I: Numbered>(
    slice: &'a crate::store::Slice<R>,
    page: &crate::store::Page,
    view: impl Fn(&'a R) -> T,
    cursor: impl Fn(&R) -> I,
) -> Response {
    let next = crate::dialects::shared::paging::next_of(slice, page);
    shown(&List {
        data: slice.rows.iter().map(view).collect(),
        has_more: slice.more,
        next_cursor: next.map(|row| format!("{}{}", I::PREFIX, cursor(row).number())),
    })
}
