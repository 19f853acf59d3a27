//! What the merchant has settled beforehand.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use refundry_domain::merchant::{Administration, Debtor, Settings};
use refundry_domain::money::{Currency, Exact, Minor, Money};
use refundry_domain::policy::{Approval, DailyLimit, NotifyOnly};

use crate::access::bank::BankDetails;
use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::list::{Choice, choice};
use crate::console::query::Query;
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Administers, Right};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DAYS_MOST: i64 = 400;

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    shell: &'a Shell,
    approvals: Vec<Choice>,
    limits: String,
    daily_refunds: String,
    daily_amounts: String,
    notify_only: Vec<Choice>,
    report_days: String,
    auto_close: bool,
    ask_bank_details: bool,
    expiry_days: String,
    time_zone: String,
    debtor: [String; 3],
    draft: Draft,
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let settings = own(&visit).await?;
    page(&visit, &settings, Draft::default())
}

async fn own(visit: &Visit) -> Result<Settings, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let own = right.own().await?.ok_or_else(|| Trouble::missing("merchant"))?;
    Ok(own.settings)
}

fn page(visit: &Visit, settings: &Settings, draft: Draft) -> Result<Response, Trouble> {
    let (when, limits) = match &settings.approval {
        Approval::Never => ("never", String::new()),
        Approval::Always => ("always", String::new()),
        Approval::Above(limits) => ("above", lines_of(limits)),
    };
    let daily = &settings.daily;
    let daily_refunds = daily.refunds.map(|most| most.to_string()).unwrap_or_default();
    let chosen = draft.or("approval", when);
    let approvals = [
        ("never", "No refund needs approval"),
        ("always", "Every refund needs approval"),
        ("above", "Refunds above an amount need approval"),
    ];
    let told = &settings.notify_only;
    let notify_only = [
        ("payment_method", "Refunds to the original payment", told.payment_method),
        ("gift_card", "Refunds to gift cards", told.gift_card),
        ("store_credit", "Refunds to store credit", told.store_credit),
    ];
    // Boxes that are not ticked are not sent, so a form that was refused says all of them itself.
    let ticked = |name: &str, value: &str, kept: bool| {
        if draft.is_wrong() { draft.ticked(name, value) } else { kept }
    };
    let notify_only = notify_only
        .map(|(value, text, kept)| choice(value, text, ticked("notify_only", value, kept)));
    let debtor = settings.debtor.as_ref();
    let debtor = [
        draft.or("debtor_name", debtor.map_or("", |it| it.name.as_str())),
        draft.or("debtor_iban", debtor.map_or("", |it| it.iban.as_str())),
        draft.or("debtor_bic", debtor.and_then(|it| it.bic.as_deref()).unwrap_or_default()),
    ];
    let shell = visit.shell("Settings")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        approvals: approvals.map(|(value, text)| choice(value, text, chosen == value)).into(),
        limits: draft.or("limits", &limits),
        daily_refunds: draft.or("daily_refunds", &daily_refunds),
        daily_amounts: draft.or("daily_amounts", &lines_of(&daily.amounts)),
        notify_only: notify_only.into(),
        report_days: draft.or("report_days", &(settings.report_within_ms / DAY_MS).to_string()),
        auto_close: ticked("auto_close", "yes", settings.auto_close),
        ask_bank_details: ticked("ask_bank_details", "yes", settings.ask_bank_details),
        debtor,
        expiry_days: draft
            .or("expiry_days", &(settings.information_expiry_ms / DAY_MS).to_string()),
        time_zone: draft.or("time_zone", &settings.time_zone),
        shell: &shell,
        draft,
    };
    html(status, &page)
}

fn lines_of(limits: &BTreeMap<Currency, Minor>) -> String {
    let lines = limits.iter();
    let lines = lines.map(|(code, amount)| format!("{code} {}", say::decimal(*amount, *code)));
    lines.collect::<Vec<_>>().join("\n")
}

pub async fn change(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let before = own(&visit).await?;
    match read(&visit.form, before.clone()) {
        Err(wrongs) => page(&visit, &before, Draft::refused(&visit.form, wrongs)),
        Ok(settings) => {
            if settings != before {
                let settings = Some(settings);
                right.administer(Administration::ChangeMerchant { name: None, settings }).await?;
            }
            Ok(redirect_done("/console/settings", "changed"))
        }
    }
}

