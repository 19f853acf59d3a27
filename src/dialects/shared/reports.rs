//! Reports: what was counted of refunds, for any dialect and the console.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use refundry_domain::ids::EventId;
use refundry_domain::money::Currency;
use refundry_domain::report::{Figures, Within};

use super::dates;
use super::right::{Reads, Right};
use crate::store::StoreError;
use crate::store::reports::{By, CountFilter};

/// The days of a report that names none, and the most of one.
pub const DAYS_USUAL: i64 = 30;
pub const DAYS_MOST: i32 = 366;

/// What a report is to be about. Days that are not given are the last thirty.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub currency: Option<Currency>,
    pub provider: Option<String>,
    pub reason: Option<String>,
}

/// The days of a report, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    pub from: Date,
    pub to: Date,
}

#[derive(Clone, Debug)]
pub struct Line {
    /// The day, month, reason, provider, currency, failure or time that it is about.
    pub key: String,
    pub currency: Currency,
    pub figures: Figures,
}

/// How far refunds are counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The last event that is counted; none before the first.
    pub to: Option<EventId>,
    pub is_complete: bool,
    /// Much is not counted yet, more than what the last second may have brought.
    pub is_far_behind: bool,
}

/// How many numbers may be drawn in the time that counting is behind anyway.
const NEAR: i64 = 10_000;

impl Right<Reads> {
    /// The days of a wish by the merchant's clocks; an answer in words where it has none.
    pub async fn report_days(&self, wish: &Wish) -> Result<Result<Days, &'static str>, StoreError> {
        let zone = dates::zone(&self.time_zone().await?);
        let now = Timestamp::from_millisecond(self.now().0).unwrap_or_default();
        let today = now.to_zoned(zone).date();
        let to = wish.to.unwrap_or_else(|| {
            wish.from.map_or(today, |from| days_after(from, DAYS_USUAL - 1).min(today).max(from))
        });
        let from = wish.from.unwrap_or_else(|| days_after(to, 1 - DAYS_USUAL));
        if from > to {
            return Ok(Err("Expected a first day that is not after the last."));
        }
        if (to - from).get_days() >= DAYS_MOST {
            return Ok(Err("A report is about 366 days at most."));
        }
        Ok(Ok(Days { from, to }))
    }

    /// The lines of a report: days, months and times in their order, all else by how much or how
    /// many there were, the most first.
    pub async fn report(&self, by: By, days: Days, wish: &Wish) -> Result<Vec<Line>, StoreError> {
        let filter = CountFilter {
            from: days.from.to_string(),
            to: days.to.to_string(),
            by,
            currency: wish.currency,
            provider: wish.provider.clone(),
            reason: wish.reason.clone(),
        };
        let rows = self.store().counts(self.merchant(), filter).await?;
        let mut lines: BTreeMap<(String, Currency), Figures> = BTreeMap::new();
        for row in rows {
            lines.entry((row.key, row.currency)).or_default().add(row.counted, row.tally);
        }
        let line = |((key, currency), figures)| Line { key, currency, figures };
        let mut lines: Vec<Line> = lines.into_iter().map(line).collect();
        match by {
            By::Day | By::Month => {}
            By::Time => {
                let place = |key: &str| Within::ALL.iter().position(|it| it.name() == key);
                lines.sort_by_key(|line| place(&line.key));
            }
            By::Reason | By::Provider => {
                lines.sort_by_key(|line| Reverse((line.figures.paid.amount, line.figures.all())));
            }
            By::Currency | By::Failure => lines.sort_by_key(|line| Reverse(line.figures.all())),
        }
        Ok(lines)
    }

    pub async fn counted(&self) -> Result<Counted, StoreError> {
        let all = self.store().counting(Some(self.merchant())).await?;
        let Some(counting) = all.first() else {
            return Ok(Counted { to: None, is_complete: true, is_far_behind: false });
        };
        let reached = counting.reached.as_ref();
        let same_zone = reached.is_none_or(|reached| reached.zone == counting.zone);
        let to = reached.map_or(EventId(0), |reached| reached.cursor);
        let is_near = same_zone && counting.newest.0 - to.0 <= NEAR;
        Ok(Counted {
            to: (to.0 > 0).then_some(to),
            is_complete: counting.is_complete(),
            is_far_behind: !counting.is_complete() && !is_near,
        })
    }
}

/// So many days later, or as far as the calendar goes.
fn days_after(day: Date, count: i64) -> Date {
    day.saturating_add(Span::new().days(count))
}
