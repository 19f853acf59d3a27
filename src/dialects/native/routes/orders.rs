//! Orders, returns, events and bulk.

use super::super::call::serve;
use super::super::route::Route;
use super::super::wire::{answers, asks, records};
use super::super::{bulk, events, orders, returns, stream};
use super::{AFTER, BEFORE, FROM, LIMIT, TRACKING_ID, UNTIL, param, shape};
use crate::dialects::shared::replay::KeyRule;

pub static ROUTES: &[Route] = &[
    Route::post("/v1/orders", "create_order", |route| serve(route, orders::create))
        .summary("Registers an order, with its lines and payments")
        .takes(shape::<asks::OrderAsk>)
        .makes(shape::<answers::OrderView<'_>>),
    Route::get("/v1/orders", "list_orders", |route| serve(route, orders::list))
        .summary("Lists orders, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("reference", "The shop's own number."),
            param("customer", "The shop's own name of the customer."),
            TRACKING_ID,
            FROM,
            UNTIL,
        ])
        .lists(shape::<answers::OrderView<'_>>),
    Route::get("/v1/orders/{id}", "get_order", |route| serve(route, orders::show))
        .summary("Shows an order with its balances")
        .shows(shape::<answers::OrderView<'_>>),
    Route::patch("/v1/orders/{id}", "update_order", |route| serve(route, orders::change))
        .summary("Marks an order as fulfilled, sets a dispute, replaces its notes")
        .takes(shape::<asks::OrderPatch>)
        .shows(shape::<answers::OrderView<'_>>),
    Route::post("/v1/orders/{id}/payments", "record_payment", |route| {
        serve(route, orders::record_payment)
    })
    .summary("Records a payment, authorization or capture of an order")
    .takes(shape::<asks::PaymentAsk>)
    .makes(shape::<answers::PaymentView<'_>>),
    Route::get("/v1/orders/{id}/refundable", "get_refundable", |route| {
        serve(route, orders::refundable)
    })
    .summary("Says what can still be given back, and how an amount would be split")
    .query(&[
        param("amount", "The amount to show the split of."),
        param("percent", "The share to show the split of."),
        param("payment", "The payment to draw on."),
        param("kind", "Only of the lines of this kind."),
        param("to", "Where the money is to go."),
    ])
    .shows(shape::<records::Refundable<'_>>),
    Route::get("/v1/orders/{id}/events", "list_order_events", |route| {
        serve(route, events::of_order)
    })
    .summary("Lists the events of an order")
    .query(&[
        AFTER,
        BEFORE,
        LIMIT,
        param("oldest_first", "`true`: oldest first."),
        param("type", "One or more types of events."),
        param("subject", "The id of what the event is about."),
    ])
    .lists(shape::<records::EventView<'_>>),
    Route::post("/v1/returns", "create_return", |route| serve(route, returns::create))
        .summary("Opens a return or a complaint")
        .takes(shape::<asks::ReturnAsk>)
        .makes(shape::<records::ReturnView<'_>>),
    Route::get("/v1/returns", "list_returns", |route| serve(route, returns::list))
        .summary("Lists returns, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("kind", "`return` or `complaint`."),
            param("state", "One or more states."),
            param("order", "The order's id."),
            param("reference", "The shop's own number."),
        ])
        .lists(shape::<records::ReturnView<'_>>),
    Route::get("/v1/returns/{id}", "get_return", |route| serve(route, returns::show))
        .summary("Shows a return")
        .shows(shape::<records::ReturnView<'_>>),
    Route::patch("/v1/returns/{id}", "update_return", |route| serve(route, returns::change))
        .summary("Changes the state, reason or notes of a return")
        .takes(shape::<asks::ReturnPatch>)
        .shows(shape::<records::ReturnView<'_>>),
    Route::post("/v1/returns/{id}/close", "close_return", |route| serve(route, returns::close))
        .summary("Closes a return")
        .takes(shape::<asks::CloseAsk>)
        .shows(shape::<records::ReturnView<'_>>),
    Route::get("/v1/events", "list_events", |route| serve(route, events::list))
        .summary("Lists events, newest first")
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("oldest_first", "`true`: oldest first."),
            param("type", "One or more types of events."),
            param("subject", "The id of what the event is about."),
            param("order", "The order's id."),
        ])
        .lists(shape::<records::EventView<'_>>),
    Route::get("/v1/events/stream", "stream_events", |route| serve(route, stream::stream))
        .summary("Sends events as they happen, from Last-Event-ID on")
        .query(&[
            param("after", "The id of the event to begin after, without Last-Event-ID."),
            param("type", "One or more types of events."),
        ])
        .streams("text/event-stream", "Server-sent events, each an Event"),
    Route::post("/v1/bulk", "bulk", |route| serve(route, bulk::bulk))
        .summary("Carries out many orders and refunds, each line on its own")
        .key(KeyRule::Refused)
        .streams("application/x-ndjson", "One BulkAnswer a line, in the order of the lines"),
];
