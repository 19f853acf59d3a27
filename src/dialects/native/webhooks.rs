//! Webhook endpoints: made, changed, tried; their secrets are shown once.

use std::sync::Arc;

use axum::response::Response;
use refundry_domain::ids::{EndpointId, EventId, Timestamp};
use refundry_domain::merchant::Administration;
use refundry_domain::text;
use refundry_domain::webhook::{
    DisabledWhy, Endpoint, EndpointChange, EndpointState, NewEndpoint, PING,
};

use super::call::{Call, created, listed, shown};
use super::keys::page_of;
use super::wire::asks::Nothing;
use super::wire::webhooks::{
    DeliveryTag, EndpointAsk, EndpointPatch, EndpointView, Pinged, RotateAsk,
};
use super::wire::words::{Id, expect_id};
use crate::delivery::Format;
use crate::delivery::secrets::Secrets;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::{Administered, EventFilter, Page};

const NATIVE: &str = "native";
const ENDPOINTS_MOST: usize = 50;
const SUBSCRIPTIONS_MOST: usize = 100;
const DESCRIPTION_MOST: usize = 200;
/// How long the secret before goes on signing, in seconds: usually, and at most.
const OVERLAP: i64 = 24 * 60 * 60;
const OVERLAP_MOST: i64 = 7 * OVERLAP;
/// How often a rotation is tried that somebody else's change came before.
const ROTATIONS: usize = 5;

pub fn unknown() -> Problem {
    Problem::new(Code::EndpointNotFound, "There is no such webhook endpoint.")
}

/// One of the merchant's that is not deleted.
pub async fn find(right: &Right<Administers>, id: EndpointId) -> Result<Endpoint, Problem> {
    let all = right.endpoints().await?;
    all.into_iter().find(|endpoint| endpoint.id == id).ok_or_else(unknown)
}

pub async fn create(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<EndpointAsk>().await?;
    let ask = read.body;
    let name = ask.format.unwrap_or_else(|| NATIVE.to_owned());
    let format = right.counter().formats.named(&name).ok_or_else(|| {
        let names = right.counter().formats.names().join(", ");
        Problem::field(Code::FieldInvalid, "/format", format!("Expected one of {names}."))
    })?;
    check_url(&right, &ask.url)?;
    let events = subscriptions(format.as_ref(), ask.events)?;
    let description = ask.description.unwrap_or_default();
    check_description(&description)?;
    let secret = secret(&format, ask.secret).await?;
    if right.endpoints().await?.len() >= ENDPOINTS_MOST {
        let detail = "A merchant has at most 50 webhook endpoints.";
        return Err(Problem::new(Code::TooManyEndpoints, detail));
    }
    let merchant = right.caller().merchant;
    let secrets = sealed(&right, &Secrets::new(secret.clone()))?;
    let new = NewEndpoint { url: ask.url, format: name, events, description, secrets };
    if read.dry_run {
        let endpoint = proposed(merchant, new, right.now());
        return Ok(shown(&EndpointView::of(&endpoint).proposed()));
    }
    match right.administer(Administration::CreateEndpoint(new)).await? {
        Administered::Endpoint(endpoint) => {
            let view = EndpointView::of(&endpoint).with_secret(&secret, None);
            Ok(created(&view.with_public_key(format.public_key(&secret))))
        }
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(unknown()),
    }
}

fn proposed(
    merchant: refundry_domain::ids::MerchantId,
    new: NewEndpoint,
    now: Timestamp,
) -> Endpoint {
    Endpoint {
        id: EndpointId(0),
        merchant,
        url: new.url,
        format: new.format,
        events: new.events,
        description: new.description,
        state: EndpointState::Enabled,
        disabled: None,
        secrets: Vec::new(),
        cursor: EventId(0),
        failing_since: None,
        revision: 0,
        created_at: now,
        updated_at: now,
    }
}

fn check_url(right: &Right<Administers>, url: &str) -> Result<(), Problem> {
    let checked = right.counter().addresses.check(url);
    checked.map_err(|expected| Problem::field(Code::FieldInvalid, "/url", expected))
}

