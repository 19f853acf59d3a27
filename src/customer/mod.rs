//! The page, and the endpoint, where a customer says to which account a refund goes. Whoever has
//! the token may; nothing of it is cached, referred or logged.

mod page;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hashlink::LruCache;
use parking_lot::Mutex;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, RefundId, Timestamp};
use refundry_domain::merchant::{Merchant, Settings};
use refundry_domain::money::Money;
use refundry_domain::refund::{Refund, State as RefundState};
use serde::Deserialize;
use serde_json::{Value, json};

use self::page::Entered;
use self::words::Words;
use crate::access::Caller;
use crate::access::bank::{BankDetails, BankProblem};
use crate::access::limits::Limit;
use crate::access::links::Links;
use crate::access::secret;
use crate::clock::Clock;
use crate::dialects::shared::body;
use crate::dialects::{Peer, Served};
use crate::ledger::{Answered, Fault, Ledger};

const ROUTE: &str = "/bank-details/{token}";
/// How many tokens that were never right are looked up in a second, over all customers.
const GUESSES_PER_SECOND: u32 = 500;
/// How many of them one address may make; a proxy beside the server has everybody's.
const OWN_GUESSES_PER_SECOND: u32 = 20;
/// How often one link is used in a second; twice as often at once.
const USES_PER_SECOND: u32 = 2;
/// How many links in use are remembered, and how many addresses that guess.
const REMEMBERED: usize = 10_000;
/// No form of ours is as long.
const FORM_MOST: usize = 16 * 1024;

struct Desk {
    ledger: Arc<Ledger>,
    links: Arc<Links>,
    clock: Arc<dyn Clock>,
    guesses: Limit,
    /// How many guesses each address makes.
    guessers: Mutex<LruCache<IpAddr, Arc<Limit>>>,
    /// Of links that were right, how often each is used.
    known: Mutex<LruCache<[u8; 32], Arc<Limit>>>,
}

/// A link that is right, and what stands behind it.
struct Open {
    merchant: Merchant,
    refund: Refund,
    due: Timestamp,
}

/// What a customer is answered.
enum Said {
    Form { open: Box<Open>, entered: Entered },
    Done { last4: String },
    Gone,
    Unknown,
    Busy,
    Trouble,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    iban: String,
    account_holder: String,
    #[serde(default)]
    bic: Option<String>,
}

pub fn router(ledger: Arc<Ledger>, links: Arc<Links>, clock: Arc<dyn Clock>) -> Router {
    let guesses = Limit::new(GUESSES_PER_SECOND, clock.clone());
    let known = Mutex::new(LruCache::new(REMEMBERED));
    let guessers = Mutex::new(LruCache::new(REMEMBERED));
    let desk = Arc::new(Desk { ledger, links, clock, guesses, guessers, known });
    Router::new().route(ROUTE, get(show).post(take)).with_state(desk)
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let said = match desk.find(&token, from(&parts.extensions)).await {
        Ok(open) => desk.standing(open, Entered::default()),
        Err(said) => said,
    };
    answer(&parts.headers, &said)
}

