//! Refunds counted by day: what is asked and told of the counts. They are no part of the books: all
//! of them follows from the events, and can be counted again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::day::Day;
use refundry_domain::ids::{EventId, MerchantId, RefundId, Timestamp, TransactionId};
use refundry_domain::money::Currency;
use refundry_domain::report::{Counted, Counts, Tally};

use super::StoreError;
use super::encode::{Unreadable, unreadable};

/// How far the events of a merchant are counted, and by whose clocks the days begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    pub cursor: EventId,
    pub zone: String,
}

/// How a merchant's counts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    pub merchant: MerchantId,
    /// None before the first count.
    pub reached: Option<Reached>,
    /// The zone that the merchant has set.
    pub zone: String,
    /// The newest event that there is.
    pub newest: EventId,
}

impl Counting {
    /// Whether every event is counted, by the merchant's own clocks.
    pub fn is_complete(&self) -> bool {
        self.reached
            .as_ref()
            .is_some_and(|reached| reached.zone == self.zone && reached.cursor >= self.newest)
    }
}

/// An event of a refund, with what of the refund counts.
#[derive(Clone, Debug)]
pub struct Told {
    pub name: String,
    pub at: Timestamp,
    pub data: String,
    pub refund: RefundId,
    pub currency: Currency,
    pub reason: Option<String>,
    pub requested_at: Timestamp,
}

/// A piece of a merchant's feed.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    pub told: Vec<Told>,
    /// The providers of all payouts of these refunds, by refund, in order of number.
    pub payouts: BTreeMap<RefundId, Vec<(TransactionId, String)>>,
    /// The last event of the piece, whatever it was about; none when nothing is there yet.
    pub last: Option<EventId>,
}

/// What was counted of a merchant from one place of its feed to another.
#[derive(Clone, Debug)]
pub struct Progress {
    pub merchant: MerchantId,
    pub from: Option<Reached>,
    /// With another zone than before, all counts of the merchant are thrown away.
    pub to: Reached,
    pub counts: Counts,
}

/// What counts are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Day,
    Month,
    Reason,
    Provider,
    Currency,
    /// Failed refunds only, by why they did.
    Failure,
    /// Succeeded refunds only, by how long they took.
    Time,
}

impl By {
    pub const ALL: [By; 7] =
        [By::Day, By::Month, By::Reason, By::Provider, By::Currency, By::Failure, By::Time];

    pub fn name(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Month => "month",
            By::Reason => "reason",
            By::Provider => "provider",
            By::Currency => "currency",
            By::Failure => "failure",
            By::Time => "time",
        }
    }

    pub fn parse(name: &str) -> Option<By> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }

    /// The expression that both databases put rows together by.
    pub(super) fn sql(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Month => "substr(day, 1, 7)",
            By::Reason => "reason",
            By::Provider => "provider",
            By::Currency => "currency",
            By::Failure | By::Time => "detail",
        }
    }

    /// The only kind of count that it is about, if there is one.
    pub(super) fn only(self) -> Option<&'static str> {
        match self {
            By::Failure => Some("failed"),
            By::Time => Some("succeeded"),
            By::Day | By::Month | By::Reason | By::Provider | By::Currency => None,
        }
    }
}

/// Counts of the days from the first to the last, both included; fields that are given must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountFilter {
    /// `2026-11-22`
    pub from: String,
    pub to: String,
    pub by: By,
    pub currency: Option<Currency>,
    pub provider: Option<String>,
    /// Empty for refunds without one.
    pub reason: Option<String>,
}

impl CountFilter {
    /// The counts that answer it, no row of which is in two of them: those of days, and for the
    /// months before the last one the sums, when there are any that tell enough apart.
    pub(super) fn spans(&self) -> Vec<Span> {
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let (kind, months) = self.kinds();
        let days = |from: &str, to: &str| Span::new(kind, from, to);
        let month = |day: &str| day.get(..7).unwrap_or(day).to_owned();
        let (first, last) = (month(from), month(to));
        let Some(months) = months.filter(|_| first < last) else { return vec![days(from, to)] };
        // Sums stand under the first of their month: one that began before `from` is left out, and
        // no day is called the 0th.
        let mut spans = vec![Span::new(months, from, &format!("{last}-00"))];
        if from != format!("{first}-01") {
            spans.push(days(from, &format!("{first}-31")));
        }
        spans.push(days(&format!("{last}-01"), to));
        spans
    }

