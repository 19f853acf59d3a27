//! Keys, gateways, merchants and settings.

use super::super::call::serve;
use super::super::route::Route;
use super::super::wire::{administration, gateways as wire};
use super::super::{gateways, keys, merchants, settings};
use super::{AFTER, BEFORE, LIMIT, shape};
use crate::dialects::shared::replay::KeyRule;
use crate::dialects::shared::right::{Administers, Scoped};

pub static ROUTES: &[Route] = &[
    Route::post("/v1/keys", "create_key", |route| serve(route, keys::create))
        .summary("Makes an API key and shows its secret once")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<administration::KeyAsk>)
        .makes(shape::<administration::KeyView<'_>>),
    Route::get("/v1/keys", "list_keys", |route| serve(route, keys::list))
        .summary("Lists API keys, newest first")
        .scopes(Administers::ANY)
        .query(&[AFTER, BEFORE, LIMIT])
        .lists(shape::<administration::KeyView<'_>>),
    Route::get("/v1/keys/{id}", "get_key", |route| serve(route, keys::show))
        .summary("Shows an API key")
        .scopes(Administers::ANY)
        .shows(shape::<administration::KeyView<'_>>),
    Route::delete("/v1/keys/{id}", "revoke_key", |route| serve(route, keys::revoke))
        .summary("Revokes an API key")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .shows(shape::<administration::KeyView<'_>>),
    Route::post("/v1/gateways", "create_gateway", |route| serve(route, gateways::create))
        .summary("Connects an account at a provider")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<wire::GatewayAsk>)
        .makes(shape::<wire::GatewayView<'_>>),
    Route::get("/v1/gateways", "list_gateways", |route| serve(route, gateways::list))
        .summary("Lists the connected gateways, newest first")
        .scopes(Administers::ANY)
        .query(&[AFTER, BEFORE, LIMIT])
        .lists(shape::<wire::GatewayView<'_>>),
    Route::get("/v1/gateways/{id}", "get_gateway", |route| serve(route, gateways::show))
        .summary("Shows a gateway, by its id or name")
        .scopes(Administers::ANY)
        .shows(shape::<wire::GatewayView<'_>>),
    Route::patch("/v1/gateways/{id}", "update_gateway", |route| serve(route, gateways::change))
        .summary("Configures a gateway anew, or switches it on or off")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<wire::GatewayPatch>)
        .shows(shape::<wire::GatewayView<'_>>),
    Route::post("/v1/gateways/{id}/test", "test_gateway", |route| serve(route, gateways::test))
        .summary("Asks the provider whether the credentials work; moves no money")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .shows(shape::<wire::TestView>),
    Route::post("/v1/merchants", "create_merchant", |route| serve(route, merchants::create))
        .summary("Makes a merchant; for the operator")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<administration::MerchantAsk>)
        .makes(shape::<administration::MerchantView<'_>>),
    Route::get("/v1/merchants", "list_merchants", |route| serve(route, merchants::list))
        .summary("Lists merchants, newest first; for the operator")
        .scopes(Administers::ANY)
        .query(&[AFTER, BEFORE, LIMIT])
        .lists(shape::<administration::MerchantView<'_>>),
    Route::get("/v1/merchants/{id}", "get_merchant", |route| serve(route, merchants::show))
        .summary("Shows a merchant")
        .scopes(Administers::ANY)
        .shows(shape::<administration::MerchantView<'_>>),
    Route::patch("/v1/merchants/{id}", "update_merchant", |route| serve(route, merchants::change))
        .summary("Renames a merchant")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<administration::MerchantAsk>)
        .shows(shape::<administration::MerchantView<'_>>),
    Route::get("/v1/settings", "get_settings", |route| serve(route, settings::show))
        .summary("Shows the settings")
        .scopes(Administers::ANY)
        .shows(shape::<administration::SettingsView>),
    Route::patch("/v1/settings", "update_settings", |route| serve(route, settings::change))
        .summary("Changes settings")
        .scopes(Administers::ANY)
        .key(KeyRule::Refused)
        .takes(shape::<administration::SettingsPatch>)
        .shows(shape::<administration::SettingsView>),
];
