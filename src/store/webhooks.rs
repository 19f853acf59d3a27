//! What is asked and told of webhooks, and their columns that hold more than one value.

use std::collections::BTreeSet;

use refundry_domain::ids::{EndpointId, EventId, MerchantId, Timestamp};
use refundry_domain::webhook::{
    Delivery, DeliveryState, DisabledWhy, Endpoint, EndpointChange, EndpointState, Try,
};
use serde_json::{Map, Value};

use super::Slice;
use super::encode::{Unreadable, unreadable};
use super::facts::json;

/// Fields that are given must all match; an empty list of states matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    pub endpoint: Option<EndpointId>,
    pub event: Option<EventId>,
    pub states: Vec<DeliveryState>,
}

/// A place in the list of deliveries, which is in order of event and then of endpoint.
pub type Place = (EventId, EndpointId);

/// Which part of the list of deliveries is wanted; newest first unless `oldest_first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryPage {
    pub after: Option<Place>,
    /// The rows nearest to it, still in the list's order.
    pub before: Option<Place>,
    /// At least 1.
    pub limit: u32,
    pub oldest_first: bool,
}

impl DeliveryPage {
    /// Whether the rows nearest to the list's beginning are wanted, or those nearest to `before`.
    pub fn forward(&self) -> bool {
        self.before.is_none() || self.after.is_some()
    }

    /// Whether rows are read in order of event to find those that are wanted.
    pub fn ascending(&self) -> bool {
        self.oldest_first == self.forward()
    }
}

/// What a worker has done for one endpoint that it has the lease of.
#[derive(Clone, Debug)]
pub struct Progress {
    pub merchant: MerchantId,
    pub endpoint: EndpointId,
    pub cursor: EventId,
    pub failing_since: Option<Timestamp>,
    /// As they are now; of several for one event, the last stands.
    pub deliveries: Vec<Delivery>,
}

/// `[[at, took_ms, status, error, answer], …]`
pub fn tries(tries: &[Try]) -> String {
    let rows: Vec<_> = tries
        .iter()
        .map(|row| (row.at.0, row.took_ms, row.status, row.error.as_deref(), row.answer.as_str()))
        .collect();
    json(&rows)
}

pub fn read_tries(text: &str) -> Result<Vec<Try>, Unreadable> {
    type Row = (i64, i64, Option<u16>, Option<String>, String);
    let rows: Vec<Row> =
        serde_json::from_str(text).map_err(|_| unreadable("a delivery's tries", text))?;
    let read = |(at, took_ms, status, error, answer): Row| {
        let at = Timestamp(at);
        Try { at, took_ms, status, error, answer }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The types of events, with a space between.
pub fn events(names: &[String]) -> String {
    names.join(" ")
}

pub fn read_events(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a change comes to.
pub enum Changed {
    /// It is so already.
    Nothing,
    /// Somebody else has changed it meanwhile.
    Stale,
    /// The endpoint is to be written, with an event that holds this, and these events are to be
    /// told again.
    Written { data: String, again: Vec<EventId> },
}

/// Makes a change to an endpoint, as every store does.
pub fn change(endpoint: &mut Endpoint, change: EndpointChange, at: Timestamp) -> Changed {
    let mut again = Vec::new();
    let data = match change {
        EndpointChange::Edit { url, events, description, enabled } => {
            let data = edited(endpoint, (url, events, description, enabled), at);
            if data.is_empty() {
                return Changed::Nothing;
            }
            data
        }
        EndpointChange::Rotate { revision, .. } if revision != endpoint.revision => {
            return Changed::Stale;
        }
        EndpointChange::Rotate { secrets, .. } => {
            endpoint.secrets = secrets;
            Map::new()
        }
        EndpointChange::Disable(_) if endpoint.state != EndpointState::Enabled => {
            return Changed::Nothing;
        }
        EndpointChange::Disable(why) => {
            endpoint.state = EndpointState::Disabled;
            endpoint.disabled = Some((at, why));
            Map::from_iter([("why".to_owned(), why.name().into())])
        }
        EndpointChange::Delete => {
            endpoint.state = EndpointState::Deleted;
            endpoint.secrets = Vec::new();
            Map::new()
        }
        EndpointChange::Ping => Map::new(),
        EndpointChange::Redeliver { events } => {
            let numbers: BTreeSet<i64> = events.iter().map(|event| event.0).collect();
            again = events;
            Map::from_iter([
                ("count".to_owned(), numbers.len().into()),
                ("first".to_owned(), numbers.first().copied().into()),
                ("last".to_owned(), numbers.last().copied().into()),
            ])
        }
    };
    endpoint.revision += 1;
    endpoint.updated_at = at;
    Changed::Written { data: Value::Object(data).to_string(), again }
}

type Edit = (Option<String>, Option<Vec<String>>, Option<String>, Option<bool>);

fn edited(
    endpoint: &mut Endpoint,
    (url, events, description, enabled): Edit,
    at: Timestamp,
) -> Map<String, Value> {
    let mut data = Map::new();
    if let Some(url) = url.filter(|url| *url != endpoint.url) {
        data.insert("url".to_owned(), url.as_str().into());
        endpoint.url = url;
    }
    if let Some(events) = events.filter(|events| *events != endpoint.events) {
        data.insert("events".to_owned(), events.clone().into());
        endpoint.events = events;
    }
    if let Some(description) = description.filter(|text| *text != endpoint.description) {
        data.insert("description".to_owned(), description.as_str().into());
        endpoint.description = description;
    }
    let is_enabled = endpoint.state == EndpointState::Enabled;
    if let Some(enabled) = enabled.filter(|enabled| *enabled != is_enabled) {
        data.insert("enabled".to_owned(), enabled.into());
        // Given another chance, it has failed for no time yet.
        (endpoint.state, endpoint.disabled, endpoint.failing_since) = if enabled {
            (EndpointState::Enabled, None, None)
        } else {
            (EndpointState::Disabled, Some((at, DisabledWhy::Asked)), endpoint.failing_since)
        };
    }
    data
}

/// The least and the greatest event of one endpoint's list that may be on the page.
pub fn span(endpoint: EndpointId, filter: &DeliveryFilter, page: DeliveryPage) -> (i64, i64) {
    let (mut least, mut most) = (i64::MIN, i64::MAX);
    let (follows, precedes) =
        if page.oldest_first { (page.after, page.before) } else { (page.before, page.after) };
    if let Some((event, other)) = follows {
        least = if endpoint > other { event.0 } else { event.0.saturating_add(1) };
    }
    if let Some((event, other)) = precedes {
        most = if endpoint < other { event.0 } else { event.0.saturating_sub(1) };
    }
    if let Some(event) = filter.event {
        (least, most) = (least.max(event.0), most.min(event.0));
    }
    (least, most)
}

/// One page of the rows of several endpoints' lists, each of which has all that may be on it and
/// one more.
pub fn page_of(mut found: Vec<Delivery>, page: DeliveryPage) -> Slice<Delivery> {
    found.sort_unstable_by_key(|row: &Delivery| (row.event, row.endpoint));
    if !page.ascending() {
        found.reverse();
    }
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    if !page.forward() {
        found.reverse();
    }
    Slice { rows: found, more }
}
