//! Digital River's API as a server, as far as refunds need it: refunds, orders, charges, returns,
//! events and webhooks.

mod ask;
mod call;
mod events;
pub mod format;
mod notes;
mod objects;
mod orders;
mod paging;
mod refunds;
mod refusals;
mod returns;
mod told;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::shared::desk::Desk;
use super::{Dialect, Place, Shared};
use call::{Methods, serve};

pub const DIALECT: Dialect = Dialect {
    prefix: Some("/digitalriver"),
    router,
    shared: SHARED,
    format: Some(|links| Arc::new(format::DigitalRiver(Some(links)))),
};

/// The paths that are this API's alone.
pub fn router() -> Router<Desk> {
    let refunds = Methods::at("/refunds")
        .get(|at| serve(at, refunds::list))
        .post(|at| serve(at, refunds::create));
    let refund = Methods::at("/refunds/{id}")
        .get(|at| serve(at, refunds::show))
        .post(|at| serve(at, refunds::change));
    let order = Methods::at("/orders/{id}")
        .get(|at| serve(at, orders::show))
        .post(|at| serve(at, orders::change));
    let charge = Methods::at("/charges/{id}").get(|at| serve(at, orders::charge));
    let returns = Methods::at("/returns")
        .get(|at| serve(at, returns::list))
        .post(|at| serve(at, returns::create));
    let one_return = Methods::at("/returns/{id}")
        .get(|at| serve(at, returns::show))
        .post(|at| serve(at, returns::change));
    let events = Methods::at("/events").get(|at| serve(at, events::list));
    let event = Methods::at("/events/{id}").get(|at| serve(at, events::show));
    let webhook = Methods::at("/webhooks/{id}")
        .get(|at| serve(at, webhooks::show))
        .patch(|at| serve(at, webhooks::change))
        .delete(|at| serve(at, webhooks::delete));
    [refunds, refund, order, charge, returns, one_return, events, event, webhook]
        .into_iter()
        .fold(Router::new(), |router, methods| router.route(methods.path(), methods.done()))
}

/// The paths that another API has too.
static SHARED: &[Shared] =
    &[Shared { path: "/webhooks", key_in: Place::Authorization, methods: all_webhooks }];

fn all_webhooks() -> MethodRouter<Desk> {
    Methods::at("/webhooks")
        .get(|at| serve(at, webhooks::list))
        .post(|at| serve(at, webhooks::create))
        .done()
}
