//! Refundry's own API, `/v1`.

mod bulk;
mod call;
mod credits;
mod deliveries;
mod events;
pub mod format;
mod gateways;
mod keys;
mod merchants;
pub mod openapi;
mod orders;
mod refunds;
mod refusals;
mod reports;
mod returns;
pub mod route;
pub mod routes;
mod settings;
mod stream;
mod transactions;
mod transfers;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;

use super::Dialect;
use super::shared::desk::Desk;

pub const DIALECT: Dialect = Dialect {
    prefix: None,
    router,
    shared: &[],
    format: Some(|links| Arc::new(format::WithLinks::new(links))),
};

/// The router of all routes of the table.
pub fn router() -> Router<Desk> {
    routes::all()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)(route)))
}
