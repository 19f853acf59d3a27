//! One look at a page: who looks, at what, and how it is answered.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use refundry_domain::ids::Timestamp;

use super::Console;
use super::query::{Query, href};
use super::route::Entry;
use super::say::Say;
use super::session::{self, Rules, Session};
use super::shell::{self, Shell};
use crate::access::gate::{Admitted, Denied};
use crate::access::links::LinkError;
use crate::dialects::Served;
use crate::dialects::shared::body;
use crate::dialects::shared::problem::Problem;
use crate::dialects::shared::right::{Reads, Right, Scoped};
use crate::ledger::Fault;
use crate::store::{EventFilter, Page, StoreError};

/// Nothing is loaded from elsewhere, framed, or written into a page; forms go to ourselves.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const THEME: &str = "refundry_theme";
/// What the script says of looks that nobody takes: they do not keep a session alive.
const UNATTENDED: &str = "x-refundry-unattended";

/// Why a page cannot be shown, in words for whoever looks.
#[derive(Debug)]
pub struct Trouble {
    pub status: u16,
    pub title: String,
    pub detail: String,
}

impl Trouble {
    pub fn new(status: u16, title: &str, detail: impl Into<String>) -> Trouble {
        Trouble { status, title: title.to_owned(), detail: detail.into() }
    }

    pub fn missing(what: &str) -> Trouble {
        let detail = "It may never have been there, or belong to another merchant.";
        Trouble::new(404, &format!("There is no such {what}"), detail)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::new(problem.status, problem.title, problem.detail)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Problem::from(error).into()
    }
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Trouble {
        match error {
            LinkError::Store(error) => error.into(),
            error @ (LinkError::Seal(_) | LinkError::NoRandomness(_)) => {
                tracing::error!(%error, "a link for bank details cannot be made");
                Trouble::new(500, "A fault of the server", "The link could not be made.")
            }
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Problem::from(fault).into()
    }
}

/// Somebody signed in, and what they ask for.
#[derive(Clone)]
pub struct Visit {
    pub console: Console,
    pub session: Session,
    pub query: Query,
    /// What was sent; empty for a look.
    pub form: Query,
    pub say: Say,
    pub method: Method,
    /// The number of the newest event before anything was read for the page: what came after it is
    /// news. `None` when nothing keeps the page up to date.
    pub seen: Option<i64>,
    admitted: Arc<Admitted>,
    /// Path and query.
    address: String,
    merchant: String,
    theme: &'static str,
    headers: HeaderMap,
}

impl Visit {
    pub fn right<S: Scoped>(&self) -> Result<Right<S>, Trouble> {
        Right::claim(self.console.desk.clone(), self.admitted.clone()).map_err(|problem| {
            let title = "Your key does not allow this";
            Trouble::new(problem.status, title, problem.detail)
        })
    }

    pub fn now(&self) -> Timestamp {
        self.console.desk.now()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or_default()
    }

    /// What stands at a place of the path: `/console/orders/{1}/{2}`.
    pub fn segment(&self, place: usize) -> &str {
        self.path().split('/').nth(place + 2).unwrap_or_default()
    }

    /// The number in an id such as `ord_12` that stands first after the page's name.
    pub fn id(&self, prefix: &str) -> Option<i64> {
        id(self.segment(1), prefix)
    }

    /// The same list from its first row, or from the one after a cursor.
    pub fn beginning_at(&self, cursor: Option<&str>) -> Visit {
        let query = self.query.changed(&[("after", cursor), ("before", None)]);
        Visit { query, ..self.clone() }
    }

    /// Whether whoever began this may still go on with it: a key may have been revoked meanwhile, and
    /// a server that stops begins nothing more.
    pub async fn look_again(&mut self) -> Result<(), Trouble> {
        let Session { merchant, key, mark, .. } = self.session;
        let ended = |why: &str| Trouble::new(403, "It was ended before its end", why);
        if *self.right::<Reads>()?.stopping().borrow() {
            return Err(ended("The server is stopping."));
        }
        self.admitted = match self.console.desk.admit_session(merchant, key, mark).await {
            Ok((admitted, _)) => admitted,
            Err(Denied::Unknown) => return Err(ended("The key was revoked.")),
            Err(Denied::Busy) => return Err(busy()),
            Err(Denied::Store(error)) => return Err(error.into()),
        };
        Ok(())
    }

