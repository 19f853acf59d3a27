//! Reports of refunds.

use axum::response::Response;
use refundry_domain::money::Currency;

use super::call::{Call, shown};
use super::wire::reports::ReportView;
use crate::dialects::shared::problem::Problem;
use crate::dialects::shared::reports::Wish;
use crate::dialects::shared::right::{Reads, Right};
use crate::store::reports::By;

pub async fn refunds(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let day = |text: &str| text.parse().map_err(|_| "expected a day such as 2026-12-01".to_owned());
    let by = fields.one("by", |text| {
        By::parse(text).ok_or_else(|| {
            let names: Vec<&str> = By::ALL.into_iter().map(By::name).collect();
            format!("expected one of {}", names.join(", "))
        })
    })?;
    let wish = Wish {
        from: fields.one("from", day)?,
        to: fields.one("to", day)?,
        currency: fields.one("currency", |text| {
            Currency::parse(text).map_err(|_| {
                "expected an ISO 4217 currency code in capitals, such as USD".to_owned()
            })
        })?,
        provider: fields.take("provider")?,
        reason: fields.take("reason")?,
    };
    fields.finish()?;
    let days = right.report_days(&wish).await?.map_err(|why| Problem::query("from", why))?;
    let by = by.unwrap_or(By::Day);
    let zone = right.time_zone().await?;
    // Before the counts are read, so that what is said to be counted is in them.
    let counted = right.counted().await?;
    let lines = right.report(by, days, &wish).await?;
    Ok(shown(&ReportView::of(by, days, &zone, counted, &lines)))
}
