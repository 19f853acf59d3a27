//! Webhook endpoints and their deliveries: what was sent, what was answered, and sending it again.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use refundry_domain::ids::{EndpointId, EventId};
use refundry_domain::merchant::Administration;
use refundry_domain::text;
use refundry_domain::webhook::{
    Delivery, DeliveryState, Endpoint, EndpointChange, EndpointState, NewEndpoint,
};

use super::Filter;
use crate::console::cell::{Cell, Fact, fact, fact_of};
use crate::console::form::{Draft, Wrongs};
use crate::console::label;
use crate::console::list::{self, Choice, Pager, Table, choice, choices, ways};
use crate::console::query::Query;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect_done};
use crate::console::{csv, say};
use crate::delivery::Format;
use crate::delivery::secrets::Secrets;
use crate::dialects::shared::right::{Administers, Right};
use crate::store::webhooks::{DeliveryFilter, DeliveryPage};
use crate::store::{Administered, Event, EventFilter, Page as Part};

const ENDPOINTS_MOST: usize = 50;
const DESCRIPTION_MOST: usize = 200;
/// How long the secret before goes on signing.
const OVERLAP_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Template)]
#[template(path = "webhooks.html")]
struct ListPage<'a> {
    shell: &'a Shell,
    table: Table,
    formats: Vec<Choice>,
    draft: Draft,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    list_page(&visit, Draft::default()).await
}

async fn list_page(visit: &Visit, draft: Draft) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let mut endpoints = right.endpoints().await?;
    endpoints.reverse();
    let titles = ["Endpoint", "Address", "State", "Format", "Events", "Failing since", "Made"];
    let mut table = Table::new("Webhook endpoints", &titles);
    for row in &endpoints {
        let href = format!("/console/webhooks/whe_{}", row.id);
        table.add(vec![
            Cell::code(format!("whe_{}", row.id)).to(&href),
            Cell::text(&row.url),
            Cell::pill(state_of(row)),
            Cell::text(&row.format),
            Cell::text(subscriptions(row)),
            visit.say.time_or(row.failing_since, ""),
            visit.say.time(row.created_at),
        ]);
    }
    if list::wants_csv(&visit.query) {
        return Ok(csv::of(&table, "webhooks"));
    }
    let names = right.counter().formats.names();
    let formats = names.iter().map(|name| choice(name, name, draft.is("format", name)));
    let shell = visit.shell("Webhooks")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    html(status, &ListPage { shell: &shell, table, formats: formats.collect(), draft })
}

fn state_of(row: &Endpoint) -> label::Toned {
    if row.state == EndpointState::Enabled && row.failing_since.is_some() {
        return ("Failing", "bad");
    }
    label::endpoint(row.state)
}

fn subscriptions(row: &Endpoint) -> String {
    if row.events.is_empty() { "all".to_owned() } else { row.events.join(", ") }
}

pub async fn create(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let (new, secret) = match new_endpoint(&right, &visit.form).await? {
        Ok(made) => made,
        Err(wrongs) => return list_page(&visit, Draft::refused(&visit.form, wrongs)).await,
    };
    match right.administer(Administration::CreateEndpoint(new)).await? {
        Administered::Endpoint(endpoint) => {
            let draft = Draft::default();
            show_page(&visit, &right, &endpoint, draft, secret).await
        }
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(Trouble::missing("merchant")),
    }
}

/// A key pair takes its time.
async fn fresh(format: &Arc<dyn Format>) -> Option<String> {
    let format = format.clone();
    tokio::task::spawn_blocking(move || format.new_secret()).await.ok().flatten()
}

/// What is shown of a fresh secret: all of it, unless it is a private key.
fn showable(format: &Arc<dyn Format>, secret: String) -> Option<String> {
    if format.public_key(&secret).is_some() { None } else { Some(secret) }
}

