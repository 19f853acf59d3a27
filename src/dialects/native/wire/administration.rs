//! Keys, merchants and settings.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use refundry_domain::merchant::{Debtor, Key, Merchant, Settings};
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::policy::{Approval, DailyLimit};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::words::{Amount, Id, KeyTag, MerchantTag, ScopeWord, Time, Unique, Word};
use crate::access::bank::BankDetails;
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
    daily_limit: DailyLimitView,
    /// How long a customer has to give bank details.
    information_expiry_seconds: i64,
    /// The IANA name of the zone in which APIs that state dates without one state them.
    #[schema(example = "Europe/Warsaw")]
    time_zone: String,
    notify_only: NotifyOnlyView,
    /// How long an outside platform that was told to pay may be silent, before its refund needs
    /// attention.
    report_within_seconds: i64,
    /// Whether a return closes once its successful refunds reach what it is worth.
    auto_close: bool,
    /// Whether a refund to `bank_transfer` asks the customer for the account first.
    ask_bank_details: bool,
    /// The account that files of bank transfers are paid from.
    debtor: Option<DebtorView>,
}

/// Which refunds outside platforms are told to pay, whatever the gateways here could do. Payments
/// whose provider has no gateway here are always treated so.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = NotifyOnly)]
struct NotifyOnlyView {
    /// Refunds to `original_payment`.
    payment_method: bool,
    /// Refunds to `gift_card`.
    gift_card: bool,
    /// Refunds to `store_credit`.
    store_credit: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Debtor)]
struct DebtorView {
    /// At most 70 characters.
    #[schema(example = "Ada's shop")]
    name: String,
    #[schema(example = "DE89370400440532013000")]
    iban: String,
    #[serde(default)]
    bic: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
struct ApprovalView {
    when: When,
    /// With `above`: the largest amount of each currency that needs no approval. A currency that
    /// is not named needs none.
    limits: BTreeMap<String, Amount>,
}

/// What may be given back in one of the merchant's days. Refunds beyond it need the approval of a key
/// with the scope `approve`. They count on the day on which they are decided.
#[derive(Serialize, ToSchema)]
#[schema(as = DailyLimit)]
struct DailyLimitView {
    /// How many refunds, whatever their currency; null for any number.
    refunds: Option<u32>,
    /// How much of each currency. A currency that is not named has no limit.
    amounts: BTreeMap<String, Amount>,
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
            Approval::Above(limits) => (When::Above, amounts(limits)),
        };
        let daily = &settings.daily;
        SettingsView {
            approval: ApprovalView { when, limits },
            daily_limit: DailyLimitView {
                refunds: daily.refunds,
                amounts: amounts(&daily.amounts),
            },
            information_expiry_seconds: settings.information_expiry_ms / 1000,
            time_zone: settings.time_zone.clone(),
            notify_only: NotifyOnlyView {
                payment_method: settings.notify_only.payment_method,
                gift_card: settings.notify_only.gift_card,
                store_credit: settings.notify_only.store_credit,
            },
            report_within_seconds: settings.report_within_ms / 1000,
            auto_close: settings.auto_close,
            ask_bank_details: settings.ask_bank_details,
            debtor: settings.debtor.as_ref().map(|debtor| DebtorView {
                name: debtor.name.clone(),
                iban: debtor.iban.clone(),
                bic: debtor.bic.clone(),
            }),
        }
    }
}

fn amounts(limits: &BTreeMap<Currency, Minor>) -> BTreeMap<String, Amount> {
    let shown = |(currency, minor): (&Currency, &Minor)| {
        (currency.code().to_owned(), Amount::of(*minor, *currency))
    };
    limits.iter().map(shown).collect()
}

/// What of the settings changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    approval: Option<ApprovalAsk>,
    daily_limit: Option<DailyLimitAsk>,
    /// From a minute to 400 days.
    information_expiry_seconds: Option<i64>,
    /// An IANA name, such as `Europe/Warsaw`.
    time_zone: Option<String>,
    notify_only: Option<NotifyOnlyAsk>,
    /// From a minute to 400 days.
    report_within_seconds: Option<i64>,
    auto_close: Option<bool>,
    ask_bank_details: Option<bool>,
    debtor: Option<DebtorView>,
}