    pub fn shell(&self, title: &str) -> Result<Shell, Trouble> {
        let mut shell = Shell::bare(title, self.theme, self.address.clone());
        shell.merchant.clone_from(&self.merchant);
        shell.token = self.session.token();
        shell.once = session::once().map_err(|_| no_randomness())?;
        shell.seen = self.seen;
        shell.done = shell::done(self.query.text("done"));
        self.query.written("q").clone_into(&mut shell.search);
        self.say.zone_name().clone_into(&mut shell.zone);
        Ok(shell.for_caller(&self.admitted.caller))
    }
}

pub fn no_randomness() -> Trouble {
    Trouble::new(500, "A fault of the server", "The system has no randomness to give.")
}

/// The number of an id, or a bare number.
pub fn id(text: &str, prefix: &str) -> Option<i64> {
    let digits = text.strip_prefix(prefix).unwrap_or(text);
    let plain =
        (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number > 0)
}

/// Somebody who may not be signed in.
pub struct Stranger {
    pub console: Console,
    pub parts: Parts,
    pub query: Query,
    pub form: Query,
    pub theme: &'static str,
}

/// Mounts a page for those who are signed in.
pub fn serve<F, H>(entry: &'static Entry, handler: F) -> MethodRouter<Console>
where
    F: Fn(Visit) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Result<Response, Trouble>> + Send + 'static,
{
    on(filter(entry), move |State(console): State<Console>, request: Request| {
        let handler = handler.clone();
        async move {
            let secure = is_secure(request.headers(), console.rules);
            let unattended = request.headers().contains_key(UNATTENDED);
            let mut response = match enter(console.clone(), entry, request).await {
                Err(response) => *response,
                Ok(visit) => {
                    let (now, rules) = (visit.now(), console.rules);
                    let renewed = visit.session.looked(now, rules).filter(|_| !unattended);
                    let around = visit.shell("");
                    let mut response = match handler(visit).await {
                        Ok(response) => response,
                        Err(trouble) => shown_trouble(around, &trouble),
                    };
                    let sealed = renewed.and_then(|it| it.seal(console.desk.sealer()).ok());
                    if let Some(sealed) = sealed
                        && !response.headers().contains_key(SET_COOKIE)
                    {
                        keep(&mut response, session::COOKIE, &sealed, None, secure);
                    }
                    response
                }
            };
            guard(&mut response, entry);
            response
        }
    })
}

/// Mounts a page for anybody.
pub fn serve_open<F, H>(entry: &'static Entry, handler: F) -> MethodRouter<Console>
where
    F: Fn(Stranger) -> H + Clone + Send + Sync + 'static,
    H: Future<Output = Result<Response, Trouble>> + Send + 'static,
{
    on(filter(entry), move |State(console): State<Console>, request: Request| {
        let handler = handler.clone();
        async move {
            let theme = theme(request.headers());
            let answered = async {
                let (parts, form) = received(request).await?;
                let query = Query::parse(parts.uri.query().unwrap_or_default().as_bytes());
                handler(Stranger { console, parts, query, form, theme }).await
            };
            let mut response = answered.await.unwrap_or_else(|trouble| {
                let shell = Shell::bare(&trouble.title, theme, entry.path.to_owned());
                shown_trouble(Ok(shell), &trouble)
            });
            guard(&mut response, entry);
            response
        }
    })
}

fn filter(entry: &Entry) -> MethodFilter {
    if entry.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET }
}

/// What was sent, if it comes from a page of ours.
async fn received(request: Request) -> Result<(Parts, Query), Trouble> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Ok((parts, Query::default()));
    }
    let site = parts.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let ours = match site {
        Some(site) => site == "same-origin" || site == "none",
        // Browsers leave it out on plain HTTP.
        None => is_of_this_host(&parts.headers),
    };
    if !ours {
        return Err(foreign());
    }
    body::check_type(&parts.headers, &["application/x-www-form-urlencoded"])?;
    let bytes = body::read(body).await?;
    Ok((parts, Query::parse(&bytes)))
}

/// Whether the page that sent this, if it says where it is from, is one of the host that was asked.
fn is_of_this_host(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    }
}

fn foreign() -> Trouble {
    let detail = "The form was not sent from a page of this session. Nothing was done. Open the \
                  page again and send it from there.";
    Trouble::new(403, "This form was refused", detail)
}

