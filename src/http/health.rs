//! Whether the server lives, whether it takes writes, and what it counts. Needs no key, and shows
//! nothing of any merchant.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use refundry_domain::changes::Queue;
use serde::Serialize;

use super::metrics::{InQueue, Metrics};
use crate::connections::Connections;
use crate::dialects::Served;
use crate::ledger::Ledger;
use crate::store::Standing;

#[derive(Clone)]
struct Health {
    ledger: Arc<Ledger>,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(ledger: Arc<Ledger>, metrics: Arc<Metrics>, connections: Arc<Connections>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .with_state(Health { ledger, metrics, connections })
}

async fn healthz() -> Response {
    answer("/healthz", 200, "application/json", "{\"status\":\"ok\"}\n".to_owned())
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// Why no writes are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// `running`, or `stopped` when the books are behind their anchor: requests are taken and
    /// kept, and no money is sent until an operator decides.
    sending: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sending_reason: Option<String>,
}

impl Health {
    async fn look(&self) -> Ready {
        let reason = self.ledger.books().ready().await.err().map(|error| error.to_string());
        let (sending, sending_reason) = match self.ledger.books().standing() {
            Standing::Intact => ("running", None),
            Standing::Behind(what) => ("stopped", Some(what)),
        };
        let ready = reason.is_none();
        self.metrics.ready.set(i64::from(ready));
        self.metrics.sending_stopped.set(i64::from(sending_reason.is_some()));
        Ready { ready, reason, sending, sending_reason }
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let ready = health.look().await;
    let status = if ready.ready { 200 } else { 503 };
    let text = serde_json::to_string(&ready).unwrap_or_default();
    answer("/readyz", status, "application/json", text + "\n")
}

/// How much due work is counted; the count says when there is more than a worker keeps up with.
const DUE_MOST: u32 = 1_000;

async fn show_metrics(State(health): State<Health>) -> Response {
    health.look().await;
    for queue in Queue::ALL {
        let due = health.ledger.books().due(queue, health.ledger.now(), DUE_MOST).await;
        if let Ok(due) = due {
            let labels = InQueue { queue: queue.name() };
            let count = i64::try_from(due.len()).unwrap_or(i64::MAX);
            health.metrics.due.get_or_create(&labels).set(count);
        }
    }
    for (merchant, gateway, circuit) in health.connections.breakers.all() {
        health.metrics.circuit(merchant.0, &gateway, circuit);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    answer("/metrics", 200, kind, health.metrics.text())
}

fn answer(route: &'static str, status: u16, kind: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Served(route));
    response
}