/// The switches that change; the others stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotifyOnlyInput)]
struct NotifyOnlyAsk {
    payment_method: Option<bool>,
    gift_card: Option<bool>,
    store_credit: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalInput)]
struct ApprovalAsk {
    when: When,
    #[serde(default)]
    limits: Limits,
}

/// Takes the place of the whole limit; `{}` takes it away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DailyLimitInput)]
struct DailyLimitAsk {
    /// How many refunds, whatever their currency.
    refunds: Option<u32>,
    /// How much of each currency.
    #[serde(default)]
    amounts: Limits,
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
            settings.information_expiry_ms = span("/information_expiry_seconds", seconds)?;
        }
        if let Some(seconds) = self.report_within_seconds {
            settings.report_within_ms = span("/report_within_seconds", seconds)?;
        }
        if let Some(asked) = self.notify_only {
            let kept = &mut settings.notify_only;
            kept.payment_method = asked.payment_method.unwrap_or(kept.payment_method);
            kept.gift_card = asked.gift_card.unwrap_or(kept.gift_card);
            kept.store_credit = asked.store_credit.unwrap_or(kept.store_credit);
        }
        settings.auto_close = self.auto_close.unwrap_or(settings.auto_close);
        settings.ask_bank_details = self.ask_bank_details.unwrap_or(settings.ask_bank_details);
        if let Some(debtor) = self.debtor {
            settings.debtor = Some(debtor.read()?);
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
        if let Some(daily) = self.daily_limit {
            let amounts = daily.amounts.read("/daily_limit/amounts")?;
            settings.daily = DailyLimit { refunds: daily.refunds, amounts };
        }
        Ok(settings)
    }
}

/// Seconds as milliseconds, from a minute to 400 days.
fn span(field: &str, seconds: i64) -> Result<i64, Problem> {
    if (60..=400 * 24 * 60 * 60).contains(&seconds) {
        return Ok(seconds * 1000);
    }
    let detail = "Expected from 60 (a minute) to 34560000 (400 days).";
    Err(Problem::field(Code::FieldInvalid, field, detail))
}

impl DebtorView {
    fn read(self) -> Result<Debtor, Problem> {
        let details = BankDetails::new(&self.iban, &self.name, self.bic.as_deref());
        let details = details.map_err(|problem| {
            let field = if problem.field == "account_holder" { "name" } else { problem.field };
            Problem::field(Code::FieldInvalid, format!("/debtor/{field}"), problem.expected)
        })?;
        let (iban, name, bic) = details.parts();
        Ok(Debtor { name: name.to_owned(), iban: iban.to_owned(), bic: bic.map(str::to_owned) })
    }
}

impl ApprovalAsk {
    fn command(self) -> Result<Approval, Problem> {
        if self.when != When::Above && !self.limits.0.is_empty() {
            let detail = "Limits go with \"above\".";
            return Err(Problem::field(Code::FieldInvalid, "/approval/limits", detail));
        }
        Ok(match self.when {
            When::Never => Approval::Never,
            When::Always => Approval::Always,
            When::Above => Approval::Above(self.limits.read("/approval/limits")?),
        })
    }
}

impl Limits {
    fn read(self, at: &str) -> Result<BTreeMap<Currency, Minor>, Problem> {
        self.0.into_iter().map(|one| limit(at, one)).collect()
    }
}

fn limit(at: &str, (code, Figure(figure)): (String, Figure)) -> Result<(Currency, Minor), Problem> {
    let at = format!("{at}/{}", crate::dialects::shared::body::escape(&code));
    let currency = Currency::parse(&code).map_err(|_| {
        let detail = "Expected an ISO 4217 currency code in capitals, such as USD.";
        Problem::field(Code::FieldInvalid, at.clone(), detail)
    })?;
    let money = Money::read_allowing_zero(figure, currency)
        .map_err(|problem| Problem::field(Code::FieldInvalid, at, format!("{problem}.")))?;
    Ok((currency, money.minor()))
}
