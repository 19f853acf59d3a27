//! What became of telling endpoints of events, and telling them again.

use std::collections::HashSet;

use axum::response::Response;
use refundry_domain::ids::{EndpointId, EventId, Timestamp};
use refundry_domain::webhook::{Delivery, DeliveryState, Endpoint, EndpointChange};

use super::call::{Call, List, shown};
use super::webhooks::{apply, find, unknown};
use super::wire::asks::Nothing;
use super::wire::webhooks::{DeliveryTag, DeliveryView, RedeliverAsk, Redelivered};
use super::wire::words::{Time, expect_id, word};
use crate::dialects::shared::paging::{LIMIT, LIMIT_MOST};
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::webhooks::{DeliveryFilter, DeliveryPage, Place};
use crate::store::{Event, EventFilter, Page, StoreError};

/// How many events one request asks to be told again, how many it looks at for that, and how many
/// one change holds.
const AGAIN_MOST: usize = 10_000;
const LOOK_MOST: usize = 100_000;
const AT_ONCE: u32 = 500;

fn not_found() -> Problem {
    Problem::new(Code::DeliveryNotFound, "There is no such delivery.")
}

pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let filter = DeliveryFilter {
        endpoint: fields.one("endpoint", expect_id)?,
        event: fields.one("event", expect_id)?,
        states: fields.many("state", word)?,
    };
    let place = |text: &str| -> Result<Place, String> {
        DeliveryTag::read(text).map(|tag| (tag.event, tag.endpoint))
    };
    let after = fields.one("after", place)?;
    let before = fields.one("before", place)?;
    if after.is_some() && before.is_some() {
        return Err(Problem::query("before", "Give after or before, not both."));
    }
    let limit = fields.one("limit", |text| {
        let number = text.parse().ok().filter(|limit| (1..=LIMIT_MOST).contains(limit));
        number.ok_or_else(|| "Expected a number from 1 to 100.".to_owned())
    })?;
    fields.finish()?;
    let limit = limit.unwrap_or(LIMIT);
    let page = DeliveryPage { after, before, limit, oldest_first: false };
    let slice = right.deliveries(filter, page).await?;
    let next = if before.is_some() { slice.rows.first() } else { slice.rows.last() };
    let next = next.filter(|_| slice.more).map(|row| DeliveryTag::of(row).to_string());
    Ok(shown(&List {
        data: slice.rows.iter().map(DeliveryView::of).collect(),
        has_more: slice.more,
        next_cursor: next,
    }))
}

fn tag(call: &Call) -> Result<DeliveryTag, Problem> {
    let text = call.parts.uri.path().split('/').nth(3).unwrap_or_default();
    DeliveryTag::read(text).map_err(|_| not_found())
}

async fn row(right: &Right<Administers>, tag: DeliveryTag) -> Result<Delivery, Problem> {
    let (endpoint, event) = (Some(tag.endpoint), Some(tag.event));
    let filter = DeliveryFilter { endpoint, event, states: Vec::new() };
    let page = DeliveryPage { after: None, before: None, limit: 1, oldest_first: false };
    let slice = right.deliveries(filter, page).await?;
    slice.rows.into_iter().next().ok_or_else(not_found)
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    Ok(shown(&DeliveryView::of(&row(&right, tag(&call)?).await?)))
}

/// Again, whatever became of it before.
pub async fn redeliver(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let tag = tag(&call)?;
    let read = call.read_or_default::<Nothing>().await?;
    let mut known = row(&right, tag).await?;
    if read.dry_run {
        (known.state, known.due) = (DeliveryState::Pending, right.now());
        return Ok(shown(&DeliveryView::of(&known)));
    }
    apply(&right, tag.endpoint, EndpointChange::Redeliver { events: vec![tag.event] }).await?;
    Ok(shown(&DeliveryView::of(&row(&right, tag).await?)))
}

/// Every event of a time that the endpoint subscribes to now and that it was not told of.
pub async fn redeliver_range(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<EndpointId>().ok_or_else(unknown)?;
    let read = call.read::<RedeliverAsk>().await?;
    let until = read.body.until.map_or_else(|| right.now().after_ms(1), |until| until.0);
    if until <= read.body.from.0 {
        let detail = "Expected a time after `from`.";
        return Err(Problem::field(Code::FieldInvalid, "/until", detail));
    }
    let endpoint = find(&right, id).await?;
    let format = right.counter().formats.named(&endpoint.format).ok_or_else(unknown)?;
    // What this request itself makes is not its own.
    let newest = newest(&right).await?;
    let mut after = before_the_first(&right, read.body.from.0, newest).await?;
    let (mut count, mut seen) = (0, 0);
    loop {
        let mut events = feed(&right, after, AT_ONCE).await?;
        events.retain(|event| event.id <= newest);
        let done = if read.body.delivered_too {
            HashSet::new()
        } else {
            finished(&right, &endpoint, after, events.last().map(|event| event.id)).await?
        };
        let ended = events.is_empty() || events.iter().any(|event| event.at >= until);
        let wanted: Vec<EventId> = events
            .iter()
            .filter(|event| event.at < until && format.wants(&endpoint.events, event))
            .map(|event| event.id)
            .filter(|event| !done.contains(event))
            .collect();
        (count, seen) = (count + wanted.len(), seen + events.len());
        if !read.dry_run && !wanted.is_empty() {
            apply(&right, id, EndpointChange::Redeliver { events: wanted }).await?;
        }
        let Some(last) = events.last().filter(|_| !ended) else {
            return Ok(shown(&Redelivered { count, has_more: false, next_from: None }));
        };
        after = last.id;
        if count >= AGAIN_MOST || seen >= LOOK_MOST {
            let next_from = Some(Time(last.at));
            return Ok(shown(&Redelivered { count, has_more: true, next_from }));
        }
    }
}

/// The deliveries of these events that succeeded or are on their way.
async fn finished(
    right: &Right<Administers>,
    endpoint: &Endpoint,
    after: EventId,
    last: Option<EventId>,
) -> Result<HashSet<EventId>, StoreError> {
    let states = vec![DeliveryState::Succeeded, DeliveryState::Pending];
    let filter = DeliveryFilter { endpoint: Some(endpoint.id), event: None, states };
    let after = Some((after, endpoint.id));
    let page = DeliveryPage { after, before: None, limit: AT_ONCE, oldest_first: true };
    let slice = right.deliveries(filter, page).await?;
    let rows = slice.rows.into_iter().map(|row| row.event);
    Ok(rows.filter(|event| last.is_some_and(|last| *event <= last)).collect())
}

async fn feed(
    right: &Right<Administers>,
    after: EventId,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let page = Page { after: Some(after.0), before: None, limit, oldest_first: true };
    Ok(right.events(EventFilter::default(), page).await?.rows)
}

async fn newest(right: &Right<Administers>) -> Result<EventId, StoreError> {
    let page = Page { after: None, before: None, limit: 1, oldest_first: false };
    let newest = right.events(EventFilter::default(), page).await?;
    Ok(newest.rows.first().map_or(EventId(0), |event| event.id))
}

/// The place in the feed after which what happened from a time on comes. Numbers grow with time,
/// so it is found by halving.
async fn before_the_first(
    right: &Right<Administers>,
    from: Timestamp,
    newest: EventId,
) -> Result<EventId, StoreError> {
    // Everything up to `low` is too early; what follows `high` is not.
    let (mut low, mut high) = (0, newest.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match feed(right, EventId(middle), 1).await?.first() {
            Some(event) if event.at < from => low = event.id.0,
            Some(_) | None => high = middle,
        }
    }
    Ok(EventId(low))
}
