//! Fluent Commerce's return transactions v4.1 as a server: the token, the transactions of a return,
//! and returns themselves, as far as a client needs them to have one.

mod call;
mod create;
mod refusals;
mod returns;
mod source;
mod token;
mod transactions;
mod update;
mod wire;

use axum::Router;
use axum::routing::MethodFilter;

use self::call::{not_allowed, serve};
use super::Dialect;
use super::shared::desk::Desk;

pub const DIALECT: Dialect = Dialect { prefix: Some("/fluent"), router, shared: &[], format: None };

/// One version's paths: its returns, one of them, its transactions, one of those.
type Paths = [&'static str; 4];

/// Both versions that the contract's own samples use; they are the same.
const VERSIONS: [Paths; 2] = [
    [
        "/api/v4.1/return",
        "/api/v4.1/return/{returnId}",
        "/api/v4.1/return/{returnId}/transaction",
        "/api/v4.1/return/{returnId}/transaction/{transactionId}",
    ],
    [
        "/api/v4/return",
        "/api/v4/return/{returnId}",
        "/api/v4/return/{returnId}/transaction",
        "/api/v4/return/{returnId}/transaction/{transactionId}",
    ],
];

pub fn router() -> Router<Desk> {
    let token = token::route().fallback(not_allowed);
    VERSIONS.iter().fold(Router::new().route(token::PATH, token), |router, paths| {
        let [returns, one_return, transactions, one] = *paths;
        let (get, post, put) = (MethodFilter::GET, MethodFilter::POST, MethodFilter::PUT);
        let on_returns =
            serve(get, returns, returns::list).merge(serve(post, returns, returns::create));
        let on_transactions = serve(get, transactions, transactions::list).merge(serve(
            post,
            transactions,
            create::create,
        ));
        let on_one = serve(get, one, transactions::show).merge(serve(put, one, update::update));
        router
            .route(returns, on_returns.fallback(not_allowed))
            .route(one_return, serve(get, one_return, returns::show).fallback(not_allowed))
            .route(transactions, on_transactions.fallback(not_allowed))
            .route(one, on_one.fallback(not_allowed))
    })
}
