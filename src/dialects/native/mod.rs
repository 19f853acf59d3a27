//! Refundry's own API, `/v1`.

mod call;
mod keys;
mod merchants;
mod orders;
mod refunds;
mod refusals;
pub mod route;
mod routes;
mod settings;
mod transactions;
mod wire;

use axum::Router;

pub use routes::ROUTES;

use super::shared::right::Desk;

/// The router of all routes of the table.
pub fn router() -> Router<Desk> {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)(route)))
}
