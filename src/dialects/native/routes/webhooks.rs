//! Webhook endpoints and deliveries.

use super::super::call::serve;
use super::super::route::Route;
use super::super::wire::{asks, webhooks as wire};
use super::super::{deliveries, webhooks};
use super::{AFTER, BEFORE, LIMIT, param, shape};
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Administers, Scoped};

pub static ROUTES: &[Route] = &[
    Route::post("/v1/webhook_endpoints", "create_webhook_endpoint", |route| {
        serve(route, webhooks::create)
    })
    .summary("Makes a webhook endpoint and shows its secret once")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<wire::EndpointAsk>)
    .makes(shape::<wire::EndpointView<'_>>),
    Route::get("/v1/webhook_endpoints", "list_webhook_endpoints", |route| {
        serve(route, webhooks::list)
    })
    .summary("Lists webhook endpoints, newest first")
    .scopes(Administers::ANY)
    .query(&[AFTER, BEFORE, LIMIT])
    .lists(shape::<wire::EndpointView<'_>>),
    Route::get("/v1/webhook_endpoints/{id}", "get_webhook_endpoint", |route| {
        serve(route, webhooks::show)
    })
    .summary("Shows a webhook endpoint")
    .scopes(Administers::ANY)
    .shows(shape::<wire::EndpointView<'_>>),
    Route::patch("/v1/webhook_endpoints/{id}", "update_webhook_endpoint", |route| {
        serve(route, webhooks::change)
    })
    .summary("Changes, disables or enables a webhook endpoint")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<wire::EndpointPatch>)
    .shows(shape::<wire::EndpointView<'_>>),
    Route::delete("/v1/webhook_endpoints/{id}", "delete_webhook_endpoint", |route| {
        serve(route, webhooks::delete)
    })
    .summary("Deletes a webhook endpoint, with its deliveries and secrets")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .shows(shape::<wire::EndpointView<'_>>),
    Route::post("/v1/webhook_endpoints/{id}/rotate_secret", "rotate_webhook_secret", |route| {
        serve(route, webhooks::rotate)
    })
    .summary("Signs with a new secret from now on, and for a while with the old one too")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<wire::RotateAsk>)
    .shows(shape::<wire::EndpointView<'_>>),
    Route::post("/v1/webhook_endpoints/{id}/ping", "ping_webhook_endpoint", |route| {
        serve(route, webhooks::ping)
    })
    .summary("Sends an event of no consequence to a webhook endpoint")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<asks::Nothing>)
    .makes(shape::<wire::Pinged>),
    Route::post("/v1/webhook_endpoints/{id}/redeliver", "redeliver_events", |route| {
        serve(route, deliveries::redeliver_range)
    })
    .summary("Tells a webhook endpoint again of what happened in a time")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<wire::RedeliverAsk>)
    .shows(shape::<wire::Redelivered>),
    Route::get("/v1/deliveries", "list_deliveries", |route| serve(route, deliveries::list))
        .summary("Lists deliveries to webhook endpoints with their tries, newest event first")
        .scopes(Administers::ANY)
        .query(&[
            AFTER,
            BEFORE,
            LIMIT,
            param("endpoint", "The webhook endpoint's id."),
            param("event", "The event's id."),
            param("state", "One or more of pending, succeeded, failed."),
        ])
        .lists(shape::<wire::DeliveryView<'_>>),
    Route::get("/v1/deliveries/{id}", "get_delivery", |route| serve(route, deliveries::show))
        .summary("Shows a delivery")
        .scopes(Administers::ANY)
        .shows(shape::<wire::DeliveryView<'_>>),
    Route::post("/v1/deliveries/{id}/redeliver", "redeliver", |route| {
        serve(route, deliveries::redeliver)
    })
    .summary("Delivers an event to its endpoint again")
    .scopes(Administers::ANY)
    .key(KeyRule::Refused)
    .takes(shape::<asks::Nothing>)
    .shows(shape::<wire::DeliveryView<'_>>),
];