fn check_description(description: &str) -> Result<(), Problem> {
    text::check(description, DESCRIPTION_MOST).map_err(|_| {
        let detail = "Expected at most 200 characters, without control characters and card \
                      numbers.";
        Problem::field(Code::FieldInvalid, "/description", detail)
    })
}

/// The subscriptions, in order and each once.
fn subscriptions(format: &dyn Format, mut events: Vec<String>) -> Result<Vec<String>, Problem> {
    if events.len() > SUBSCRIPTIONS_MOST {
        let detail = "An endpoint has at most 100 subscriptions.";
        return Err(Problem::field(Code::FieldInvalid, "/events", detail));
    }
    for (index, name) in events.iter().enumerate() {
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || !format.knows(name) {
            let detail = "Expected a type of event, such as refund.succeeded or refund.*; \
                          the reference lists them.";
            return Err(Problem::field(Code::FieldInvalid, format!("/events/{index}"), detail));
        }
    }
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

async fn secret(format: &Arc<dyn Format>, given: Option<String>) -> Result<String, Problem> {
    if let Some(given) = given {
        let taken = format.takes_secret(&given);
        taken.map_err(|expected| Problem::field(Code::FieldInvalid, "/secret", expected))?;
        return Ok(given);
    }
    // A key pair takes its time.
    let format = format.clone();
    let made = tokio::task::spawn_blocking(move || format.new_secret()).await;
    made.ok().flatten().ok_or_else(|| {
        tracing::error!("no randomness for a webhook secret");
        Problem::new(Code::Internal, "The server could not make a secret.")
    })
}

fn sealed(right: &Right<Administers>, secrets: &Secrets) -> Result<Vec<u8>, Problem> {
    secrets.seal(right.sealer(), right.caller().merchant).map_err(|error| {
        tracing::error!(%error, "a webhook secret cannot be sealed");
        Problem::new(Code::Internal, "The server could not keep the secret.")
    })
}

fn view<'a>(right: &Right<Administers>, endpoint: &'a Endpoint) -> EndpointView<'a> {
    let public_key = || {
        let format = right.counter().formats.named(&endpoint.format)?;
        let secrets = Secrets::open(&endpoint.secrets, right.sealer(), endpoint.merchant).ok()?;
        format.public_key(secrets.living(right.now()).first()?)
    };
    EndpointView::of(endpoint).with_public_key(public_key())
}

/// Endpoints are few: all are read, and one page is shown.
pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<EndpointId>(text).map(|id| id.0))?;
    fields.finish()?;
    let slice = page_of(right.endpoints().await?, &page, |endpoint| endpoint.id.0);
    Ok(listed(&slice, &page, |endpoint| view(&right, endpoint), |endpoint| endpoint.id))
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    Ok(shown(&view(&right, &find(&right, id).await?)))
}

pub async fn change(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    let read = call.read::<EndpointPatch>().await?;
    let ask = read.body;
    let mut endpoint = find(&right, id).await?;
    if let Some(url) = &ask.url {
        check_url(&right, url)?;
    }
    if let Some(description) = &ask.description {
        check_description(description)?;
    }
    let format = right.counter().formats.named(&endpoint.format);
    let events = match (ask.events, format) {
        (Some(events), Some(format)) => Some(subscriptions(format.as_ref(), events)?),
        (events, None) => events,
        (None, Some(_)) => None,
    };
    let (url, description, enabled) = (ask.url, ask.description, ask.enabled);
    if read.dry_run {
        endpoint.url = url.unwrap_or(endpoint.url);
        endpoint.events = events.unwrap_or(endpoint.events);
        endpoint.description = description.unwrap_or(endpoint.description);
        match enabled {
            Some(true) => (endpoint.state, endpoint.disabled) = (EndpointState::Enabled, None),
            Some(false) if endpoint.disabled.is_none() => {
                endpoint.state = EndpointState::Disabled;
                endpoint.disabled = Some((right.now(), DisabledWhy::Asked));
            }
            Some(false) | None => {}
        }
        return Ok(shown(&EndpointView::of(&endpoint)));
    }
    let change = EndpointChange::Edit { url, events, description, enabled };
    Ok(shown(&view(&right, &apply(&right, id, change).await?.ok_or_else(unknown)?)))
}