/// The address that a request comes from, unless that is likely a proxy's: those stand beside the
/// server, and nobody is to be held up by others behind the same one.
fn from(extensions: &Extensions) -> Option<IpAddr> {
    let from = extensions.get::<Peer>()?.0.to_canonical();
    let is_near = match from {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    };
    (!is_near).then_some(from)
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let open = match desk.find(&token, from(&parts.extensions)).await {
        Ok(open) => open,
        Err(said) => return answer(&parts.headers, &said),
    };
    let Some(details) = read(&parts.headers, body).await else {
        return answer(&parts.headers, &Said::Trouble);
    };
    let said = desk.keep(open, details).await;
    if matches!(said, Said::Done { .. }) && !speaks_json(&parts.headers) {
        // A page that is loaded again must not send the form again.
        let place = parts.uri.path();
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(place) = HeaderValue::from_str(place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        return guarded(response);
    }
    answer(&parts.headers, &said)
}

/// A form of a browser, or JSON.
async fn read(headers: &HeaderMap, body: Body) -> Option<Details> {
    let bytes = body::read(body).await.ok().filter(|bytes| bytes.len() <= FORM_MOST)?;
    if body::check_type(headers, &["application/json"]).is_ok() {
        return serde_json::from_slice(&bytes).ok();
    }
    body::check_type(headers, &["application/x-www-form-urlencoded"]).ok()?;
    let mut details = Details::default();
    for (name, value) in form_urlencoded::parse(&bytes) {
        match &*name {
            "iban" => details.iban = value.into_owned(),
            "account_holder" => details.account_holder = value.into_owned(),
            "bic" => details.bic = Some(value.into_owned()),
            _ => {}
        }
    }
    Some(details)
}

impl Desk {
    /// Whether a token that was never right may be looked up. Who guesses too much uses up nothing
    /// of what others may.
    fn may_guess(&self, from: Option<IpAddr>) -> bool {
        let own = from.map(|from| {
            let mut guessers = self.guessers.lock();
            if let Some(limit) = guessers.get(&from) {
                return limit.clone();
            }
            let limit = Arc::new(Limit::new(OWN_GUESSES_PER_SECOND, self.clock.clone()));
            guessers.insert(from, limit.clone());
            limit
        });
        own.is_none_or(|own| own.take().allowed) && self.guesses.take().allowed
    }

    /// What stands behind a token. Guessing is slow: guesses are looked up so often a second and no
    /// more, by address and all together, and links that are in use are not held up by that.
    async fn find(&self, token: &str, from: Option<IpAddr>) -> Result<Open, Said> {
        if !secret::is_link_token(token) {
            return Err(Said::Unknown);
        }
        let digest = secret::hash(token);
        let known = self.known.lock().get(&digest).cloned();
        let allowed = match &known {
            Some(limit) => limit.take().allowed,
            None => self.may_guess(from),
        };
        if !allowed {
            return Err(Said::Busy);
        }
        let books = self.ledger.books();
        let found = books.link_by_digest(digest).await.map_err(|error| trouble(&error))?;
        let (merchant, refund, due) = found.ok_or(Said::Unknown)?;
        if known.is_none() {
            let limit = Arc::new(Limit::new(USES_PER_SECOND, self.clock.clone()));
            self.known.lock().insert(digest, limit);
        }
        self.open(merchant, refund, due).await
    }

    async fn open(
        &self,
        merchant: MerchantId,
        refund: RefundId,
        due: Timestamp,
    ) -> Result<Open, Said> {
        let books = self.ledger.books();
        let refund = books.refund(merchant, refund).await.map_err(|error| trouble(&error))?;
        let merchant = books.merchant(merchant).await.map_err(|error| trouble(&error))?;
        match (merchant, refund) {
            (Some(merchant), Some(refund)) => Ok(Open { merchant, refund, due }),
            (_, _) => Err(Said::Unknown),
        }
    }

    /// What the page shows of a refund as it is now.
    fn standing(&self, open: Open, entered: Entered) -> Said {
        let waits = open.refund.state == RefundState::RequiresInformation;
        let ours = open.refund.information_due == Some(open.due);
        if waits && ours && self.clock.now() < open.due {
            return Said::Form { open: Box::new(open), entered };
        }
        let called_off = matches!(open.refund.state, RefundState::Failed | RefundState::Canceled);
        let last4 = open.refund.information.as_deref().and_then(BankDetails::last4);
        match last4.filter(|_| !waits && !called_off) {
            Some(last4) => Said::Done { last4: last4.to_owned() },
            None => Said::Gone,
        }
    }

    async fn keep(&self, open: Open, given: Details) -> Said {
        let open = match self.standing(open, Entered::default()) {
            Said::Form { open, .. } => open,
            other @ (Said::Done { .. }
            | Said::Gone
            | Said::Unknown
            | Said::Busy
            | Said::Trouble) => {
                return other;
            }
        };
        let bic = given.bic.as_deref().filter(|bic| !bic.trim().is_empty());
        let details = match BankDetails::new(&given.iban, &given.account_holder, bic) {
            Ok(details) => details,
            Err(BankProblem { field, .. }) => {
                let short = |text: &str| text.chars().take(200).collect();
                let entered = Entered {
                    holder: short(&given.account_holder),
                    iban: short(&given.iban),
                    bic: short(given.bic.as_deref().unwrap_or_default()),
                    wrong: field,
                };
                return Said::Form { open, entered };
            }
        };
        let (merchant, refund) = (open.merchant.id, open.refund.id);
        let sealed = match details.seal(self.links.sealer(), merchant, refund) {
            Ok(sealed) => sealed,
            Err(error) => return trouble(&error),
        };
        let ledger = self.ledger.clone();
        let answers = Some(open.due);
        // Whoever hangs up does not stop it half way.
        let done = tokio::spawn(async move {
            let caller = Caller::internal(merchant, "customer");
            let give = Command::GiveInformation { sealed, answers };
            ledger.carry_out(&caller, Target::Refund(refund), give, None, false).await
        });
        match done.await {
            Ok(Ok(Answered::Done { book, .. })) => match book.refund {
                Some(refund) => self.standing(Open { refund, ..*open }, Entered::default()),
                None => Said::Gone,
            },
            // Somebody else was first: what stands is shown.
            Ok(Ok(Answered::Refused { .. })) => match self.open(merchant, refund, open.due).await {
                Ok(open) => self.standing(open, Entered::default()),
                Err(said) => said,
            },
            Ok(Ok(Answered::Replayed(_) | Answered::KeyReused)) => Said::Trouble,
            Ok(Err(Fault::InProgress)) => Said::Busy,
            Ok(Err(error @ Fault::Store(_))) => trouble(&error),
            Err(error) => trouble(&error),
        }
    }
}

fn trouble(error: &dyn std::fmt::Display) -> Said {
    tracing::warn!(%error, "a customer's bank details cannot be taken now");
    Said::Trouble
}

fn speaks_json(headers: &HeaderMap) -> bool {
    let said = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let accepts = said(header::ACCEPT).unwrap_or_default();
    let sends = said(header::CONTENT_TYPE).unwrap_or_default();
    sends.starts_with("application/json")
        || (accepts.contains("application/json") && !accepts.contains("text/html"))
}

fn answer(headers: &HeaderMap, said: &Said) -> Response {
    let status = match said {
        Said::Form { entered, .. } if !entered.wrong.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
        Said::Form { .. } | Said::Done { .. } => StatusCode::OK,
        Said::Gone => StatusCode::GONE,
        Said::Unknown => StatusCode::NOT_FOUND,
        Said::Busy => StatusCode::TOO_MANY_REQUESTS,
        Said::Trouble => StatusCode::SERVICE_UNAVAILABLE,
    };
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let words = words::spoken(accepted.unwrap_or_default());
    let (kind, text) = if speaks_json(headers) {
        ("application/json", document(words, said).to_string())
    } else {
        ("text/html; charset=utf-8", html(words, said))
    };
    let mut response = (status, text).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::VARY, HeaderValue::from_static("accept, accept-language, content-type"));
    if let Ok(lang) = HeaderValue::from_str(&words.lang) {
        fields.insert(header::CONTENT_LANGUAGE, lang);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    guarded(response)
}

/// Nothing of it is kept, framed, sniffed, or told to where a customer goes next.
fn guarded(mut response: Response) -> Response {
    let fields = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&page::POLICY) {
        fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response.extensions_mut().insert(Served(ROUTE));
    response
}

fn money(open: &Open) -> Money {
    Money::new(open.refund.amount, open.refund.currency)
}

/// The day, as the merchant's clocks have it.
fn day(open: &Open) -> String {
    let Settings { time_zone, .. } = &open.merchant.settings;
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(open.due.0).unwrap_or_default();
    zone.to_datetime(moment).date().to_string()
}

fn html(words: &Words, said: &Said) -> String {
    match said {
        Said::Form { open, entered } => {
            let amount = money(open);
            let figure = amount.to_string().replace('.', &words.decimal);
            let amount = format!("{figure} {}", amount.currency().code());
            let intro = words.intro.replace("{amount}", &amount);
            let intro = intro.replace("{merchant}", &open.merchant.name);
            let until = words.until.replace("{date}", &day(open));
            page::form(words, &intro, &until, entered)
        }
        Said::Done { last4 } => {
            page::notice(words, &words.done_title, &words.done.replace("{last4}", last4))
        }
        Said::Gone => page::notice(words, &words.gone_title, &words.gone),
        Said::Unknown => page::notice(words, &words.unknown_title, &words.unknown),
        Said::Busy => page::notice(words, &words.busy_title, &words.busy),
        Said::Trouble => page::notice(words, &words.trouble_title, &words.trouble),
    }
}

/// The same for a page of somebody else's.
fn document(words: &Words, said: &Said) -> Value {
    match said {
        Said::Form { open, entered } => {
            let amount = money(open);
            let problem = match entered.wrong {
                "" => Value::Null,
                "iban" => json!({"field": "iban", "detail": words.wrong_iban}),
                "bic" => json!({"field": "bic", "detail": words.wrong_bic}),
                field => json!({"field": field, "detail": words.wrong_holder}),
            };
            json!({
                "state": "open",
                "merchant": open.merchant.name,
                "amount": amount.to_string(),
                "currency": amount.currency().code(),
                "expires_at": jiff::Timestamp::from_millisecond(open.due.0)
                    .unwrap_or_default().to_string(),
                "problem": problem,
            })
        }
        Said::Done { last4 } => json!({"state": "done", "account": last4}),
        Said::Gone => json!({"state": "gone", "detail": words.gone}),
        Said::Unknown => json!({"state": "unknown", "detail": words.unknown}),
        Said::Busy => json!({"state": "busy", "detail": words.busy}),
        Said::Trouble => json!({"state": "trouble", "detail": words.trouble}),
    }
}
