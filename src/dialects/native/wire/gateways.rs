//! Gateways as they go over the wire. Credentials go in and never come out.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use refundry_domain::merchant::Connection;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::words::{GatewayTag, Id, Time, Unique};
use crate::gateways::connectors;

/// Names and texts.
#[derive(Default, ToSchema)]
#[schema(value_type = Object)]
pub struct Texts(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_map(Unique(PhantomData)).map(Texts)
    }
}

/// An account at a provider to be connected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayAsk {
    /// The provider's name as payments carry it.
    #[schema(example = "stripe")]
    pub name: String,
    /// What speaks to it; docs/gateways.md lists all, with their settings and secrets.
    #[schema(example = "stripe")]
    pub connector: String,
    #[serde(default)]
    pub settings: Texts,
    /// Kept sealed, and never shown again.
    #[serde(default)]
    pub secrets: Texts,
    /// Whether refunds are sent to it; true when not given.
    pub enabled: Option<bool>,
}

/// What of a gateway changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayPatch {
    /// All settings anew.
    pub settings: Option<Texts>,
    /// All secrets anew.
    pub secrets: Option<Texts>,
    pub enabled: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Gateway)]
pub struct GatewayView<'a> {
    /// Null in the answer to a dry run.
    id: Option<GatewayTag>,
    name: &'a str,
    connector: &'a str,
    settings: &'a BTreeMap<String, String>,
    enabled: bool,
    can: Option<Can>,
    /// Where the provider is to send its notifications; null when it has none.
    notifications_path: Option<String>,
    created_at: Time,
    updated_at: Time,
}

/// What the provider can do, as the engine goes by it.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewayAbilities)]
struct Can {
    /// Carries a refund out at most once under its key.
    deduplicate: bool,
    /// Can be asked what became of a refund.
    be_asked: bool,
    /// Gives back a part of a payment.
    in_part: bool,
    /// Gives back of a payment more than once.
    repeatedly: bool,
    /// The currencies it pays; null for all.
    currencies: Option<Vec<&'static str>>,
    /// The payment methods that need the customer's bank details.
    needs_details_for: Vec<String>,
}

impl<'a> GatewayView<'a> {
    pub fn of(row: &'a Connection) -> GatewayView<'a> {
        let connector = connectors::named(&row.connector);
        let can = connector.map(|known| {
            let abilities = (known.abilities)(&row.settings);
            Can {
                deduplicate: known.deduplicates,
                be_asked: known.can_be_asked,
                in_part: abilities.in_part,
                repeatedly: abilities.repeatedly,
                currencies: abilities
                    .currencies
                    .map(|known| known.into_iter().map(|currency| currency.code()).collect()),
                needs_details_for: abilities.methods_needing_information,
            }
        });
        let notifies = connector.is_some_and(|known| !known.notifications.is_empty());
        GatewayView {
            id: Some(Id(row.id)),
            name: &row.name,
            connector: &row.connector,
            settings: &row.settings,
            enabled: row.enabled,
            can,
            notifications_path: notifies
                .then(|| format!("/v1/gateways/{}/notifications", row.name)),
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
        }
    }

    /// As it would be.
    pub fn proposed(self) -> GatewayView<'a> {
        GatewayView { id: None, ..self }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = GatewayTest)]
pub struct TestView {
    /// Whether the provider takes the credentials. Null in the answer to a dry run.
    pub works: Option<bool>,
    /// Why not.
    pub detail: Option<String>,
}
