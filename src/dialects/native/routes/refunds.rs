//! Refunds and transactions.

use super::super::call::serve;
use super::super::route::Route;
use super::super::wire::{answers, asks, information, report};
use super::super::{refunds, transactions};
use super::{AFTER, BEFORE, FROM, LIMIT, TRACKING_ID, UNTIL, param, shape};
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Confirms, Scoped};

pub static ROUTES: &[Route] = &[
    Route::post("/v1/refunds", "create_refund", |route| serve(route, refunds::create))
        .summary("Asks for a refund")
        .key(KeyRule::Required)
        .takes(shape::<asks::RefundAsk>)
        .makes(shape::<answers::RefundView<'_>>),
    Route::get("/v1/refunds", "list_refunds", |route| serve(route, refunds::list))
        .summary("Lists refunds, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("state", "One or more states, repeated or with commas between."),
            param("order", "The order's id."),
            param("return", "The return's id."),
            param("execution", "How it is carried out."),
            param("to", "Where the money goes."),
            TRACKING_ID,
            FROM,
            UNTIL,
        ])
        .lists(shape::<answers::RefundView<'_>>),
    Route::get("/v1/refunds/{id}", "get_refund", |route| serve(route, refunds::show))
        .summary("Shows a refund")
        .shows(shape::<answers::RefundView<'_>>),
    Route::patch("/v1/refunds/{id}", "update_refund", |route| serve(route, refunds::change))
        .summary("Changes the amount of an unconfirmed refund, or the notes of any")
        .takes(shape::<asks::RefundPatch>)
        .shows(shape::<answers::RefundView<'_>>),
    Route::post("/v1/refunds/{id}/confirm", "confirm_refund", |route| {
        serve(route, refunds::confirm)
    })
    .summary("Confirms an unconfirmed refund, so that its money moves")
    .scopes(Confirms::ANY)
    .key(KeyRule::Required)
    .takes(shape::<asks::Nothing>)
    .shows(shape::<answers::RefundView<'_>>),
    Route::post("/v1/refunds/{id}/cancel", "cancel_refund", |route| serve(route, refunds::cancel))
        .summary("Cancels a refund that was not handed over yet")
        .takes(shape::<asks::CancelAsk>)
        .shows(shape::<answers::RefundView<'_>>),
    Route::post("/v1/refunds/{id}/retry", "retry_refund", |route| serve(route, refunds::retry))
        .summary("Tries a failed refund again, under new provider keys")
        .key(KeyRule::Required)
        .takes(shape::<asks::Nothing>)
        .shows(shape::<answers::RefundView<'_>>),
    Route::post("/v1/refunds/{id}/information", "give_refund_information", |route| {
        serve(route, refunds::information)
    })
    .summary("Gives the bank details that a refund waits for")
    .key(KeyRule::Required)
    .takes(shape::<asks::InformationAsk>)
    .shows(shape::<answers::RefundView<'_>>),
    Route::post("/v1/refunds/{id}/information_link", "get_refund_information_link", |route| {
        serve(route, refunds::information_link)
    })
    .summary("Gives the link under which the customer gives bank details")
    .key(KeyRule::Refused)
    .takes(shape::<asks::Nothing>)
    .shows(shape::<information::LinkView>),
    Route::get("/v1/transactions", "list_transactions", |route| serve(route, transactions::list))
        .summary("Lists transactions of both directions, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param(
                "kind",
                "One or more of payment, authorization, capture, invoice_payment, refund.",
            ),
            param("state", "One or more states of refund transactions."),
            param("order", "The order's id."),
            param("refund", "The refund's id."),
            param("provider", "The provider's name."),
            param("provider_reference", "The provider's own name of the movement."),
            FROM,
            UNTIL,
        ])
        .lists(shape::<answers::TransactionView<'_>>),
    Route::get("/v1/transactions/{id}", "get_transaction", |route| {
        serve(route, transactions::show)
    })
    .summary("Shows a transaction")
    .shows(shape::<answers::TransactionView<'_>>),
    Route::patch("/v1/transactions/{id}", "report_transaction", |route| {
        serve(route, transactions::report)
    })
    .summary("Reports what became of a refund that is carried out outside")
    .takes(shape::<report::ReportAsk>)
    .shows(shape::<answers::RefundTransactionView<'_>>),
];