/// The endpoint as it is then; `None` when somebody else's change came before.
pub async fn apply(
    right: &Right<Administers>,
    endpoint: EndpointId,
    change: EndpointChange,
) -> Result<Option<Endpoint>, Problem> {
    match right.administer(Administration::ChangeEndpoint { endpoint, change }).await? {
        Administered::Endpoint(endpoint) => Ok(Some(endpoint)),
        Administered::Stale => Ok(None),
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_)
        | Administered::Unknown => Err(unknown()),
    }
}

pub async fn delete(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    let read = call.read_or_default::<Nothing>().await?;
    let endpoint = find(&right, id).await?;
    if !read.dry_run {
        apply(&right, id, EndpointChange::Delete).await?;
    }
    Ok(shown(&EndpointView::of(&endpoint)))
}

pub async fn rotate(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    let read = call.read_or_default::<RotateAsk>().await?;
    let overlap = read.body.expire_after_seconds.unwrap_or(OVERLAP);
    if !(0..=OVERLAP_MOST).contains(&overlap) {
        let detail = "Expected from 0 to 604800 (a week).";
        return Err(Problem::field(Code::FieldInvalid, "/expire_after_seconds", detail));
    }
    let mut endpoint = find(&right, id).await?;
    let format: Arc<dyn Format> =
        right.counter().formats.named(&endpoint.format).ok_or_else(unknown)?;
    let fresh = secret(&format, read.body.secret).await?;
    if read.dry_run {
        return Ok(shown(&EndpointView::of(&endpoint)));
    }
    for _ in 0..ROTATIONS {
        let now = right.now();
        let until = now.after_ms(overlap * 1000);
        let known = Secrets::open(&endpoint.secrets, right.sealer(), endpoint.merchant);
        let known = known.map_err(|error| {
            tracing::error!(%error, "webhook secrets cannot be opened");
            Problem::new(Code::Internal, "The server cannot read the secrets that it has.")
        })?;
        let secrets = known.rotate(fresh.clone(), now, until);
        let (revision, old_until) = (endpoint.revision, secrets.settled_at(now));
        let change = EndpointChange::Rotate { revision, secrets: sealed(&right, &secrets)? };
        if let Some(endpoint) = apply(&right, id, change).await? {
            let view = EndpointView::of(&endpoint).with_secret(&fresh, old_until);
            return Ok(shown(&view.with_public_key(format.public_key(&fresh))));
        }
        endpoint = find(&right, id).await?;
    }
    let detail = "Others keep changing the endpoint; try again.";
    Err(Problem::new(Code::Unavailable, detail).retry_after(1))
}

/// Makes an event that only this endpoint is told of.
pub async fn ping(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    let read = call.read_or_default::<Nothing>().await?;
    let endpoint = find(&right, id).await?;
    if endpoint.state != EndpointState::Enabled {
        let detail = "Nothing is sent to a disabled webhook endpoint; enable it first.";
        return Err(Problem::new(Code::EndpointDisabled, detail));
    }
    if read.dry_run {
        return Ok(shown(&EndpointView::of(&endpoint)));
    }
    apply(&right, id, EndpointChange::Ping).await?;
    let filter = EventFilter { subject: Some(id.0), names: vec![PING.to_owned()], order: None };
    let page = Page { after: None, before: None, limit: 1, oldest_first: false };
    let newest = right.events(filter, page).await?.rows.into_iter().next().ok_or_else(unknown)?;
    let delivery = DeliveryTag { endpoint: id, event: newest.id };
    Ok(created(&Pinged { event: Id(newest.id), delivery }))
}
