//! Refunds counted by day: what of an event counts, and as what. Sums are of whole minor units of one
//! currency; they may go below zero where more was taken back than paid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ids::Timestamp;
use crate::money::{Currency, Minor, signed_decimal};
use crate::outcome::FailureCode;
use crate::refund::{State, TransactionState, Weight};

/// How many names of providers, and of reasons, a day of a merchant keeps apart. Reasons are free
/// texts: one for each refund would make the counts as long as the list of refunds.
pub const NAMES_MOST: usize = 50;
/// Stands for all names beyond those.
pub const REST: &str = "*";
/// How much of a name tells it from others.
const NAME_LONGEST: usize = 100;

/// How long a refund took from being requested to being paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Within {
    Minute,
    Hour,
    Day,
    ThreeDays,
    Longer,
}

impl Within {
    pub const ALL: [Within; 5] =
        [Within::Minute, Within::Hour, Within::Day, Within::ThreeDays, Within::Longer];

    pub fn name(self) -> &'static str {
        match self {
            Within::Minute => "minute",
            Within::Hour => "hour",
            Within::Day => "day",
            Within::ThreeDays => "three_days",
            Within::Longer => "longer",
        }
    }

    pub fn parse(name: &str) -> Option<Within> {
        Within::ALL.into_iter().find(|within| within.name() == name)
    }

    /// The bounds themselves belong to the shorter time.
    pub fn between(from: Timestamp, to: Timestamp) -> Within {
        const MINUTE: i64 = 60_000;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        let bounds = [MINUTE, HOUR, DAY, 3 * DAY].into_iter().zip(Within::ALL);
        let took = to.0.saturating_sub(from.0);
        bounds.into_iter().find(|(most, _)| took <= *most).map_or(Within::Longer, |(_, it)| it)
    }
}

/// What is counted: refunds that came to a state, and payments by providers, which is where the
/// money is. A refund over two payments is one refund and two payouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    Requested,
    Succeeded(Within),
    Failed(FailureCode),
    Canceled,
    Reversed,
    /// A payout, with what it paid.
    Paid,
    /// A payout that was paid, and that its provider took back.
    TakenBack,
}

impl Counted {
    /// Its name, and that of what it is told apart by, if by anything.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Counted::Requested => ("requested", ""),
            Counted::Succeeded(within) => ("succeeded", within.name()),
            Counted::Failed(code) => ("failed", code.name()),
            Counted::Canceled => ("canceled", ""),
            Counted::Reversed => ("reversed", ""),
            Counted::Paid => ("paid", ""),
            Counted::TakenBack => ("taken_back", ""),
        }
    }

    pub fn parse(name: &str, detail: &str) -> Option<Counted> {
        let plain = [
            Counted::Requested,
            Counted::Canceled,
            Counted::Reversed,
            Counted::Paid,
            Counted::TakenBack,
        ];
        match name {
            "succeeded" => Within::parse(detail).map(Counted::Succeeded),
            "failed" => FailureCode::parse(detail).map(Counted::Failed),
            _ => plain.into_iter().find(|counted| counted.names() == (name, detail)),
        }
    }
}

/// How many, and how much of one currency they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub times: i64,
    pub amount: i64,
}

impl Tally {
    /// Bounded by what an `i64` holds: nine thousand times the largest amount there is.
    pub fn add(&mut self, other: Tally) {
        self.times = self.times.saturating_add(other.times);
        self.amount = self.amount.saturating_add(other.amount);
    }
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// `2026-11-22`, by the merchant's clocks.
    pub day: String,
    pub currency: Currency,
    pub provider: String,
    /// Empty when none was given.
    pub reason: String,
    pub counted: Counted,
}

/// What counts of a refund besides what happened to it. None of it ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub currency: Currency,
    pub reason: Option<String>,
    pub requested_at: Timestamp,
    /// The provider of its first payout, whose the refund counts as.
    pub provider: String,
}

/// A step of a refund: its own, and those of its payouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    pub from: State,
    pub to: State,
    pub amount: Minor,
    pub failure: Option<FailureCode>,
    pub payouts: Vec<PayoutStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutStep {
    pub provider: String,
    pub amount: Minor,
    pub from: TransactionState,
    pub to: TransactionState,
}

/// Counts as they grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    rows: BTreeMap<Key, Tally>,
    providers: BTreeMap<String, BTreeSet<String>>,
    reasons: BTreeMap<String, BTreeSet<String>>,
}

impl Counts {
    pub fn rows(&self) -> &BTreeMap<Key, Tally> {
        &self.rows
    }

