//! The APIs that are spoken, one folder each.

pub mod begateway;
pub mod fluent;
pub mod idosell;
pub mod native;
pub mod returngo;
pub mod shared;

use axum::Router;

use shared::desk::Desk;

/// A public API as it is mounted.
pub struct Dialect {
    /// Where its paths are found besides the root, such as `/returngo`; Refundry's own API has its
    /// version there already.
    pub prefix: Option<&'static str>,
    pub router: fn() -> Router<Desk>,
}

/// All that are spoken. A new one is a folder, and a line here.
pub const ALL: [Dialect; 5] = [
    Dialect { prefix: None, router: native::router },
    Dialect { prefix: Some("/begateway"), router: begateway::router },
    Dialect { prefix: Some("/fluent"), router: fluent::router },
    Dialect { prefix: Some("/idosell"), router: idosell::router },
    Dialect { prefix: Some("/returngo"), router: returngo::router },
];

/// Every dialect at its original paths, and each under its own prefix.
pub fn router() -> Router<Desk> {
    ALL.iter().fold(Router::new(), |router, dialect| {
        let router = router.merge((dialect.router)());
        match dialect.prefix {
            Some(prefix) => router.nest(prefix, (dialect.router)()),
            None => router,
        }
    })
}

/// Which route answered: an extension of every response of a dialect, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Served(pub &'static str);

/// Where a request came from: an extension of every request that came over a socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub std::net::IpAddr);
