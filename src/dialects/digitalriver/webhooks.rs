//! Webhooks: endpoints that are told in this API's words.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use refundry_domain::ids::EndpointId;
use refundry_domain::merchant::Administration;
use refundry_domain::webhook::{Endpoint, EndpointChange, EndpointState, NewEndpoint};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::call::{Answered, Call, Read, json, respond, shown};
use super::format::NAME;
use super::refusals::No;
use super::wire::{Seconds, number};
use crate::delivery::secrets::Secrets;
use crate::delivery::{Format, covers};
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::{Administered, Answer};

/// How many a merchant has, of all formats.
const ENDPOINTS_MOST: usize = 50;
const TYPES_MOST: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WebhookAsk {
    types: Option<Vec<String>>,
    address: Option<String>,
    enabled: Option<bool>,
    api_version: Option<String>,
    transport_type: Option<String>,
    authentication: Option<IgnoredAny>,
    oauth: Option<IgnoredAny>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookView<'a> {
    id: String,
    created_time: Seconds,
    updated_time: Seconds,
    types: &'a [String],
    api_version: &'static str,
    enabled: bool,
    address: &'a str,
    transport_type: &'static str,
    /// What messages are signed with, when it was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> WebhookView<'a> {
    fn of(endpoint: &'a Endpoint) -> WebhookView<'a> {
        WebhookView {
            id: format!("wh_{}", endpoint.id),
            created_time: Seconds(endpoint.created_at),
            updated_time: Seconds(endpoint.updated_at),
            types: &endpoint.events,
            api_version: "default",
            enabled: endpoint.state == EndpointState::Enabled,
            address: &endpoint.url,
            transport_type: "HTTP",
            secret: None,
        }
    }
}

/// One of this API's that is not deleted.
async fn all(right: &Right<Administers>) -> Result<Vec<Endpoint>, No> {
    let mut endpoints = right.endpoints().await?;
    endpoints.retain(|endpoint| endpoint.format == NAME);
    Ok(endpoints)
}

async fn find(right: &Right<Administers>, name: &str) -> Result<Endpoint, No> {
    let unknown = || unknown(name);
    let id = number("wh_", name).map(EndpointId).ok_or_else(unknown)?;
    let found = all(right).await?.into_iter().find(|endpoint| endpoint.id == id);
    found.ok_or_else(unknown)
}

fn unknown(name: &str) -> No {
    No::unknown("Webhook", "id", name)
}

/// Endpoints are few: all are shown.
pub async fn list(right: Right<Administers>, call: Call) -> Answered {
    let mut fields = call.fields()?;
    let (one, mut types) = (fields.take("type")?, fields.take_all("types"));
    if one.is_some() && !types.is_empty() {
        return Err(No::invalid("types", "Give type or types, not both."));
    }
    fields.finish()?;
    types.extend(one);
    let fits = |endpoint: &&Endpoint| {
        let mut own = endpoint.events.iter();
        types.is_empty() || own.any(|own| types.iter().any(|one| covers(one, own)))
    };
    let endpoints = all(&right).await?;
    let views: Vec<_> = endpoints.iter().rev().filter(fits).map(WebhookView::of).collect();
    Ok(shown(&views))
}

pub async fn show(right: Right<Administers>, call: Call) -> Answered {
    call.no_fields()?;
    Ok(shown(&WebhookView::of(&find(&right, &call.name).await?)))
}

pub async fn create(right: Right<Administers>, call: Call) -> Answered {
    let Read { body, once: _ } = call.read::<WebhookAsk>().await?;
    check_transport(&body)?;
    let format = format(&right)?;
    let types = body.types.filter(|types| !types.is_empty());
    let events = check_types(format.as_ref(), types.ok_or_else(|| No::missing("types"))?)?;
    let url = body.address.ok_or_else(|| No::missing("address"))?;
    check_address(&right, &url)?;
    if right.endpoints().await?.len() >= ENDPOINTS_MOST {
        let text = "There are at most 50 webhooks.";
        return Err(No::bad("limit_exceeded", "address", text));
    }
    let secret = format.new_secret().ok_or_else(|| {
        tracing::error!("no randomness for a webhook secret");
        Problem::new(Code::Internal, "The server could not make a secret.")
    })?;
    let sealed = Secrets::new(secret.clone()).seal(right.sealer(), right.caller().merchant);
    let secrets = sealed.map_err(|error| {
        tracing::error!(%error, "a webhook secret cannot be sealed");
        Problem::new(Code::Internal, "The server could not keep the secret.")
    })?;
    let description = String::new();
    let new = NewEndpoint { url, format: NAME.to_owned(), events, description, secrets };
    let made = right.administer(Administration::CreateEndpoint(new)).await?;
    let mut endpoint = endpoint_of(made).ok_or_else(|| unknown(""))?;
    if body.enabled == Some(false) {
        let (url, events, description) = (None, None, None);
        let change = EndpointChange::Edit { url, events, description, enabled: Some(false) };
        endpoint = apply(&right, endpoint.id, change).await?.ok_or_else(|| unknown(""))?;
    }
    let view = WebhookView { secret: Some(&secret), ..WebhookView::of(&endpoint) };
    Ok(respond(Answer { status: 201, body: json(&view) }))
}

pub async fn change(right: Right<Administers>, call: Call) -> Answered {
    let endpoint = find(&right, &call.name).await?;
    let name = call.name.clone();
    let Read { body, once: _ } = call.read::<WebhookAsk>().await?;
    check_transport(&body)?;
    let format = format(&right)?;
    let events = match body.types {
        Some(types) if types.is_empty() => return Err(No::missing("types")),
        Some(types) => Some(check_types(format.as_ref(), types)?),
        None => None,
    };
    if let Some(url) = &body.address {
        check_address(&right, url)?;
    }
    let (url, enabled) = (body.address, body.enabled);
    let change = EndpointChange::Edit { url, events, description: None, enabled };
    let changed = apply(&right, endpoint.id, change).await?;
    Ok(shown(&WebhookView::of(&changed.ok_or_else(|| unknown(&name))?)))
}

pub async fn delete(right: Right<Administers>, call: Call) -> Answered {
    call.no_fields()?;
    let endpoint = find(&right, &call.name).await?;
    apply(&right, endpoint.id, EndpointChange::Delete).await?;
    let response: Response = StatusCode::NO_CONTENT.into_response();
    Ok(response)
}

async fn apply(
    right: &Right<Administers>,
    endpoint: EndpointId,
    change: EndpointChange,
) -> Result<Option<Endpoint>, No> {
    let change = Administration::ChangeEndpoint { endpoint, change };
    Ok(endpoint_of(right.administer(change).await?))
}

fn endpoint_of(done: Administered) -> Option<Endpoint> {
    match done {
        Administered::Endpoint(endpoint) => Some(endpoint),
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => None,
    }
}

fn format(right: &Right<Administers>) -> Result<Arc<dyn Format>, No> {
    let format = right.counter().formats.named(NAME);
    format.ok_or_else(|| Problem::new(Code::Internal, "The server has no such format.").into())
}

/// Messages are signed; nothing else proves here where they come from.
fn check_transport(ask: &WebhookAsk) -> Result<(), No> {
    if ask.transport_type.as_deref().is_some_and(|kind| kind != "HTTP") || ask.oauth.is_some() {
        return Err(No::invalid("transportType", "Only HTTP is served here."));
    }
    if ask.authentication.is_some() {
        let text = "Not served here: check the DigitalRiver-Signature of messages.";
        return Err(No::invalid("authentication", text));
    }
    let known = |text: &str| {
        matches!(text, "default" | "latest") || text.parse::<jiff::civil::Date>().is_ok()
    };
    if ask.api_version.as_deref().is_some_and(|version| !known(version)) {
        return Err(No::invalid("apiVersion", "Expected default, latest or a date."));
    }
    Ok(())
}

fn check_types(format: &dyn Format, mut types: Vec<String>) -> Result<Vec<String>, No> {
    if types.len() > TYPES_MOST {
        return Err(No::bad("limit_exceeded", "types", "A webhook has at most 100 types."));
    }
    if let Some(index) = types.iter().position(|name| !format.knows(name)) {
        let text = "Expected the name of a type of event, such as refund.complete.";
        return Err(No::invalid(format!("types[{index}]"), text));
    }
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

fn check_address(right: &Right<Administers>, url: &str) -> Result<(), No> {
    right.counter().addresses.check(url).map_err(|expected| No::invalid("address", expected))
}