fn read(form: &Query, mut settings: Settings) -> Result<Settings, Wrongs> {
    settings.approval = match form.text("approval") {
        Some("never") => Approval::Never,
        Some("always") => Approval::Always,
        Some("above") => Approval::Above(limits(form, "limits")?),
        Some(_) | None => return Err(Wrongs::one("approval", "Choose one of the list.")),
    };
    settings.daily = daily(form)?;
    settings.information_expiry_ms = span(form, "expiry_days", settings.information_expiry_ms)?;
    settings.report_within_ms = span(form, "report_days", settings.report_within_ms)?;
    let is_on = |value: &str| form.all("notify_only").any(|known| known == value);
    settings.notify_only = NotifyOnly {
        payment_method: is_on("payment_method"),
        gift_card: is_on("gift_card"),
        store_credit: is_on("store_credit"),
    };
    settings.auto_close = form.has("auto_close");
    settings.ask_bank_details = form.has("ask_bank_details");
    settings.debtor = debtor(form)?;
    let zone = form.text("time_zone").unwrap_or_default();
    let known = jiff::tz::TimeZone::get(zone).ok();
    let known = known.and_then(|zone| zone.iana_name().map(str::to_owned));
    let why = "Write the IANA name of a time zone, such as Europe/Warsaw.";
    settings.time_zone = known.ok_or_else(|| Wrongs::one("time_zone", why))?;
    Ok(settings)
}

/// Days as milliseconds. What is set to the minute through the API stays while its days do.
fn span(form: &Query, name: &str, before: i64) -> Result<i64, Wrongs> {
    let days = form.number::<i64>(name);
    if days == Some(before / DAY_MS) {
        return Ok(before);
    }
    let why = "Write a whole number of days from 1 to 400.";
    let days = days.filter(|days| (1..=DAYS_MOST).contains(days));
    days.map(|days| days * DAY_MS).ok_or_else(|| Wrongs::one(name, why))
}

/// The account that transfers are paid from; none when all of it is empty.
fn debtor(form: &Query) -> Result<Option<Debtor>, Wrongs> {
    let given = |name: &str| form.text(name);
    let (name, iban, bic) = (given("debtor_name"), given("debtor_iban"), given("debtor_bic"));
    if name.is_none() && iban.is_none() && bic.is_none() {
        return Ok(None);
    }
    let details = BankDetails::new(iban.unwrap_or_default(), name.unwrap_or_default(), bic);
    let details = details.map_err(|problem| {
        let field = if problem.field == "account_holder" { "name" } else { problem.field };
        Wrongs::one(&format!("debtor_{field}"), problem.expected)
    })?;
    let (iban, name, bic) = details.parts();
    Ok(Some(Debtor { name: name.to_owned(), iban: iban.to_owned(), bic: bic.map(str::to_owned) }))
}

/// What may be given back in a day; anything where nothing is written.
fn daily(form: &Query) -> Result<DailyLimit, Wrongs> {
    let why = "Write a whole number of refunds, or nothing for any number.";
    let written = form.text("daily_refunds");
    let number = written.map(|text| text.parse().map_err(|_| Wrongs::one("daily_refunds", why)));
    Ok(DailyLimit { refunds: number.transpose()?, amounts: limits(form, "daily_amounts")? })
}

/// One currency and amount a line, such as `USD 100.00`.
fn limits(form: &Query, name: &str) -> Result<BTreeMap<Currency, Minor>, Wrongs> {
    let mut limits = BTreeMap::new();
    for line in form.written(name).lines().map(str::trim).filter(|line| !line.is_empty()) {
        let wrong = || {
            let why = "Write one currency and amount a line, such as USD 100.00.";
            Wrongs::one(name, why)
        };
        let (code, figure) = line.split_once(' ').ok_or_else(wrong)?;
        let currency = Currency::parse(code).map_err(|_| wrong())?;
        let figure = Exact::parse(figure.trim()).map_err(|_| wrong())?;
        let money = Money::read_allowing_zero(figure, currency).map_err(|problem| {
            Wrongs::one(name, format!("{code}: {}", sentence(&problem.to_string())))
        })?;
        limits.insert(currency, money.minor());
    }
    Ok(limits)
}
