//! Accounts of store credit, gift cards and customers' balances.

use super::super::call::serve;
use super::super::credits;
use super::super::route::Route;
use super::super::wire::asks::Nothing;
use super::super::wire::credits as wire;
use super::{AFTER, BEFORE, LIMIT, param, shape};
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Reads, Scoped};

pub static ROUTES: &[Route] = &[
    Route::get("/v1/credit_accounts", "list_credit_accounts", |route| serve(route, credits::list))
        .summary("Lists credit accounts, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("customer", "The shop's own name for the customer."),
            param("kind", "One or more of store_credit, gift_card, customer_balance."),
        ])
        .lists(shape::<wire::AccountView<'_>>),
    Route::post("/v1/credit_accounts/lookup", "look_up_gift_card", |route| {
        serve(route, credits::lookup)
    })
    .summary("Finds a gift card by its code; writes nothing")
    .scopes(Reads::ANY)
    .key(KeyRule::Refused)
    .query(&[])
    .takes(shape::<wire::LookupAsk>)
    .shows(shape::<wire::AccountView<'_>>),
    Route::get("/v1/credit_accounts/{id}", "get_credit_account", |route| {
        serve(route, credits::show)
    })
    .summary("Shows a credit account and its balance")
    .shows(shape::<wire::AccountView<'_>>),
    Route::get("/v1/credit_accounts/{id}/entries", "list_credit_entries", |route| {
        serve(route, credits::entries)
    })
    .summary("Lists what moved a credit account, newest first")
    .query(&[AFTER, BEFORE, LIMIT])
    .lists(shape::<wire::EntryView<'_>>),
    Route::post("/v1/credit_accounts/{id}/spend", "spend_credit", |route| {
        serve(route, credits::spend)
    })
    .summary("Takes an amount of a credit account")
    .key(KeyRule::Required)
    .takes(shape::<wire::SpendAsk>)
    .makes(shape::<wire::EntryView<'_>>),
    Route::post("/v1/credit_accounts/{id}/undo", "undo_spend", |route| serve(route, credits::undo))
        .summary("Gives a spend back to its credit account, once")
        .key(KeyRule::Required)
        .takes(shape::<wire::UndoAsk>)
        .makes(shape::<wire::EntryView<'_>>),
    Route::post("/v1/credit_accounts/{id}/code", "issue_gift_card_code", |route| {
        serve(route, credits::issue_code)
    })
    .summary("Gives a gift card a new code and shows it once; the one before is void")
    .key(KeyRule::Refused)
    .takes(shape::<Nothing>)
    .makes(shape::<wire::AccountView<'_>>),
];
