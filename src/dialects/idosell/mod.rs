//! IdoSell's refunds gate: nine methods over REST, over SOAP 1.1, and over SOAP's twin in JSON.
//! The methods are the same in all three; `rest` and `legacy` only read and write them.

mod answer;
mod kept;
mod legacy;
pub mod method;
mod reads;
mod refunds;
mod refusals;
mod rest;
mod soap;
mod source;
mod system;
mod wire;
mod wsdl;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::any;

use self::answer::Reply;
use self::method::Method;
use self::refusals::Trouble;
use self::wire::Group;
use super::Dialect;
use super::shared::desk::Desk;
use super::shared::replay::Once;
use super::shared::right::{Confirms, Reads, Right, Writes};
use crate::access::gate::Admitted;

pub const DIALECT: Dialect =
    Dialect { prefix: Some("/idosell"), router, shared: &[], format: None };

/// Which method and version is meant is in the path or the query, and so in the handlers.
pub fn router() -> Router<Desk> {
    Router::new()
        .route("/api/admin/{version}/refunds/{method}", any(rest::serve))
        .route("/api/", any(legacy::serve))
        .route("/api", any(legacy::serve))
}

/// What a caller may do in the gate.
pub struct Rights {
    reads: Right<Reads>,
    writes: Option<(Right<Writes>, Right<Confirms>)>,
}

impl Rights {
    fn claim(desk: &Desk, admitted: &Arc<Admitted>, method: Method) -> Result<Rights, Trouble> {
        let denied = |level: &str| Trouble::Denied(format!("Scope: oms, level: {level}"));
        let level = if method.reads() { "r" } else { "rw" };
        let no = |_| denied(level);
        let reads = Right::claim(desk.clone(), admitted.clone()).map_err(no)?;
        let writes = if method.reads() {
            None
        } else {
            let writes = Right::claim(desk.clone(), admitted.clone()).map_err(no)?;
            Some((writes, Right::claim(desk.clone(), admitted.clone()).map_err(no)?))
        };
        Ok(Rights { reads, writes })
    }

    fn writes(&self) -> Result<&Right<Writes>, Trouble> {
        self.writes.as_ref().map(|(writes, _)| writes).ok_or_else(no_level)
    }

    fn confirms(&self) -> Result<&Right<Confirms>, Trouble> {
        self.writes.as_ref().map(|(_, confirms)| confirms).ok_or_else(no_level)
    }
}

fn no_level() -> Trouble {
    Trouble::Denied("Scope: oms, level: rw".to_owned())
}

/// The idempotency key of a request, and whether it was answered before. Only the methods that add
/// a refund of an amount need one: repeating another changes nothing twice.
#[derive(Default)]
struct Repeat {
    once: Option<Once>,
    replayed: AtomicBool,
}

impl Repeat {
    fn under(once: Option<Once>) -> Repeat {
        Repeat { once, replayed: AtomicBool::new(false) }
    }

    /// Says in the answer that it is the first one again, if it is.
    fn mark(&self, response: &mut Response) {
        if self.replayed.load(Ordering::Relaxed) {
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), yes);
        }
    }
}

/// Carries a method out.
async fn answer(
    desk: &Desk,
    admitted: &Arc<Admitted>,
    method: Method,
    params: &Group,
    repeat: &Repeat,
) -> Result<Reply, Trouble> {
    let rights = Rights::claim(desk, admitted, method)?;
    match method {
        Method::AddAutomaticRefund => refunds::add_automatic(&rights, params).await,
        Method::AddAutomaticRefundForOrder => refunds::add_for_order(&rights, params, repeat).await,
        Method::AddManualRefund => refunds::add_manual(&rights, params, repeat).await,
        Method::GetPossibleAutoRefunds => reads::possible(&rights, params).await,
        Method::GetRefundStatus => reads::status(&rights, params).await,
        Method::UpdateRefund => refunds::update(&rights, params).await,
        Method::ConfirmRefund => refunds::confirm(&rights, params).await,
        Method::CancelRefund => refunds::cancel(&rights, params).await,
        Method::RetrieveRefundsList => reads::unconfirmed(&rights, params).await,
    }
}
