//! The table of all operations of `/v1`.

mod administration;
mod credits;
mod orders;
mod refunds;
mod reports;
mod transfers;
mod webhooks;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::route::{Param, Route};

/// Every operation, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Route> {
    orders::ROUTES
        .iter()
        .chain(refunds::ROUTES)
        .chain(transfers::ROUTES)
        .chain(credits::ROUTES)
        .chain(reports::ROUTES)
        .chain(webhooks::ROUTES)
        .chain(administration::ROUTES)
}

/// The shape of a type, by reference, with all shapes that it is made of.
pub fn shape<T: ToSchema + PartialSchema>(all: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(all);
    let name = T::name().into_owned();
    all.push((name.clone(), T::schema()));
    RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
}

pub const DRY_RUN: Param = param("dry_run", "`true`: decide and answer, and write nothing.");
const AFTER: Param = param("after", "The id that the page follows.");
const BEFORE: Param = param("before", "The id that the page precedes.");
const LIMIT: Param = param("limit", "From 1 to 100; 25 when not given.");
const TRACKING_ID: Param =
    param("tracking_id", "The note `tracking_id`, or one of its parts between semicolons.");
const FROM: Param = param("created_from", "The earliest time of creation.");
const UNTIL: Param = param("created_until", "The time of creation to stop before.");

const fn param(name: &'static str, what: &'static str) -> Param {
    Param { name, what }
}