async fn new_endpoint(
    right: &Right<Administers>,
    form: &Query,
) -> Result<Result<(NewEndpoint, Option<String>), Wrongs>, Trouble> {
    let wrong = |field: &str, why: &str| Ok(Err(Wrongs::one(field, why)));
    let name = form.text("format").unwrap_or("native");
    let Some(format) = right.counter().formats.named(name) else {
        return wrong("format", "Choose one of the list.");
    };
    let url = form.text("url").unwrap_or_default();
    if let Err(why) = right.counter().addresses.check(url) {
        return wrong("url", &why);
    }
    let mut events: Vec<String> = form
        .written("events")
        .split([' ', ',', '\n', '\r'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    events.sort_unstable();
    events.dedup();
    if let Some(unknown) = events.iter().find(|name| !name.is_ascii() || !format.knows(name)) {
        let why = format!(
            "There is no type of event {unknown}; write some such as refund.succeeded or refund.*, or none for all."
        );
        return wrong("events", &why);
    }
    let description = form.text("description").unwrap_or_default();
    if text::check(description, DESCRIPTION_MOST).is_err() {
        return wrong("description", "Write at most 200 characters, and no card number.");
    }
    if right.endpoints().await?.len() >= ENDPOINTS_MOST {
        return wrong("", "There are 50 endpoints already, and no more are taken.");
    }
    let no_secret = || Trouble::new(500, "A fault of the server", "No secret could be made.");
    let secret = fresh(&format).await.ok_or_else(no_secret)?;
    let secrets = Secrets::new(secret.clone()).seal(right.sealer(), right.caller().merchant);
    let new = NewEndpoint {
        url: url.to_owned(),
        format: name.to_owned(),
        events,
        description: description.to_owned(),
        secrets: secrets.map_err(|_| no_secret())?,
    };
    Ok(Ok((new, showable(&format, secret))))
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct EndpointPage<'a> {
    shell: &'a Shell,
    id: String,
    path: String,
    state: Cell,
    enabled: bool,
    facts: Vec<Fact>,
    deliveries: Table,
    filters: Vec<Filter>,
    pager: Pager,
    draft: Draft,
    /// Shown this once.
    secret: Option<String>,
}

async fn find(visit: &Visit, right: &Right<Administers>) -> Result<Endpoint, Trouble> {
    let missing = || Trouble::missing("webhook endpoint");
    let id = visit.id("whe_").map(EndpointId).ok_or_else(missing)?;
    let all = right.endpoints().await?;
    all.into_iter().find(|endpoint| endpoint.id == id).ok_or_else(missing)
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let endpoint = find(&visit, &right).await?;
    if list::wants_csv(&visit.query) {
        let of = endpoint.id;
        let part = move |visit: Visit| async move {
            let (table, pager) = deliveries(&visit, of).await?;
            Ok::<_, Trouble>(csv::Part::of(table, pager))
        };
        return csv::export(visit, "deliveries", part).await;
    }
    show_page(&visit, &right, &endpoint, Draft::default(), None).await
}

/// The part of an endpoint's deliveries that an address asks for.
async fn deliveries(visit: &Visit, of: EndpointId) -> Result<(Table, Pager), Trouble> {
    let right: Right<Administers> = visit.right()?;
    let path = format!("/console/webhooks/whe_{of}");
    let query = &visit.query;
    let (after, before) = (query.number("after"), query.number("before"));
    let place = |event: i64| (EventId(event), of);
    let part = DeliveryPage {
        after: after.map(place),
        before: before.map(place),
        limit: list::page(query).limit,
        oldest_first: false,
    };
    let states = query.all("state").filter_map(DeliveryState::parse).collect();
    let filter = DeliveryFilter { endpoint: Some(of), event: None, states };
    let slice = right.deliveries(filter, part).await?;
    let edge = |last: bool| {
        let row = if last { slice.rows.last() } else { slice.rows.first() };
        row.map(|row| row.event.to_string())
    };
    let pager = ways(&path, query, before.is_some(), after.is_some(), slice.more, edge);
    Ok((deliveries_table(visit, &slice.rows), pager))
}

async fn show_page(
    visit: &Visit,
    right: &Right<Administers>,
    endpoint: &Endpoint,
    draft: Draft,
    secret: Option<String>,
) -> Result<Response, Trouble> {
    let id = format!("whe_{}", endpoint.id);
    let path = format!("/console/webhooks/{id}");
    let (deliveries, pager) = deliveries(visit, endpoint.id).await?;
    let states = choices(&visit.query, "state", &DeliveryState::ALL, |it| {
        (it.name(), label::delivery(it).0)
    });
    let shell = visit.shell(&format!("Webhook {id}"))?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = EndpointPage {
        state: Cell::pill(state_of(endpoint)),
        enabled: endpoint.state == EndpointState::Enabled,
        facts: facts(visit, right, endpoint),
        filters: vec![Filter::select("state", "State", states)],
        pager,
        shell: &shell,
        id,
        path,
        deliveries,
        draft,
        secret,
    };
    html(status, &page)
}

/// What its messages are checked with, for a format that has key pairs.
fn public_key(right: &Right<Administers>, row: &Endpoint) -> Option<String> {
    let format = right.counter().formats.named(&row.format)?;
    let secrets = Secrets::open(&row.secrets, right.sealer(), row.merchant).ok()?;
    format.public_key(secrets.living(right.now()).first()?)
}

fn facts(visit: &Visit, right: &Right<Administers>, row: &Endpoint) -> Vec<Fact> {
    let known = [
        Some(fact("Address", Cell::text(&row.url))),
        fact_of("For", Some(&row.description)),
        Some(fact("Format", Cell::text(&row.format))),
        Some(fact("Events", Cell::text(subscriptions(row)))),
        public_key(right, row).map(|key| fact("Public key", Cell::code(key))),
        row.failing_since.map(|at| fact("Failing since", visit.say.time(at))),
        row.disabled.map(|(at, _)| fact("Off since", visit.say.time(at))),
        row.disabled.map(|(_, why)| fact("Why", Cell::text(why.name()))),
        Some(fact("Made", visit.say.time(row.created_at))),
    ];
    known.into_iter().flatten().collect()
}

fn deliveries_table(visit: &Visit, rows: &[Delivery]) -> Table {
    let titles = ["Event", "Type", "State", "#Tries", "Last answer", "Last try", "Of"];
    let mut table = Table::new("Deliveries", &titles);
    for row in rows {
        let href = format!("/console/webhooks/whe_{}/evt_{}", row.endpoint, row.event);
        let last = row.tries.last();
        let answer = last.map(|last| match (last.status, &last.error) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => String::new(),
        });
        table.add(vec![
            Cell::code(format!("evt_{}", row.event)).to(href),
            Cell::word(&row.name),
            Cell::pill(label::delivery(row.state)),
            Cell::text(row.tries.len().to_string()),
            Cell::text(answer.unwrap_or_default()),
            visit.say.time_or(last.map(|last| last.at), "not yet"),
            Cell::chain(row.order, &row.name),
        ]);
    }
    table
}

pub async fn change(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let endpoint = find(&visit, &right).await?;
    let edit = |enabled| EndpointChange::Edit {
        url: None,
        events: None,
        description: None,
        enabled: Some(enabled),
    };
    let (change, word) = match visit.form.text("do") {
        Some("enable") => (edit(true), "changed"),
        Some("disable") => (edit(false), "changed"),
        Some("delete") => (EndpointChange::Delete, "deleted"),
        Some("ping") if endpoint.state == EndpointState::Enabled => {
            (EndpointChange::Ping, "pinged")
        }
        Some("rotate") => return rotate(&visit, &right, &endpoint).await,
        Some(_) | None => {
            let wrongs =
                Wrongs::one("", "Nothing is sent to it while it is off; switch it on first.");
            return show_page(&visit, &right, &endpoint, Draft::refused(&visit.form, wrongs), None)
                .await;
        }
    };
    let deleted = matches!(change, EndpointChange::Delete);
    let change = Administration::ChangeEndpoint { endpoint: endpoint.id, change };
    right.administer(change).await?;
    let path = if deleted { "/console/webhooks" } else { visit.path() };
    Ok(redirect_done(path, word))
}

async fn rotate(
    visit: &Visit,
    right: &Right<Administers>,
    endpoint: &Endpoint,
) -> Result<Response, Trouble> {
    let fault = || Trouble::new(500, "A fault of the server", "The secrets could not be changed.");
    let format = right.counter().formats.named(&endpoint.format).ok_or_else(fault)?;
    let fresh = fresh(&format).await.ok_or_else(fault)?;
    let known =
        Secrets::open(&endpoint.secrets, right.sealer(), endpoint.merchant).map_err(|_| fault())?;
    let now = right.now();
    let secrets = known.rotate(fresh.clone(), now, now.after_ms(OVERLAP_MS));
    let secrets = secrets.seal(right.sealer(), endpoint.merchant).map_err(|_| fault())?;
    let change = EndpointChange::Rotate { revision: endpoint.revision, secrets };
    let change = Administration::ChangeEndpoint { endpoint: endpoint.id, change };
    match right.administer(change).await? {
        Administered::Endpoint(endpoint) => {
            let secret = showable(&format, fresh);
            show_page(visit, right, &endpoint, Draft::default(), secret).await
        }
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => {
            let wrongs = Wrongs::one("", "Somebody else has just changed it. Look, and try again.");
            let draft = Draft::refused(&visit.form, wrongs);
            show_page(visit, right, endpoint, draft, None).await
        }
    }
}

struct TryView {
    at: Cell,
    took: String,
    answer: String,
    body: String,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPageView<'a> {
    shell: &'a Shell,
    path: String,
    endpoint: String,
    event: String,
    state: Cell,
    facts: Vec<Fact>,
    /// The request as it is made now, when the format has a word for the event.
    message: Option<String>,
    tries: Vec<TryView>,
}

async fn event_of(right: &Right<Administers>, id: EventId) -> Result<Option<Event>, Trouble> {
    let part = Part { after: Some(id.0 - 1), before: None, limit: 1, oldest_first: true };
    let rows = right.events(EventFilter::default(), part).await?.rows;
    Ok(rows.into_iter().next().filter(|event| event.id == id))
}

pub async fn delivery(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let endpoint = find(&visit, &right).await?;
    let missing = || Trouble::missing("delivery");
    let event = id(visit.segment(2), "evt_").map(EventId).ok_or_else(missing)?;
    let filter =
        DeliveryFilter { endpoint: Some(endpoint.id), event: Some(event), states: Vec::new() };
    let part = DeliveryPage { after: None, before: None, limit: 1, oldest_first: false };
    let row = right.deliveries(filter, part).await?.rows.into_iter().next();
    let row = row.ok_or_else(missing)?;
    let told = event_of(&right, event).await?.ok_or_else(missing)?;
    let message = right.message(&endpoint, &told).await?;
    let message = message.map(|it| {
        let body = String::from_utf8_lossy(&it.body);
        format!("POST {}\nContent-Type: {}\n\n{body}", endpoint.url, it.content_type)
    });
    let facts = vec![
        fact("Type", Cell::text(&row.name)),
        fact("Happened", visit.say.time(told.at)),
        fact("Message id", Cell::code(format!("evt_{event}"))),
        fact("Made", visit.say.time(row.created_at)),
        fact("Next try", next_try(&visit, &row)),
    ];
    let tries = row.tries.iter().rev().map(|one| TryView {
        at: visit.say.time(one.at),
        took: say::duration(one.took_ms),
        answer: match (one.status, &one.error) {
            (Some(status), _) => format!("Answered {status}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "No answer".to_owned(),
        },
        body: one.answer.clone(),
    });
    let shell = visit.shell("Delivery")?;
    let page = DeliveryPageView {
        path: visit.path().to_owned(),
        endpoint: format!("whe_{}", endpoint.id),
        event: format!("evt_{event}"),
        state: Cell::pill(label::delivery(row.state)),
        tries: tries.collect(),
        shell: &shell,
        facts,
        message,
    };
    html(200, &page)
}

fn next_try(visit: &Visit, row: &Delivery) -> Cell {
    match row.state {
        DeliveryState::Pending => visit.say.time(row.due),
        DeliveryState::Succeeded | DeliveryState::Failed => Cell::text("none"),
    }
}

pub async fn redeliver(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let endpoint = find(&visit, &right).await?;
    let missing = || Trouble::missing("delivery");
    let event = id(visit.segment(2), "evt_").map(EventId).ok_or_else(missing)?;
    event_of(&right, event).await?.ok_or_else(missing)?;
    let change = EndpointChange::Redeliver { events: vec![event] };
    right.administer(Administration::ChangeEndpoint { endpoint: endpoint.id, change }).await?;
    Ok(redirect_done(visit.path(), "redelivered"))
}