/// Lets somebody in, or answers where to sign in.
async fn enter(
    console: Console,
    entry: &'static Entry,
    request: Request,
) -> Result<Visit, Box<Response>> {
    let theme = theme(request.headers());
    let address = request.uri().path_and_query().map_or("/console", |all| all.as_str()).to_owned();
    let bare = |title: &str| Ok(Shell::bare(title, theme, address.clone()));
    let fail = |trouble: Trouble| Box::new(shown_trouble(bare(&trouble.title), &trouble));
    let is_look = request.method() != Method::POST;
    let away = |why: &str| Box::new(to_login(&address, is_look, why));
    let Some(text) = cookie(request.headers(), session::COOKIE) else { return Err(away("")) };
    let opened = Session::open(text, console.desk.sealer());
    let Some(session) = opened.filter(|it| it.lives(console.desk.now(), console.rules)) else {
        return Err(away("expired"));
    };
    let admitted = console.desk.admit_session(session.merchant, session.key, session.mark).await;
    let (admitted, standing) = match admitted {
        Ok(admitted) => admitted,
        Err(Denied::Unknown) => return Err(away("revoked")),
        Err(Denied::Busy) => return Err(fail(busy())),
        Err(Denied::Store(error)) => return Err(fail(error.into())),
    };
    if !standing.allowed {
        return Err(fail(busy()));
    }
    let merchant = console.desk.merchant(session.merchant).await.map_err(|e| fail(e.into()))?;
    let merchant = merchant.ok_or_else(|| fail(Trouble::missing("merchant")))?;
    let (parts, form) = received(request).await.map_err(fail)?;
    let mut visit = Visit {
        seen: None,
        say: Say::in_zone(&merchant.settings.time_zone),
        query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        method: parts.method,
        headers: parts.headers,
        merchant: merchant.name,
        console,
        session,
        form,
        admitted,
        address: address.clone(),
        theme,
    };
    let refused = |trouble: Trouble| Box::new(shown_trouble(visit.shell(""), &trouble));
    if !entry.needs.iter().any(|scope| visit.admitted.caller.may(*scope)) {
        let names: Vec<&str> = entry.needs.iter().map(|scope| scope.name()).collect();
        let detail = format!("It lacks the scope {}. Nothing was done.", names.join(" or "));
        return Err(refused(Trouble::new(403, "Your key does not allow this", detail)));
    }
    if visit.method == Method::POST && !visit.session.is_token(visit.form.written("token")) {
        return Err(refused(foreign()));
    }
    if visit.method == Method::GET
        && let Ok(right) = visit.right::<Reads>()
    {
        visit.seen = Some(newest(&right).await.map_err(|e| refused(e.into()))?);
    }
    Ok(visit)
}

/// The number of the merchant's newest event; 0 before the first.
async fn newest(right: &Right<Reads>) -> Result<i64, StoreError> {
    let page = Page { after: None, before: None, limit: 1, oldest_first: false };
    let slice = right.events(EventFilter::default(), page).await?;
    Ok(slice.rows.first().map_or(0, |event| event.id.0))
}

fn busy() -> Trouble {
    Trouble::new(429, "Too many requests", "This key asks more often than it may. Wait a moment.")
}

fn to_login(address: &str, is_look: bool, why: &str) -> Response {
    // What was sent is gone; the page that it was sent from is where to begin again.
    let next = if is_look { address } else { "/console" };
    let mut fields = Vec::new();
    if next != "/console" {
        fields.push(("next", next));
    }
    if !why.is_empty() {
        fields.push(("why", why));
    }
    redirect(&href("/console/login", &fields))
}

fn shown_trouble(shell: Result<Shell, Trouble>, trouble: &Trouble) -> Response {
    let mut shell = shell.unwrap_or_else(|_| Shell::bare(&trouble.title, "auto", String::new()));
    shell.title.clone_from(&trouble.title);
    let page = super::pages::TroublePage { shell: &shell, trouble };
    let status = trouble.status;
    html(status, &page).unwrap_or_else(|_| {
        let mut plain = Response::new(Body::from("The page could not be drawn.\n"));
        *plain.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        plain
    })
}

/// A page.
pub fn html(status: u16, page: &impl Template) -> Result<Response, Trouble> {
    let text = page.render().map_err(|error| {
        tracing::error!(%error, "a page could not be drawn");
        Trouble::new(500, "A fault of the server", "The page could not be drawn.")
    })?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if status == 429 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Ok(response)
}

/// Go there and look.
pub fn redirect(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let place = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/console"));
    response.headers_mut().insert(LOCATION, place);
    response
}

/// To a page, which says what was done.
pub fn redirect_done(path: &str, word: &str) -> Response {
    redirect(&href(path, &[("done", word)]))
}

fn guard(response: &mut Response, entry: &Entry) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("vary", "cookie"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response.extensions_mut().insert(Served(entry.path));
}

/// A cookie that only we read and no other site sends along with a form. Without an age it ends
/// with the browser.
pub fn keep(response: &mut Response, name: &str, value: &str, age: Option<u32>, secure: bool) {
    let age = age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/console; HttpOnly; SameSite=Lax{age}{secure}");
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Whether the browser speaks TLS: the operator or whoever stands before us says so.
pub fn is_secure(headers: &HeaderMap, rules: Rules) -> bool {
    let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    // The first of several proxies is the one that the browser speaks with.
    let proxied = said.and_then(|all| all.split(',').next());
    rules.secure || proxied.is_some_and(|first| first.trim() == "https")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

fn theme(headers: &HeaderMap) -> &'static str {
    match cookie(headers, THEME) {
        Some("light") => "light",
        Some("dark") => "dark",
        Some(_) | None => "auto",
    }
}

/// Remembers how bright the pages are to be.
pub fn keep_theme(response: &mut Response, theme: &str, secure: bool) {
    const YEAR: u32 = 365 * 24 * 60 * 60;
    let age = if theme == "auto" { 0 } else { YEAR };
    keep(response, THEME, theme, Some(age), secure);
}
