//! The pages for people, at `/console`: HTML made here, complete without any script.
//!
//! A page asks through the same rights as a dialect and never adds up or compares an amount.
//! Each page is one file of `pages/`, its template has the same name in `templates/`.

mod ask;
mod assets;
mod cell;
mod chart;
mod csv;
mod form;
mod label;
mod list;
mod pages;
mod proof;
mod query;
pub mod route;
mod say;
mod session;
mod shell;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::dialects::shared::desk::Desk;
use proof::Proofs;
pub use session::Rules;
use session::Throttle;

/// What the pages stand on.
#[derive(Clone)]
pub struct Console {
    desk: Desk,
    rules: Rules,
    throttle: Arc<Throttle>,
    proofs: Proofs,
}

/// Every page of the table, and what they are drawn with.
pub fn router(desk: Desk, rules: Rules) -> Router {
    let console = Console { desk, rules, throttle: Arc::default(), proofs: Proofs::default() };
    let router = Router::new().route(assets::PATH, get(assets::serve));
    route::all()
        .fold(router, |router, entry| router.route(entry.path, (entry.handler)(entry)))
        .with_state(console)
}
