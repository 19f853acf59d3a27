//! Reports.

use super::super::call::serve;
use super::super::reports;
use super::super::route::Route;
use super::super::wire::reports as wire;
use super::{param, shape};

pub static ROUTES: &[Route] = &[Route::get("/v1/reports/refunds", "report_refunds", |route| {
    serve(route, reports::refunds)
})
.summary("Tells what happened to refunds, by day and otherwise")
.query(&[
    param(
        "by",
        "`day` (when not given), `month`, `reason`, `provider`, `currency`, `failure` or `time`.",
    ),
    param("from", "The first day; without it, thirty days up to the last."),
    param("to", "The last day; 366 days at most. Without it, today."),
    param("currency", "An ISO 4217 code."),
    param("provider", "The provider's name."),
    param("reason", "The reason as it was given; empty for refunds without one."),
])
.shows(shape::<wire::ReportView<'_>>)];