    /// These names have been counted by before, on that day.
    pub fn know(&mut self, day: &str, provider: String, reason: String) {
        self.providers.entry(day.to_owned()).or_default().insert(provider);
        self.reasons.entry(day.to_owned()).or_default().insert(reason);
    }

    pub fn requested(&mut self, day: &str, about: &About, amount: Minor) {
        self.count(day, about, &about.provider, Counted::Requested, amount);
    }

    /// Counts the step on the day on which it was made: what a refund comes to later does not
    /// change the days before.
    pub fn moved(&mut self, day: &str, about: &About, step: &Step) {
        for payout in &step.payouts {
            let (was, is) = (payout.from.weight(), payout.to.weight());
            if was != Weight::Paid && is == Weight::Paid {
                self.count(day, about, &payout.provider, Counted::Paid, payout.amount);
            } else if was == Weight::Paid && is != Weight::Paid {
                self.count(day, about, &payout.provider, Counted::TakenBack, payout.amount);
            }
        }
        if step.from == step.to {
            return;
        }
        let counted = match step.to {
            State::Succeeded => Counted::Succeeded(Within::between(about.requested_at, step.at)),
            State::Failed => Counted::Failed(step.failure.unwrap_or(FailureCode::Other)),
            State::Canceled => Counted::Canceled,
            State::Reversed => Counted::Reversed,
            State::Unconfirmed
            | State::RequiresInformation
            | State::Pending
            | State::Processing
            | State::NeedsAttention => return,
        };
        self.count(day, about, &about.provider, counted, step.amount);
    }

    fn count(&mut self, day: &str, about: &About, provider: &str, counted: Counted, amount: Minor) {
        let key = Key {
            day: day.to_owned(),
            currency: about.currency,
            provider: known(&mut self.providers, day, provider),
            reason: known(&mut self.reasons, day, about.reason.as_deref().unwrap_or_default()),
            counted,
        };
        self.rows.entry(key).or_default().add(Tally { times: 1, amount: amount.get() });
    }
}

/// The name, or [`REST`] when the day has its fill of others.
fn known(names: &mut BTreeMap<String, BTreeSet<String>>, day: &str, name: &str) -> String {
    let name: String = name.chars().take(NAME_LONGEST).collect();
    let of_day = names.entry(day.to_owned()).or_default();
    if of_day.contains(&name) {
        return name;
    }
    // What stands for the rest takes no place.
    if of_day.iter().filter(|known| *known != REST).count() >= NAMES_MOST {
        return REST.to_owned();
    }
    of_day.insert(name.clone());
    name
}

/// What a report says of one day, reason, provider or currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub requested: Tally,
    pub succeeded: Tally,
    pub failed: Tally,
    pub canceled: Tally,
    pub reversed: Tally,
    pub paid: Tally,
    pub taken_back: Tally,
}

impl Figures {
    pub fn add(&mut self, counted: Counted, tally: Tally) {
        let place = match counted {
            Counted::Requested => &mut self.requested,
            Counted::Succeeded(_) => &mut self.succeeded,
            Counted::Failed(_) => &mut self.failed,
            Counted::Canceled => &mut self.canceled,
            Counted::Reversed => &mut self.reversed,
            Counted::Paid => &mut self.paid,
            Counted::TakenBack => &mut self.taken_back,
        };
        place.add(tally);
    }

    /// All of both.
    pub fn join(&mut self, other: &Figures) {
        self.requested.add(other.requested);
        self.succeeded.add(other.succeeded);
        self.failed.add(other.failed);
        self.canceled.add(other.canceled);
        self.reversed.add(other.reversed);
        self.paid.add(other.paid);
        self.taken_back.add(other.taken_back);
    }

    /// How many there are of anything.
    pub fn all(&self) -> i64 {
        let refunds = [self.requested, self.succeeded, self.failed, self.canceled, self.reversed];
        let all = refunds.into_iter().chain([self.paid, self.taken_back]);
        all.fold(0, |sum, tally| sum.saturating_add(tally.times))
    }

    /// What was paid less what was taken back, in minor units.
    pub fn refunded(&self) -> i64 {
        self.paid.amount.saturating_sub(self.taken_back.amount)
    }
}

/// A sum of minor units as a decimal number with the decimals of its currency: `-27.01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub units: i64,
    pub currency: Currency,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&signed_decimal(self.units, self.currency))
    }
}

/// How many parts of `length` a value is of the largest one, for drawing: at least 1 when there is
/// anything at all.
pub fn stretch(value: i64, largest: i64, length: u32) -> u32 {
    if value <= 0 || largest <= 0 {
        return 0;
    }
    let part = i128::from(value) * i128::from(length) / i128::from(largest);
    u32::try_from(part).unwrap_or(length).clamp(1, length)
}
