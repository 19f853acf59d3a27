//! Webhooks: one event to one address each.

use refundry_domain::ids::EndpointId;
use refundry_domain::merchant::Administration;
use refundry_domain::webhook::{Endpoint, EndpointChange, NewEndpoint};
use serde::{Deserialize, Serialize};

use super::call::{Answered, Call, json};
use super::format::{EVENTS, NAME};
use super::refusals::No;
use crate::delivery::secrets::Secrets;
use crate::delivery::sign;
use crate::dialects::shared::body;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Administers, Right};
use crate::store::Administered;

/// How many a merchant has, of all formats.
const ENDPOINTS_MOST: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookAsk {
    url: Option<String>,
    event_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookView {
    id: i64,
    url: String,
    event_name: String,
    /// What messages are signed with, when it was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl WebhookView {
    fn of(endpoint: &Endpoint) -> WebhookView {
        WebhookView {
            id: endpoint.id.0,
            url: endpoint.url.clone(),
            // Those that were made here have one.
            event_name: endpoint.events.join(","),
            secret: None,
        }
    }
}

async fn all(right: &Right<Administers>) -> Result<Vec<Endpoint>, No> {
    let mut endpoints = right.endpoints().await?;
    endpoints.retain(|endpoint| endpoint.format == NAME);
    Ok(endpoints)
}

async fn find(right: &Right<Administers>, name: &str) -> Result<Endpoint, No> {
    let number: i64 = name.parse().map_err(|_| No::new(400, "A webhook's id is a number."))?;
    let found = all(right).await?.into_iter().find(|endpoint| endpoint.id.0 == number);
    found.ok_or_else(unknown)
}

fn unknown() -> No {
    No::new(404, "There is no such webhook.")
}

/// All of them: they are few.
pub async fn list(right: Right<Administers>, call: Call) -> Answered {
    Fields::of(&call.uri)?.finish()?;
    let views: Vec<WebhookView> = all(&right).await?.iter().map(WebhookView::of).collect();
    Ok(json(&views))
}

/// The same event to the same address again is the webhook that there is, without its secret.
pub async fn create(right: Right<Administers>, call: Call) -> Answered {
    let ask: WebhookAsk = body::parse(&body::read(call.body).await?)?;
    let url = ask.url.ok_or_else(|| No::new(400, "url is missing."))?;
    check_url(&right, &url)?;
    let event = event(ask.event_name.ok_or_else(|| No::new(400, "eventName is missing."))?)?;
    let events = vec![event];
    let same = |known: &Endpoint| known.url == url && known.events == events;
    if let Some(known) = all(&right).await?.into_iter().find(same) {
        return Ok(json(&WebhookView::of(&edit(&right, known.id, None, None).await?)));
    }
    if right.endpoints().await?.len() >= ENDPOINTS_MOST {
        return Err(No::new(400, "There are at most 50 webhooks."));
    }
    let secret = sign::generate().map_err(|error| {
        tracing::error!(%error, "no randomness for a webhook secret");
        No::new(500, "The server could not make a secret.")
    })?;
    let sealed = Secrets::new(secret.clone()).seal(right.sealer(), right.caller().merchant);
    let secrets = sealed.map_err(|error| {
        tracing::error!(%error, "a webhook secret cannot be sealed");
        No::new(500, "The server could not keep the secret.")
    })?;
    let new =
        NewEndpoint { url, format: NAME.to_owned(), events, description: String::new(), secrets };
    let made = right.administer(Administration::CreateEndpoint(new)).await?;
    let made = endpoint_of(made).ok_or_else(unknown)?;
    Ok(json(&WebhookView { secret: Some(secret), ..WebhookView::of(&made) }))
}

/// What is not given stays. One that was disabled is told again.
pub async fn change(right: Right<Administers>, call: Call) -> Answered {
    let known = find(&right, &call.name).await?;
    let ask: WebhookAsk = body::parse(&body::read(call.body).await?)?;
    if let Some(url) = &ask.url {
        check_url(&right, url)?;
    }
    let events = match ask.event_name {
        Some(name) => Some(vec![event(name)?]),
        None => None,
    };
    Ok(json(&WebhookView::of(&edit(&right, known.id, ask.url, events).await?)))
}

pub async fn delete(right: Right<Administers>, call: Call) -> Answered {
    let known = find(&right, &call.name).await?;
    let change = EndpointChange::Delete;
    let change = Administration::ChangeEndpoint { endpoint: known.id, change };
    endpoint_of(right.administer(change).await?).ok_or_else(unknown)?;
    Ok(json(&WebhookView::of(&known)))
}

async fn edit(
    right: &Right<Administers>,
    endpoint: EndpointId,
    url: Option<String>,
    events: Option<Vec<String>>,
) -> Result<Endpoint, No> {
    let change = EndpointChange::Edit { url, events, description: None, enabled: Some(true) };
    let change = Administration::ChangeEndpoint { endpoint, change };
    endpoint_of(right.administer(change).await?).ok_or_else(unknown)
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

fn check_url(right: &Right<Administers>, url: &str) -> Result<(), No> {
    let checked = right.counter().addresses.check(url);
    checked.map_err(|expected| No::new(400, format!("url: {expected}")))
}

fn event(name: String) -> Result<String, No> {
    if EVENTS.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(No::new(400, format!("eventName is one of {}.", EVENTS.join(", "))))
}
