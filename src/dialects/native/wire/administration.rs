//! Keys, merchants and settings.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use refundry_domain::merchant::{Key, Merchant, Settings};
use refundry_domain::money::{Currency, Money};
use refundry_domain::policy::Approval;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::words::{Amount, Id, KeyTag, MerchantTag, ScopeWord, Time, Unique, Word};
use crate::dialects::shared::exact::Figure;
use crate::dialects::shared::problem::{Code, Problem};

/// A key to make. Its secret is in the answer, and never again anywhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyAsk {
    /// What it is for, in your words.
    #[schema(example = "shop")]
    pub name: String,
    pub scopes: Vec<ScopeWord>,
    /// Requests a second in the long run; twice as many at once. 100 when not given.
    pub rate_per_second: Option<u32>,
    /// For another merchant than the caller's: for the operator only.
    pub merchant: Option<MerchantTag>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView<'a> {
    /// Null in the answer to a dry run.
    id: Option<KeyTag>,
    merchant: MerchantTag,
    name: &'a str,
    scopes: Vec<ScopeWord>,
    rate_per_second: u32,
    created_at: Time,
    revoked_at: Option<Time>,
    /// The key itself: in the answer to its making only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> KeyView<'a> {
    pub fn of(key: &'a Key) -> KeyView<'a> {
        KeyView {
            id: Some(Id(key.id)),
            merchant: Id(key.merchant),
            name: &key.name,
            scopes: key.scopes.iter().copied().map(Word).collect(),
            rate_per_second: key.rate_per_second,
            created_at: Time(key.created_at),
            revoked_at: key.revoked_at.map(Time),
            secret: None,
        }
    }

    pub fn with_secret(self, secret: &'a str) -> KeyView<'a> {
        KeyView { secret: Some(secret), ..self }
    }

    /// As it would be.
    pub fn proposed(self) -> KeyView<'a> {
        KeyView { id: None, ..self }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MerchantAsk {
    #[schema(example = "Ada's shop")]
    pub name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Merchant)]
pub struct MerchantView<'a> {
    /// Null in the answer to a dry run.
    id: Option<MerchantTag>,
    name: &'a str,
    created_at: Time,
    updated_at: Time,
}

impl<'a> MerchantView<'a> {
    pub fn of(merchant: &'a Merchant) -> MerchantView<'a> {
        MerchantView {
            id: Some(Id(merchant.id)),
            name: &merchant.name,
            created_at: Time(merchant.created_at),
            updated_at: Time(merchant.updated_at),
        }
    }

    /// As it would be.
    pub fn proposed(self) -> MerchantView<'a> {
        MerchantView { id: None, ..self }
    }
}

/// What a merchant has settled.
#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct SettingsView {
    approval: ApprovalView,
    /// How long a customer has to give bank details.
    information_expiry_seconds: i64,
    /// The IANA name of the zone in which APIs that state dates without one state them.
    #[schema(example = "Europe/Warsaw")]
    time_zone: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
struct ApprovalView {
    when: When,
    /// With `above`: the largest amount of each currency that needs no approval. A currency that
    /// is not named needs none.
    limits: BTreeMap<String, Amount>,
}

/// Which refunds need the approval of a key with the scope `approve`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApprovalWhen)]
pub enum When {
    Never,
    Always,
    Above,
}

impl SettingsView {
    pub fn of(settings: &Settings) -> SettingsView {
        let (when, limits) = match &settings.approval {
            Approval::Never => (When::Never, BTreeMap::new()),
            Approval::Always => (When::Always, BTreeMap::new()),
            Approval::Above(limits) => {
                let shown = limits.iter().map(|(currency, minor)| {
                    (currency.code().to_owned(), Amount::of(*minor, *currency))
                });
                (When::Above, shown.collect())
            }
        };
        SettingsView {
            approval: ApprovalView { when, limits },
            information_expiry_seconds: settings.information_expiry_ms / 1000,
            time_zone: settings.time_zone.clone(),
        }
    }
}

/// What of the settings changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    approval: Option<ApprovalAsk>,
    /// From a minute to 400 days.
    information_expiry_seconds: Option<i64>,
    /// An IANA name, such as `Europe/Warsaw`.
    time_zone: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalInput)]
struct ApprovalAsk {
    when: When,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, ToSchema)]
#[schema(value_type = Object)]
struct Limits(BTreeMap<String, Figure>);

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
        deserializer.deserialize_map(Unique(PhantomData)).map(Limits)
    }
}

impl SettingsPatch {
    pub fn applied_to(self, mut settings: Settings) -> Result<Settings, Problem> {
        if let Some(seconds) = self.information_expiry_seconds {
            if !(60..=400 * 24 * 60 * 60).contains(&seconds) {
                let detail = "Expected from 60 (a minute) to 34560000 (400 days).";
                let field = "/information_expiry_seconds";
                return Err(Problem::field(Code::FieldInvalid, field, detail));
            }
            settings.information_expiry_ms = seconds * 1000;
        }
        if let Some(name) = self.time_zone {
            let detail = "Expected the IANA name of a time zone, such as Europe/Warsaw.";
            let known = jiff::tz::TimeZone::get(&name).ok();
            let known = known.and_then(|zone| zone.iana_name().map(str::to_owned));
            let unknown = || Problem::field(Code::FieldInvalid, "/time_zone", detail);
            settings.time_zone = known.ok_or_else(unknown)?;
        }
        if let Some(approval) = self.approval {
            settings.approval = approval.command()?;
        }
        Ok(settings)
    }
}

impl ApprovalAsk {
    fn command(self) -> Result<Approval, Problem> {
        let limits = self.limits.0;
        if self.when != When::Above && !limits.is_empty() {
            let detail = "Limits go with \"above\".";
            return Err(Problem::field(Code::FieldInvalid, "/approval/limits", detail));
        }
        Ok(match self.when {
            When::Never => Approval::Never,
            When::Always => Approval::Always,
            When::Above => Approval::Above(
                limits.into_iter().map(limit).collect::<Result<BTreeMap<_, _>, _>>()?,
            ),
        })
    }
}

fn limit(
    (code, Figure(figure)): (String, Figure),
) -> Result<(Currency, refundry_domain::money::Minor), Problem> {
    let at = format!("/approval/limits/{}", crate::dialects::shared::body::escape(&code));
    let currency = Currency::parse(&code).map_err(|_| {
        let detail = "Expected an ISO 4217 currency code in capitals, such as USD.";
        Problem::field(Code::FieldInvalid, at.clone(), detail)
    })?;
    let money = Money::read_allowing_zero(figure, currency)
        .map_err(|problem| Problem::field(Code::FieldInvalid, at, format!("{problem}.")))?;
    Ok((currency, money.minor()))
}
