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

use axum::Router;

use super::shared::desk::Desk;

/// The router of all routes of the table.
pub fn router() -> Router<Desk> {
    routes::all()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)(route)))
}
