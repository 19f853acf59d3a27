//! The HTTP server around the dialects.

pub mod docs;
pub mod health;
mod inbox;
pub mod metrics;
pub mod server;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::access::gate::Gate;
use crate::access::links::Links;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::console;
use crate::customer;
use crate::delivery::Counter;
use crate::dialects;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::problem::Problem;
use crate::gateways::Heed;
use crate::ledger::Ledger;
use crate::store::Store;
use metrics::Metrics;

/// Everything that answers requests.
pub struct Site {
    pub router: Router,
    pub metrics: Arc<Metrics>,
    pub gate: Arc<Gate>,
    /// Becomes true when the server drains, and ends the streams.
    stop: watch::Sender<bool>,
}

#[expect(clippy::too_many_arguments, reason = "it is the list of what a site stands on")]
/// The site over a ledger and its store. What providers report is taken up by `heed`.
pub fn site(
    ledger: Arc<Ledger>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    links: Arc<Links>,
    connections: Arc<Connections>,
    counter: Counter,
    sessions: console::Rules,
    heed: Arc<dyn Heed>,
) -> Site {
    let (stop, stopping) = watch::channel(false);
    let mut metrics = Metrics::default();
    metrics.register_webhooks(&counter.counts);
    let metrics = Arc::new(metrics);
    let counts = metrics.clone();
    ledger.observe(Box::new(move |seen| counts.command(seen)));
    let gate = Arc::new(Gate::new(store, clock.clone()));
    let health = health::router(ledger.clone(), metrics.clone(), connections.clone());
    let customers = customer::router(ledger.clone(), links.clone(), clock.clone());
    let inbox = inbox::router(connections.clone(), heed, clock);
    let desk = Desk::new(ledger, gate.clone(), links, connections, counter, stopping);
    let router = dialects::router()
        .with_state(desk.clone())
        .merge(console::router(desk, sessions))
        .merge(inbox)
        .merge(customers)
        .merge(health)
        .merge(docs::router())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(refuse_method);
    Site { router, metrics, gate, stop }
}

/// axum adds the Allow field.
async fn refuse_method(_headers: HeaderMap) -> Response {
    Problem::method_not_allowed(None).into_response()
}
