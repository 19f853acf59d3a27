//! Columns that hold more than one value, as the stores keep them.

use refundry_domain::merchant::{Debtor, Scope, Settings};
use refundry_domain::money::{Currency, Minor};
use refundry_domain::order::Metadata;
use refundry_domain::policy::{Approval, DailyLimit, NotifyOnly};
use refundry_domain::refund::{AskedBy, Part};
use refundry_domain::returns::ReturnItem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::facts::json;

/// What a column holds is not what this program writes there.
#[derive(Debug, thiserror::Error)]
#[error("{what} holds {found:?}")]
pub struct Unreadable {
    what: &'static str,
    found: String,
}

pub fn unreadable(what: &'static str, found: impl std::fmt::Display) -> Unreadable {
    let found = format!("{found}").chars().take(100).collect();
    Unreadable { what, found }
}

pub fn minor(units: i64) -> Result<Minor, Unreadable> {
    Minor::new(units).ok_or_else(|| unreadable("an amount", units))
}

pub fn currency(code: &str) -> Result<Currency, Unreadable> {
    Currency::parse(code).map_err(|_| unreadable("a currency", code))
}

/// A name of one of the domain's lists.
pub fn named<T>(
    what: &'static str,
    parse: impl Fn(&str) -> Option<T>,
    name: &str,
) -> Result<T, Unreadable> {
    parse(name).ok_or_else(|| unreadable(what, name))
}

pub fn metadata(metadata: &Metadata) -> Option<String> {
    (!metadata.is_empty()).then(|| json(metadata))
}

pub fn read_metadata(text: Option<&str>) -> Result<Metadata, Unreadable> {
    match text {
        Some(text) => serde_json::from_str(text).map_err(|_| unreadable("metadata", text)),
        None => Ok(Metadata::new()),
    }
}

/// `[[line, quantity, amount, released, released_quantity], …]`
pub fn parts(parts: &[Part]) -> Option<String> {
    let rows: Vec<_> = parts
        .iter()
        .map(|part| {
            let (amount, released) = (part.amount.get(), part.released.get());
            (part.line, part.quantity, amount, released, part.released_quantity)
        })
        .collect();
    (!rows.is_empty()).then(|| json(&rows))
}

pub fn read_parts(text: Option<&str>) -> Result<Vec<Part>, Unreadable> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let rows: Vec<(u32, u32, i64, i64, u32)> =
        serde_json::from_str(text).map_err(|_| unreadable("a refund's parts", text))?;
    rows.into_iter()
        .map(|(line, quantity, amount, released, released_quantity)| {
            let (amount, released) = (minor(amount)?, minor(released)?);
            Ok(Part { line, quantity, amount, released, released_quantity })
        })
        .collect()
}

pub fn texts(texts: &BTreeMap<String, String>) -> String {
    json(texts)
}

pub fn read_texts(text: &str) -> Result<BTreeMap<String, String>, Unreadable> {
    serde_json::from_str(text).map_err(|_| unreadable("a gateway's settings", text))
}

/// `[[line, quantity, reason], …]`
pub fn items(items: &[ReturnItem]) -> String {
    let rows: Vec<_> =
        items.iter().map(|item| (item.line, item.quantity, item.reason.as_str())).collect();
    json(&rows)
}

pub fn read_items(text: &str) -> Result<Vec<ReturnItem>, Unreadable> {
    let rows: Vec<(u32, u32, String)> =
        serde_json::from_str(text).map_err(|_| unreadable("a return's items", text))?;
    let item = |(line, quantity, reason)| ReturnItem { line, quantity, reason };
    Ok(rows.into_iter().map(item).collect())
}

/// `amount`, `items`, or `percent 12.5`.
pub fn asked_by(asked_by: &AskedBy) -> String {
    match asked_by {
        AskedBy::Amount => "amount".to_owned(),
        AskedBy::Items => "items".to_owned(),
        AskedBy::Percent(percent) => format!("percent {percent}"),
    }
}

pub fn read_asked_by(text: &str) -> Result<AskedBy, Unreadable> {
    match (text, text.strip_prefix("percent ")) {
        ("amount", _) => Ok(AskedBy::Amount),
        ("items", _) => Ok(AskedBy::Items),
        (_, Some(percent)) => Ok(AskedBy::Percent(percent.to_owned())),
        _ => Err(unreadable("what a refund was asked by", text)),
    }
}

