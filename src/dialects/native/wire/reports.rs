//! Reports of refunds.

use refundry_domain::ids::EventId;
use refundry_domain::money::Currency;
use refundry_domain::report::{Sum, Tally};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{Code, EventTag, Id};
use crate::dialects::shared::reports::{Counted, Days, Line};
use crate::store::reports::By;

/// What happened to refunds on some days, counted on the day on which it happened.
#[derive(Serialize, ToSchema)]
#[schema(as = RefundReport)]
pub struct ReportView<'a> {
    /// `day`, `month`, `reason`, `provider`, `currency`, `failure` or `time`.
    by: &'static str,
    /// The first day and the last, both included.
    from: String,
    to: String,
    /// By whose clocks days begin: the merchant's setting.
    time_zone: &'a str,
    /// Whether every event there is was counted. Counting follows within seconds.
    complete: bool,
    /// The last event that was counted.
    counted_to: Option<EventTag>,
    data: Vec<LineView<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RefundReportLine)]
struct LineView<'a> {
    /// The day (`2026-12-01`), month, reason, provider, currency, code of failure, or time from the
    /// request until it was paid (`minute`, `hour`, `day`, `three_days`: within that; `longer`).
    /// Null for refunds without a reason; `*` stands for the names beyond fifty of one day.
    key: Option<&'a str>,
    currency: Code,
    /// What was paid less what was taken back; below zero where more was.
    refunded: String,
    /// Payouts by providers. A refund over two payments has two.
    paid: TallyView,
    /// Payouts that providers took back, on the day on which they did.
    taken_back: TallyView,
    /// Refunds that were asked for, with the amount first asked for.
    requested: TallyView,
    /// Refunds that came to the state.
    succeeded: TallyView,
    failed: TallyView,
    canceled: TallyView,
    reversed: TallyView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tally)]
struct TallyView {
    count: i64,
    amount: String,
}

impl TallyView {
    fn of(tally: Tally, currency: Currency) -> TallyView {
        let amount = Sum { units: tally.amount, currency }.to_string();
        TallyView { count: tally.times, amount }
    }
}

impl<'a> LineView<'a> {
    fn of(line: &'a Line) -> LineView<'a> {
        let (figures, currency) = (&line.figures, line.currency);
        LineView {
            key: Some(line.key.as_str()).filter(|key| !key.is_empty()),
            currency: Code(currency),
            refunded: Sum { units: figures.refunded(), currency }.to_string(),
            paid: TallyView::of(figures.paid, currency),
            taken_back: TallyView::of(figures.taken_back, currency),
            requested: TallyView::of(figures.requested, currency),
            succeeded: TallyView::of(figures.succeeded, currency),
            failed: TallyView::of(figures.failed, currency),
            canceled: TallyView::of(figures.canceled, currency),
            reversed: TallyView::of(figures.reversed, currency),
        }
    }
}

impl<'a> ReportView<'a> {
    pub fn of(
        by: By,
        days: Days,
        zone: &'a str,
        counted: Counted,
        lines: &'a [Line],
    ) -> ReportView<'a> {
        ReportView {
            by: by.name(),
            from: days.from.to_string(),
            to: days.to.to_string(),
            time_zone: zone,
            complete: counted.is_complete,
            counted_to: counted.to.map(Id::<EventId>),
            data: lines.iter().map(LineView::of).collect(),
        }
    }
}
