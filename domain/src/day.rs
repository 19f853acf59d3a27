//! What a merchant has decided to give back on one day, for the limit that it may have set.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::money::{Currency, Minor};
use crate::policy::Policy;

/// A refund counts on the day on which it was decided, once, whatever becomes of it; but one that is
/// canceled on that day makes room again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// By the merchant's clocks, such as `2026-02-28`.
    pub date: String,
    pub refunds: u32,
    /// In minor units; together they may be more than one amount can be.
    pub amounts: BTreeMap<Currency, i64>,
}

impl Day {
    /// Nothing was decided on it so far.
    pub fn new(date: String) -> Day {
        Day { date, refunds: 0, amounts: BTreeMap::new() }
    }

    pub fn of(&self, currency: Currency) -> i64 {
        self.amounts.get(&currency).copied().unwrap_or(0)
    }

    pub fn add(&mut self, amount: Minor, currency: Currency) {
        self.refunds = self.refunds.saturating_add(1);
        self.amounts.insert(currency, self.of(currency).saturating_add(amount.get()));
    }

    pub fn take_back(&mut self, amount: Minor, currency: Currency) {
        self.refunds = self.refunds.saturating_sub(1);
        self.amounts.insert(currency, self.of(currency).saturating_sub(amount.get()));
    }
}

/// Whether the command may decide on money, or call off what was decided, where days have a limit:
/// its book then needs the day.
pub fn is_wanted(policy: &Policy, command: &Command) -> bool {
    if !policy.daily.is_set() {
        return false;
    }
    match command {
        Command::RequestRefund(_) | Command::Confirm { .. } | Command::Cancel { .. } => true,
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::ChangeRefund(_)
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Expire
        | Command::Start { .. }
        | Command::Report(_)
        | Command::Annotate { .. } => false,
    }
}
