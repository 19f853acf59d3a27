//! ReturnGO's API as a server: its transactions, its returns to read, and its webhooks.

mod call;
pub mod format;
mod refusals;
mod returns;
mod transactions;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter};

use super::shared::desk::Desk;
use super::{Dialect, Place, Shared};
use call::{one, only, serve};

pub const DIALECT: Dialect = Dialect {
    prefix: Some("/returngo"),
    router,
    shared: SHARED,
    format: Some(|_| Arc::new(format::ReturnGo)),
};

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
        .route("/webhook", serve(MethodFilter::POST, "/webhook", webhooks::create))
        .route("/webhook/{id}", one_webhook())
}

fn one_webhook() -> MethodRouter<Desk> {
    let change = one(MethodFilter::PUT, "/webhook/{id}", webhooks::change);
    only(one(MethodFilter::DELETE, "/webhook/{id}", webhooks::delete).merge(change))
}

/// The paths that another API has too.
static SHARED: &[Shared] =
    &[Shared { path: "/webhooks", key_in: Place::Header("x-api-key"), methods: all_webhooks }];

fn all_webhooks() -> MethodRouter<Desk> {
    serve(MethodFilter::GET, "/webhooks", webhooks::list)
}
