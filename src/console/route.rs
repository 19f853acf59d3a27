//! Every page, as data: the router and the tests are made of it.

use axum::http::Method;
use axum::routing::MethodRouter;
use refundry_domain::merchant::Scope;

use super::Console;
use super::pages::{
    audit, confirm, credits, gateways, keys, live, login, new_refund, new_return, orders, overview,
    owed, refunds, reports, returns, search, settings, transfers, webhooks,
};
use super::visit::{serve, serve_open};

type Handler = fn(&'static Entry) -> MethodRouter<Console>;

pub struct Entry {
    pub method: Method,
    pub path: &'static str,
    /// Any of these is enough; nobody has to be signed in when there are none.
    pub needs: &'static [Scope],
    pub handler: Handler,
}

const READS: &[Scope] = &[Scope::Read];
const WRITES: &[Scope] = &[Scope::Write];
const CONFIRMS: &[Scope] = &[Scope::Write, Scope::Approve];
const ADMINISTERS: &[Scope] = &[Scope::Admin];

const fn look(path: &'static str, handler: Handler) -> Entry {
    Entry { method: Method::GET, path, needs: READS, handler }
}

const fn act(path: &'static str, needs: &'static [Scope], handler: Handler) -> Entry {
    Entry { method: Method::POST, path, needs, handler }
}

impl Entry {
    const fn needs(mut self, needs: &'static [Scope]) -> Entry {
        self.needs = needs;
        self
    }
}

pub fn all() -> impl Iterator<Item = &'static Entry> {
    ACCESS.iter().chain(WORK).chain(ADMINISTRATION)
}

static ACCESS: &[Entry] = &[
    look("/console/login", |entry| serve_open(entry, login::show)).needs(&[]),
    act("/console/login", &[], |entry| serve_open(entry, login::enter)),
    act("/console/logout", READS, |entry| serve(entry, login::leave)),
    act("/console/theme", &[], |entry| serve_open(entry, login::theme)),
    look("/console/live", |entry| serve(entry, live::stream)),
    look("/console/{*rest}", |entry| serve(entry, login::nothing)),
];

static WORK: &[Entry] = &[
    look("/console", |entry| serve(entry, overview::show)),
    look("/console/search", |entry| serve(entry, search::find)),
    look("/console/orders", |entry| serve(entry, orders::list)),
    look("/console/orders/{id}", |entry| serve(entry, orders::show)),
    look("/console/orders/{id}/refund", |entry| serve(entry, new_refund::show)),
    look("/console/orders/{id}/split", |entry| serve(entry, new_refund::split)),
    act("/console/orders/{id}/refund", WRITES, |entry| serve(entry, new_refund::request)),
    look("/console/orders/{id}/return", |entry| serve(entry, new_return::show)).needs(WRITES),
    act("/console/orders/{id}/return", WRITES, |entry| serve(entry, new_return::open)),
    look("/console/refunds", |entry| serve(entry, refunds::list)),
    look("/console/refunds/{id}", |entry| serve(entry, refunds::show)),
    act("/console/refunds/{id}/confirm", CONFIRMS, |entry| serve(entry, refunds::confirm)),
    act("/console/refunds/{id}/change", WRITES, |entry| serve(entry, refunds::change)),
    act("/console/refunds/{id}/cancel", WRITES, |entry| serve(entry, refunds::cancel)),
    act("/console/refunds/{id}/retry", WRITES, |entry| serve(entry, refunds::retry)),
    act("/console/refunds/{id}/link", WRITES, |entry| serve(entry, refunds::link)),
    look("/console/confirm", |entry| serve(entry, confirm::list)),
    act("/console/confirm", CONFIRMS, |entry| serve(entry, confirm::decide)),
    look("/console/owed", |entry| serve(entry, owed::list)),
    look("/console/owed/{id}", |entry| serve(entry, owed::show)),
    act("/console/owed/{id}", WRITES, |entry| serve(entry, owed::report)),
    look("/console/reports", |entry| serve(entry, reports::show)),
    look("/console/returns", |entry| serve(entry, returns::list)),
    look("/console/returns/{id}", |entry| serve(entry, returns::show)),
    act("/console/returns/{id}", WRITES, |entry| serve(entry, returns::change)),
    act("/console/returns/{id}/close", WRITES, |entry| serve(entry, returns::close)),
    look("/console/credits", |entry| serve(entry, credits::list)),
    act("/console/credits", READS, |entry| serve(entry, credits::look_up)),
    look("/console/credits/{id}", |entry| serve(entry, credits::show)),
    act("/console/credits/{id}/spend", WRITES, |entry| serve(entry, credits::spend)),
    act("/console/credits/{id}/undo", WRITES, |entry| serve(entry, credits::undo)),
    act("/console/credits/{id}/code", WRITES, |entry| serve(entry, credits::issue_code)),
];

static ADMINISTRATION: &[Entry] = &[
    look("/console/transfers", |entry| serve(entry, transfers::list)).needs(ADMINISTERS),
    act("/console/transfers", ADMINISTERS, |entry| serve(entry, transfers::make)),
    look("/console/transfers/{id}", |entry| serve(entry, transfers::file)).needs(ADMINISTERS),
    look("/console/webhooks", |entry| serve(entry, webhooks::list)).needs(ADMINISTERS),
    act("/console/webhooks", ADMINISTERS, |entry| serve(entry, webhooks::create)),
    look("/console/webhooks/{id}", |entry| serve(entry, webhooks::show)).needs(ADMINISTERS),
    act("/console/webhooks/{id}", ADMINISTERS, |entry| serve(entry, webhooks::change)),
    look("/console/webhooks/{id}/{event}", |entry| serve(entry, webhooks::delivery))
        .needs(ADMINISTERS),
    act("/console/webhooks/{id}/{event}", ADMINISTERS, |entry| serve(entry, webhooks::redeliver)),
    look("/console/gateways", |entry| serve(entry, gateways::list)).needs(ADMINISTERS),
    act("/console/gateways", ADMINISTERS, |entry| serve(entry, gateways::create)),
    look("/console/gateways/{name}", |entry| serve(entry, gateways::show)).needs(ADMINISTERS),
    act("/console/gateways/{name}", ADMINISTERS, |entry| serve(entry, gateways::change)),
    look("/console/keys", |entry| serve(entry, keys::list)).needs(ADMINISTERS),
    act("/console/keys", ADMINISTERS, |entry| serve(entry, keys::create)),
    act("/console/keys/revoke", ADMINISTERS, |entry| serve(entry, keys::revoke)),
    look("/console/settings", |entry| serve(entry, settings::show)).needs(ADMINISTERS),
    act("/console/settings", ADMINISTERS, |entry| serve(entry, settings::change)),
    look("/console/audit", |entry| serve(entry, audit::list)).needs(ADMINISTERS),
    act("/console/audit", ADMINISTERS, |entry| serve(entry, audit::verify)),
];
