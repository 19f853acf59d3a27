//! What a merchant has settled beforehand, and what the connected providers can do.

use std::collections::{BTreeMap, BTreeSet};

use crate::day::Day;
use crate::money::{Currency, Minor};
use crate::refund::{Destination, WaitsFor};

/// When a refund needs somebody's approval before money moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    #[default]
    Never,
    Always,
    /// Above an amount, by currency; a currency that is not named needs none.
    Above(BTreeMap<Currency, Minor>),
}

/// What may be given back in one day before each further refund needs somebody's approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DailyLimit {
    /// How many refunds, whatever their currency.
    pub refunds: Option<u32>,
    /// How much, by currency; a currency that is not named has no limit.
    pub amounts: BTreeMap<Currency, Minor>,
}

impl DailyLimit {
    pub fn is_set(&self) -> bool {
        self.refunds.is_some() || !self.amounts.is_empty()
    }

    /// Whether one more refund would be more than the day may have.
    pub fn is_passed(&self, day: &Day, amount: Minor, currency: Currency) -> bool {
        let count = self.refunds.is_some_and(|most| day.refunds >= most);
        let most = self.amounts.get(&currency);
        count || most.is_some_and(|most| day.of(currency).saturating_add(amount.get()) > most.get())
    }
}

/// What the connector to a provider can do; the rules go by these, never by a provider's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it can carry refunds out by itself. Without, an outside platform is told.
    pub pays: bool,
    /// Payment methods whose payout needs the customer's bank details first.
    pub methods_needing_information: Vec<String>,
    /// Whether it can give back less than all of a payment.
    pub in_part: bool,
    /// Whether it can give back from one payment more than once.
    pub repeatedly: bool,
    /// The currencies that it can pay; `None` for all.
    pub currencies: Option<BTreeSet<Currency>>,
}

impl Abilities {
    /// Pays any part of any payment by itself, as often as asked, and needs no details.
    pub fn full() -> Abilities {
        Abilities {
            pays: true,
            methods_needing_information: Vec::new(),
            in_part: true,
            repeatedly: true,
            currencies: None,
        }
    }
}

/// One share of a refund, as far as a provider may be unable to carry it out.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub currency: Currency,
    /// All that the payment captured.
    pub whole: bool,
    /// Nothing of the payment was given back before, or is about to be.
    pub first: bool,
}

/// Notify Only, a switch for each kind of refund: an outside platform is told to pay, whatever the
/// gateways here could do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyOnly {
    pub payment_method: bool,
    pub gift_card: bool,
    pub store_credit: bool,
}

impl NotifyOnly {
    pub fn covers(self, to: Destination) -> bool {
        match to {
            Destination::OriginalPayment => self.payment_method,
            Destination::GiftCard => self.gift_card,
            Destination::StoreCredit => self.store_credit,
            Destination::CustomerBalance
            | Destination::BankTransfer
            | Destination::Cash
            | Destination::Other => false,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub approval: Approval,
    pub daily: DailyLimit,
    /// The IANA name of the zone by whose clocks days begin; UTC when there is no such zone.
    pub time_zone: String,
    pub providers: BTreeMap<String, Abilities>,
    /// How long a customer has to give bank details, in milliseconds.
    pub information_expiry_ms: i64,
    pub notify_only: NotifyOnly,
    /// How long an outside platform that was told may be silent, in milliseconds.
    pub report_within_ms: i64,
    /// Whether a return closes once it is refunded.
    pub auto_close: bool,
    /// Whether a refund by bank transfer asks the customer for the account first.
    pub ask_bank_details: bool,
}

impl Policy {
    pub fn pays_through(&self, provider: &str) -> bool {
        self.providers.get(provider).is_some_and(|abilities| abilities.pays)
    }

    /// Why the provider cannot carry this out by itself, if it cannot.
    pub fn lacks(&self, provider: &str, wanted: Wanted) -> Option<&'static str> {
        let Some(abilities) = self.providers.get(provider).filter(|abilities| abilities.pays)
        else {
            return Some("the payment's provider has no gateway here");
        };
        if !abilities.in_part && !wanted.whole {
            return Some("the payment's provider only gives back all of a payment");
        }
        if !abilities.repeatedly && !wanted.first {
            return Some("the payment's provider gives back of a payment only once");
        }
        if abilities.currencies.as_ref().is_some_and(|known| !known.contains(&wanted.currency)) {
            return Some("the payment's provider does not pay this currency");
        }
        None
    }

    pub fn needs_information(&self, provider: &str, method: &str) -> bool {
        self.providers.get(provider).is_some_and(|abilities| {
            abilities.methods_needing_information.iter().any(|known| known == method)
        })
    }

    /// What of the policy wants somebody to approve the refund, if anything does. The day is what
    /// was decided on it so far; there is none where days have no limit.
    pub fn needs_approval(
        &self,
        amount: Minor,
        currency: Currency,
        day: Option<&Day>,
    ) -> Option<WaitsFor> {
        let large = match &self.approval {
            Approval::Never => false,
            Approval::Always => true,
            Approval::Above(limits) => limits.get(&currency).is_some_and(|limit| amount > *limit),
        };
        if large {
            return Some(WaitsFor::Approval);
        }
        let full = day.is_some_and(|day| self.daily.is_passed(day, amount, currency));
        full.then_some(WaitsFor::DailyLimit)
    }
}
