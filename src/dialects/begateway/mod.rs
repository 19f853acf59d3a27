//! beGateway's API as a server: beyag (alternative payment methods) and the card gateway.

mod call;
pub mod format;
mod later;
mod payments;
mod refunds;
mod refusals;
mod sheet;
mod told;
mod transactions;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter};

use super::Dialect;
use super::shared::desk::Desk;
use Api::{Beyag, Card};
use call::{Api, serve};

pub const DIALECT: Dialect = Dialect {
    prefix: Some("/begateway"),
    router,
    shared: &[],
    format: Some(|_| Arc::new(format::Begateway)),
};

/// Where an operation is found. Every path is also there with a slash at its end.
pub struct Route {
    method: MethodFilter,
    path: &'static str,
    api: Api,
    handler: fn(&'static Route) -> MethodRouter<Desk>,
}

type Handler = fn(&'static Route) -> MethodRouter<Desk>;

const fn get(path: &'static str, api: Api, handler: Handler) -> Route {
    Route { method: MethodFilter::GET, path, api, handler }
}

const fn post(path: &'static str, api: Api, handler: Handler) -> Route {
    Route { method: MethodFilter::POST, path, api, handler }
}

const fn delete(path: &'static str, api: Api, handler: Handler) -> Route {
    Route { method: MethodFilter::DELETE, path, api, handler }
}

const REFUND: Handler = |route| serve(route, refunds::create);
const REFUND_LATER: Handler = |route| serve(route, later::refund);
const PAYMENT: Handler = |route| serve(route, payments::create);
const PAYMENT_LATER: Handler = |route| serve(route, later::payment);
const SHOW: Handler = |route| serve(route, transactions::show);
const STATUS: Handler = |route| serve(route, later::status);
const RESULT: Handler = |route| serve(route, later::result);
const UNSUPPORTED: Handler = |route| serve(route, transactions::unsupported);

/// The documented spellings in the plural, and those in the singular that the vendor's own clients
/// send.
static ROUTES: &[Route] = &[
    post("/beyag/transactions/refunds", Beyag, REFUND),
    post("/beyag/transactions/refund", Beyag, REFUND),
    post("/beyag/refunds", Beyag, REFUND),
    get("/beyag/refunds/{uid}", Beyag, |route| serve(route, transactions::show_refund)),
    post("/beyag/transactions/payments", Beyag, PAYMENT),
    post("/beyag/transactions/payment", Beyag, PAYMENT),
    post("/beyag/payments", Beyag, PAYMENT),
    get("/beyag/payments", Beyag, |route| serve(route, transactions::by_order)),
    get("/beyag/payments/{uid}", Beyag, |route| serve(route, transactions::show_payment)),
    delete("/beyag/payments/{uid}", Beyag, UNSUPPORTED),
    get("/beyag/transactions/{uid}", Beyag, SHOW),
    post("/beyag/transactions/{uid}", Beyag, UNSUPPORTED),
    post("/beyag/transactions/{uid}/renotify", Beyag, |route| serve(route, told::renotify)),
    get("/beyag/transactions/tracking_id/{tracking_id}", Beyag, |route| {
        serve(route, transactions::list)
    }),
    post("/beyag/async/transactions/refunds", Beyag, REFUND_LATER),
    post("/beyag/async/transactions/refund", Beyag, REFUND_LATER),
    post("/beyag/async/refunds", Beyag, REFUND_LATER),
    post("/beyag/async/transactions/payments", Beyag, PAYMENT_LATER),
    post("/beyag/async/transactions/payment", Beyag, PAYMENT_LATER),
    post("/beyag/async/payments", Beyag, PAYMENT_LATER),
    get("/beyag/async/status/{id}", Beyag, STATUS),
    get("/beyag/async/result/{id}", Beyag, RESULT),
    post("/transactions/refunds", Card, REFUND),
    post("/transactions/refund", Card, REFUND),
    post("/transactions/payments", Card, PAYMENT),
    post("/transactions/payment", Card, PAYMENT),
    get("/transactions/{uid}", Card, SHOW),
    post("/transactions/{uid}", Card, UNSUPPORTED),
    get("/transactions/tracking_id/{tracking_id}", Card, |route| serve(route, transactions::first)),
    get("/v2/transactions/tracking_id/{tracking_id}", Card, |route| {
        serve(route, transactions::list)
    }),
    post("/async/transactions/refunds", Card, REFUND_LATER),
    post("/async/transactions/refund", Card, REFUND_LATER),
    post("/async/transactions/payments", Card, PAYMENT_LATER),
    post("/async/transactions/payment", Card, PAYMENT_LATER),
    get("/async/status/{id}", Card, STATUS),
    get("/async/result/{id}", Card, RESULT),
    // Whatever else is asked of beyag: operations that are not served, addresses that are none.
    get("/beyag/{*rest}", Beyag, |route| serve(route, transactions::nowhere)),
    post("/beyag/{*rest}", Beyag, UNSUPPORTED),
    delete("/beyag/{*rest}", Beyag, UNSUPPORTED),
];

pub fn router() -> Router<Desk> {
    let mut paths: BTreeMap<&str, (Api, MethodRouter<Desk>)> = BTreeMap::new();
    for route in ROUTES {
        let (_, methods) = paths.entry(route.path).or_insert((route.api, MethodRouter::new()));
        *methods = std::mem::take(methods).merge((route.handler)(route));
    }
    paths.into_iter().fold(Router::new(), |router, (path, (api, methods))| {
        let methods = methods.fallback(move || async move { call::method_not_allowed(api) });
        let router = router.route(path, methods.clone());
        if path.ends_with("{*rest}") { router } else { router.route(&format!("{path}/"), methods) }
    })
}
