//! The APIs that are spoken, one folder each.

pub mod begateway;
pub mod digitalriver;
pub mod fluent;
pub mod idosell;
pub mod native;
pub mod returngo;
pub mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::{MethodRouter, any};
use tower::ServiceExt;

use crate::access::links::Links;
use crate::delivery::{Format, Formats};
use shared::desk::Desk;

/// Makes a dialect's format of webhooks; the links are for what it says of customers' bank details.
pub type MakeFormat = fn(Arc<Links>) -> Arc<dyn Format>;

/// A public API as it is mounted.
pub struct Dialect {
    /// Where its paths are found besides the root, such as `/returngo`; Refundry's own API has its
    /// version there already.
    pub prefix: Option<&'static str>,
    /// The paths that are its own.
    pub router: fn() -> Router<Desk>,
    /// The paths that another dialect has at the root too.
    pub shared: &'static [Shared],
    /// How webhook endpoints are told in its words, where it has webhooks.
    pub format: Option<MakeFormat>,
}

/// A path at the root that more than one dialect may have. Where a request carries its key says
/// whose it is.
pub struct Shared {
    pub path: &'static str,
    pub key_in: Place,
    pub methods: fn() -> MethodRouter<Desk>,
}

/// Where the clients of a dialect put their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Authorization,
    /// A header field of the dialect's own.
    Header(&'static str),
}

/// All that are spoken. A new one is a folder, its `mod` above, and its name here.
pub const ALL: [Dialect; 6] = [
    native::DIALECT,
    begateway::DIALECT,
    fluent::DIALECT,
    idosell::DIALECT,
    returngo::DIALECT,
    digitalriver::DIALECT,
];

/// In whose words webhook endpoints can be told.
pub fn formats(links: &Arc<Links>) -> Formats {
    let all = ALL.iter().filter_map(|dialect| dialect.format);
    Formats::of(all.map(|format| format(links.clone())).collect())
}

/// Every dialect at its original paths, and each under its own prefix.
pub fn router() -> Router<Desk> {
    let mut shared: BTreeMap<&str, Vec<(Place, MethodRouter<Desk>)>> = BTreeMap::new();
    let mut router = Router::new();
    for dialect in &ALL {
        let own = || (dialect.router)();
        router = router.merge(own());
        for path in dialect.shared {
            shared.entry(path.path).or_default().push((path.key_in, (path.methods)()));
        }
        if let Some(prefix) = dialect.prefix {
            let all = dialect.shared.iter();
            let all = all.fold(own(), |all, path| all.route(path.path, (path.methods)()));
            router = router.nest(prefix, all);
        }
    }
    let shared = shared.into_iter();
    shared.fold(router, |router, (path, claims)| router.route(path, by_place(claims)))
}

impl Place {
    fn is_in(self, headers: &HeaderMap) -> bool {
        match self {
            Place::Authorization => headers.contains_key(AUTHORIZATION),
            Place::Header(name) => headers.contains_key(name),
        }
    }
}

/// One path of several dialects: the first whose place has something in it answers; without any,
/// the first of all, so that a request without a key is refused in somebody's words.
pub fn by_place<S>(mut claims: Vec<(Place, MethodRouter<S>)>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    if claims.len() == 1
        && let Some((_, methods)) = claims.pop()
    {
        return methods;
    }
    any(async move |State(state): State<S>, request: Request| {
        let whose = claims.iter().find(|(place, _)| place.is_in(request.headers()));
        let methods = whose.or(claims.first()).map(|(_, methods)| methods.clone());
        let methods = methods.unwrap_or_default().with_state(state);
        match methods.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    })
}

/// Which route answered: an extension of every response of a dialect, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Served(pub &'static str);

/// Where a request came from: an extension of every request that came over a socket.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub std::net::IpAddr);
