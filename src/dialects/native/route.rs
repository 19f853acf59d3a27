//! What an operation of `/v1` is, as data: the router, the reference and the tests are made of it.

use axum::routing::{MethodFilter, MethodRouter};
use refundry_domain::merchant::Scope;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::routes::DRY_RUN;
use crate::dialects::shared::desk::Desk;
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Reads, Scoped, Writes};

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

type Handler = fn(&'static Route) -> MethodRouter<Desk>;

/// Every route of the table says what it answers; this stands until it has.
fn unsaid(_: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    RefOr::T(Schema::default())
}

impl Route {
    const fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        handler: Handler,
    ) -> Route {
        Route {
            method,
            path,
            operation,
            summary: "",
            scopes: Writes::ANY,
            key: KeyRule::Optional,
            query: &[DRY_RUN],
            body: None,
            success: Success::One(200, unsaid),
            handler,
        }
    }

    /// A read: needs the scope to read, takes no key and no query.
    pub const fn get(path: &'static str, operation: &'static str, handler: Handler) -> Route {
        let route = Route::new(Method::Get, path, operation, handler);
        route.scopes(Reads::ANY).key(KeyRule::None).query(&[])
    }

    /// A write: needs the scope to write, takes an idempotency key, and can be tried dry.
    pub const fn post(path: &'static str, operation: &'static str, handler: Handler) -> Route {
        Route::new(Method::Post, path, operation, handler)
    }

    pub const fn patch(path: &'static str, operation: &'static str, handler: Handler) -> Route {
        Route::new(Method::Patch, path, operation, handler)
    }

    pub const fn delete(path: &'static str, operation: &'static str, handler: Handler) -> Route {
        Route::new(Method::Delete, path, operation, handler)
    }

    pub const fn summary(mut self, summary: &'static str) -> Route {
        self.summary = summary;
        self
    }

    pub const fn scopes(mut self, scopes: &'static [Scope]) -> Route {
        self.scopes = scopes;
        self
    }

    pub const fn key(mut self, key: KeyRule) -> Route {
        self.key = key;
        self
    }

    pub const fn query(mut self, query: &'static [Param]) -> Route {
        self.query = query;
        self
    }

    pub const fn takes(mut self, body: Shape) -> Route {
        self.body = Some(body);
        self
    }

    pub const fn makes(mut self, shape: Shape) -> Route {
        self.success = Success::One(201, shape);
        self
    }

    pub const fn shows(mut self, shape: Shape) -> Route {
        self.success = Success::One(200, shape);
        self
    }

    pub const fn lists(mut self, shape: Shape) -> Route {
        self.success = Success::List(shape);
        self
    }

    pub const fn streams(mut self, kind: &'static str, what: &'static str) -> Route {
        self.success = Success::Stream(kind, what);
        self
    }
}