/// `{"USD":1999}`, in minor units.
pub fn sums(sums: &BTreeMap<Currency, i64>) -> String {
    let by_code = |(currency, sum): (&Currency, &i64)| (currency.code(), *sum);
    json(&sums.iter().map(by_code).collect::<BTreeMap<_, _>>())
}

pub fn read_sums(text: &str) -> Result<BTreeMap<Currency, i64>, Unreadable> {
    let sums: BTreeMap<String, i64> =
        serde_json::from_str(text).map_err(|_| unreadable("sums of a day", text))?;
    sums.into_iter().map(|(code, sum)| Ok((currency(&code)?, sum))).collect()
}

fn by_code(amounts: &BTreeMap<Currency, Minor>) -> BTreeMap<String, i64> {
    amounts.iter().map(|(currency, amount)| (currency.code().into(), amount.get())).collect()
}

fn by_currency(amounts: BTreeMap<String, i64>) -> Result<BTreeMap<Currency, Minor>, Unreadable> {
    amounts.into_iter().map(|(code, amount)| Ok((currency(&code)?, minor(amount)?))).collect()
}

/// The names, with a space between.
pub fn scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}

pub fn read_scopes(text: &str) -> Result<Vec<Scope>, Unreadable> {
    text.split_whitespace().map(|name| named("a scope", Scope::parse, name)).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsData {
    approval: ApprovalData,
    information_expiry_ms: i64,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default)]
    notify_only: NotifyData,
    #[serde(default)]
    report_within_ms: Option<i64>,
    #[serde(default)]
    auto_close: bool,
    #[serde(default)]
    ask_bank_details: bool,
    #[serde(default)]
    debtor: Option<DebtorData>,
    /// Left out where there is none, so that a version that knows of none can read the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    daily_limit: Option<DailyData>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DailyData {
    refunds: Option<u32>,
    amounts: BTreeMap<String, i64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyData {
    payment_method: bool,
    gift_card: bool,
    store_credit: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DebtorData {
    name: String,
    iban: String,
    bic: Option<String>,
}

/// Of settings that were written before there was a time zone in them.
fn utc() -> String {
    "UTC".to_owned()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ApprovalData {
    Never,
    Always,
    Above(BTreeMap<String, i64>),
}

pub fn settings(settings: &Settings) -> String {
    let approval = match &settings.approval {
        Approval::Never => ApprovalData::Never,
        Approval::Always => ApprovalData::Always,
        Approval::Above(limits) => ApprovalData::Above(by_code(limits)),
    };
    json(&SettingsData {
        approval,
        information_expiry_ms: settings.information_expiry_ms,
        time_zone: settings.time_zone.clone(),
        notify_only: NotifyData {
            payment_method: settings.notify_only.payment_method,
            gift_card: settings.notify_only.gift_card,
            store_credit: settings.notify_only.store_credit,
        },
        report_within_ms: Some(settings.report_within_ms),
        auto_close: settings.auto_close,
        ask_bank_details: settings.ask_bank_details,
        debtor: settings.debtor.clone().map(|Debtor { name, iban, bic }| DebtorData {
            name,
            iban,
            bic,
        }),
        daily_limit: settings.daily.is_set().then(|| DailyData {
            refunds: settings.daily.refunds,
            amounts: by_code(&settings.daily.amounts),
        }),
    })
}

pub fn read_settings(text: &str) -> Result<Settings, Unreadable> {
    let data: SettingsData =
        serde_json::from_str(text).map_err(|_| unreadable("a merchant's settings", text))?;
    let approval = match data.approval {
        ApprovalData::Never => Approval::Never,
        ApprovalData::Always => Approval::Always,
        ApprovalData::Above(limits) => Approval::Above(by_currency(limits)?),
    };
    let daily = match data.daily_limit {
        Some(daily) => DailyLimit { refunds: daily.refunds, amounts: by_currency(daily.amounts)? },
        None => DailyLimit::default(),
    };
    let NotifyData { payment_method, gift_card, store_credit } = data.notify_only;
    let usual = Settings::default().report_within_ms;
    Ok(Settings {
        approval,
        daily,
        information_expiry_ms: data.information_expiry_ms,
        time_zone: data.time_zone,
        notify_only: NotifyOnly { payment_method, gift_card, store_credit },
        report_within_ms: data.report_within_ms.unwrap_or(usual),
        auto_close: data.auto_close,
        ask_bank_details: data.ask_bank_details,
        debtor: data.debtor.map(|DebtorData { name, iban, bic }| Debtor { name, iban, bic }),
    })
}
