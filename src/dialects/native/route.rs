//! What an operation of `/v1` is, as data: the router, the reference and the tests are made of it.

use axum::routing::{MethodFilter, MethodRouter};
use refundry_domain::merchant::Scope;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::Desk;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    pub fn filter(self) -> MethodFilter {
        match self {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        }
    }
}

/// A query field: its name, and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub what: &'static str,
}

/// A shape of the wire, with all shapes that it is made of.
pub type Shape = fn(&mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema>;

/// What a successful answer holds.
#[derive(Clone, Copy)]
pub enum Success {
    One(u16, Shape),
    /// A page of a list.
    List(Shape),
    /// Not JSON: its media type, and what it is.
    Stream(&'static str, &'static str),
}

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    /// The name of the operation, for generated clients.
    pub operation: &'static str,
    pub summary: &'static str,
    /// Any of these is enough.
    pub scopes: &'static [Scope],
    pub key: KeyRule,
    pub query: &'static [Param],
    pub body: Option<Shape>,
    pub success: Success,
    pub handler: fn(&'static Route) -> MethodRouter<Desk>,
}
