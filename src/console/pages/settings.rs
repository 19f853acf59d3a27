//! What the merchant has settled beforehand.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use refundry_domain::merchant::{Administration, Settings};
use refundry_domain::money::{Currency, Exact, Minor, Money};
use refundry_domain::policy::Approval;

use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::list::{Choice, choice};
use crate::console::query::Query;
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Administers, Right};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const EXPIRY_DAYS_MOST: i64 = 400;

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    shell: &'a Shell,
    approvals: Vec<Choice>,
    limits: String,
    expiry_days: String,
    time_zone: String,
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
        Approval::Above(limits) => {
            let lines: Vec<String> = limits
                .iter()
                .map(|(code, amount)| format!("{code} {}", say::decimal(*amount, *code)))
                .collect();
            ("above", lines.join("\n"))
        }
    };
    let chosen = draft.or("approval", when);
    let approvals = [
        ("never", "No refund needs approval"),
        ("always", "Every refund needs approval"),
        ("above", "Refunds above an amount need approval"),
    ];
    let shell = visit.shell("Settings")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        approvals: approvals.map(|(value, text)| choice(value, text, chosen == value)).into(),
        limits: draft.or("limits", &limits),
        expiry_days: draft
            .or("expiry_days", &(settings.information_expiry_ms / DAY_MS).to_string()),
        time_zone: draft.or("time_zone", &settings.time_zone),
        shell: &shell,
        draft,
    };
    html(status, &page)
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
        Some("above") => Approval::Above(limits(form.written("limits"))?),
        Some(_) | None => return Err(Wrongs::one("approval", "Choose one of the list.")),
    };
    let days = form.number::<i64>("expiry_days");
    let days = days.filter(|days| (1..=EXPIRY_DAYS_MOST).contains(days));
    let why = "Write a whole number of days from 1 to 400.";
    let days = days.ok_or_else(|| Wrongs::one("expiry_days", why))?;
    // What is set to the minute through the API stays so while its days are not changed.
    if settings.information_expiry_ms / DAY_MS != days {
        settings.information_expiry_ms = days * DAY_MS;
    }
    let zone = form.text("time_zone").unwrap_or_default();
    let known = jiff::tz::TimeZone::get(zone).ok();
    let known = known.and_then(|zone| zone.iana_name().map(str::to_owned));
    let why = "Write the IANA name of a time zone, such as Europe/Warsaw.";
    settings.time_zone = known.ok_or_else(|| Wrongs::one("time_zone", why))?;
    Ok(settings)
}

/// One currency and amount a line, such as `USD 100.00`.
fn limits(text: &str) -> Result<BTreeMap<Currency, Minor>, Wrongs> {
    let mut limits = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let wrong = || {
            let why = "Write one currency and amount a line, such as USD 100.00.";
            Wrongs::one("limits", why)
        };
        let (code, figure) = line.split_once(' ').ok_or_else(wrong)?;
        let currency = Currency::parse(code).map_err(|_| wrong())?;
        let figure = Exact::parse(figure.trim()).map_err(|_| wrong())?;
        let money = Money::read_allowing_zero(figure, currency).map_err(|problem| {
            Wrongs::one("limits", format!("{code}: {}", sentence(&problem.to_string())))
        })?;
        limits.insert(currency, money.minor());
    }
    Ok(limits)
}
