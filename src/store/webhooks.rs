//! What is asked and told of webhooks, and their columns that hold more than one value.

use refundry_domain::ids::{EndpointId, EventId, MerchantId, Timestamp};
use refundry_domain::webhook::{Delivery, DeliveryState, Try};

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