    /// Which counts of days answer it, and which of months.
    fn kinds(&self) -> (i64, Option<i64>) {
        let (reason, provider) = match self.by {
            By::Reason => (true, false),
            By::Provider => (false, true),
            By::Day | By::Month | By::Currency | By::Failure | By::Time => (false, false),
        };
        let reason = reason || self.reason.is_some();
        let provider = provider || self.provider.is_some();
        let (kind, months) = match (provider, reason) {
            (false, false) => (TOGETHER, None),
            (true, false) => (APART, Some(MONTHS_BY_PROVIDER)),
            (false, true) => (APART, Some(MONTHS_BY_REASON)),
            (true, true) => (APART, None),
        };
        (kind, months.filter(|_| self.by != By::Day))
    }
}

/// Rows of one way of counting, of the days from the first to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub apart: i64,
    pub from: String,
    pub to: String,
}

impl Span {
    fn new(apart: i64, from: &str, to: &str) -> Span {
        Span { apart, from: from.to_owned(), to: to.to_owned() }
    }
}

/// Counts that were put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRow {
    /// The day, month, reason, provider, currency, failure or time.
    pub key: String,
    pub currency: Currency,
    pub counted: Counted,
    pub tally: Tally,
}

/// The part of a store that keeps the counts.
#[async_trait]
pub trait Reports: Send + Sync {
    /// How the counts stand, of one merchant or of all.
    async fn counting(&self, merchant: Option<MerchantId>) -> Result<Vec<Counting>, StoreError>;
    /// The next at most `limit` events of a merchant's feed, as far as it is final.
    async fn to_count(
        &self,
        merchant: MerchantId,
        after: EventId,
        limit: u32,
    ) -> Result<Piece, StoreError>;
    /// The providers and reasons that these days have been counted by.
    async fn counted_names(
        &self,
        merchant: MerchantId,
        days: Vec<String>,
    ) -> Result<Vec<(String, String, String)>, StoreError>;
    /// Adds counts and moves the cursor, of each merchant in one commit; unless somebody else has
    /// moved it from where it was: then nothing of that merchant is written. Answers how many were
    /// written.
    async fn add_counts(&self, progress: Arc<Vec<Progress>>) -> Result<usize, StoreError>;
    /// In order of key, currency and what was counted.
    async fn counts(
        &self,
        merchant: MerchantId,
        filter: CountFilter,
    ) -> Result<Vec<CountRow>, StoreError>;
    /// What was decided on each of the merchant's days that had a limit.
    async fn days(&self, merchant: MerchantId) -> Result<Vec<Day>, StoreError>;
}

/// The ways of counting, as they are kept: all of a day and currency together; told apart by provider
/// and reason; and the sums of months by one of the two.
const TOGETHER: i64 = 0;
const APART: i64 = 1;
const MONTHS_BY_PROVIDER: i64 = 2;
const MONTHS_BY_REASON: i64 = 3;

/// A row as it is kept.
pub(super) struct Kept<'a> {
    pub apart: i64,
    pub day: Cow<'a, str>,
    pub currency: &'static str,
    pub provider: &'a str,
    pub reason: &'a str,
    pub counted: Counted,
    pub tally: Tally,
}

/// The rows that counts are added to: each told apart, all of a day and currency together, and the
/// sums of months.
pub(super) fn kept(counts: &Counts) -> Vec<Kept<'_>> {
    type Name<'a> = (i64, Cow<'a, str>, Currency, &'a str, &'a str, Counted);
    let mut sums: BTreeMap<Name<'_>, Tally> = BTreeMap::new();
    for (key, tally) in counts.rows() {
        let (day, provider, reason) = (Cow::Borrowed(&*key.day), &*key.provider, &*key.reason);
        let month: Cow<'_, str> =
            Cow::Owned(format!("{}-01", key.day.get(..7).unwrap_or(&key.day)));
        for (apart, day, provider, reason) in [
            (TOGETHER, day.clone(), "", ""),
            (APART, day, provider, reason),
            (MONTHS_BY_PROVIDER, month.clone(), provider, ""),
            (MONTHS_BY_REASON, month, "", reason),
        ] {
            let name = (apart, day, key.currency, provider, reason, key.counted);
            sums.entry(name).or_default().add(*tally);
        }
    }
    let rows =
        sums.into_iter().map(|((apart, day, currency, provider, reason, counted), tally)| {
            let currency = currency.code();
            Kept { apart, day, currency, provider, reason, counted, tally }
        });
    rows.collect()
}

pub fn counted(name: &str, detail: &str) -> Result<Counted, Unreadable> {
    Counted::parse(name, detail).ok_or_else(|| unreadable("a count", format!("{name} {detail}")))
}
