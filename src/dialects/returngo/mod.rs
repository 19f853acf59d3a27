//! ReturnGO's API as a server: its transactions, and its returns to read.

mod call;
mod refusals;
mod returns;
mod transactions;
mod wire;

use axum::Router;
use axum::routing::MethodFilter;

use super::shared::desk::Desk;
use call::serve;

pub fn router() -> Router<Desk> {
    let get = MethodFilter::GET;
    Router::new()
        .route("/transactions", serve(get, "/transactions", transactions::list))
        .route(
            "/transaction/{id}",
            serve(MethodFilter::PUT, "/transaction/{id}", transactions::update),
        )
        .route("/rmas", serve(get, "/rmas", returns::list))
        .route("/rma/{id}", serve(get, "/rma/{id}", returns::show))
}
