//! What a merchant has settled beforehand, and what the connected providers can do.

use std::collections::BTreeMap;

use crate::money::{Currency, Minor};

/// When a refund needs somebody's approval before money moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    #[default]
    Never,
    Always,
    /// Above an amount, by currency; a currency that is not named needs none.
    Above(BTreeMap<Currency, Minor>),
}

/// What the connector to a provider can do; the rules go by these, never by a provider's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it can carry refunds out by itself. Without, an outside platform is told.
    pub pays: bool,
    /// Payment methods whose payout needs the customer's bank details first.
    pub methods_needing_information: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub approval: Approval,
    pub providers: BTreeMap<String, Abilities>,
    /// How long a customer has to give bank details, in milliseconds.
    pub information_expiry_ms: i64,
}

impl Policy {
    pub fn pays_through(&self, provider: &str) -> bool {
        self.providers.get(provider).is_some_and(|abilities| abilities.pays)
    }

    pub fn needs_information(&self, provider: &str, method: &str) -> bool {
        self.providers.get(provider).is_some_and(|abilities| {
            abilities.methods_needing_information.iter().any(|known| known == method)
        })
    }

    pub fn needs_approval(&self, amount: Minor, currency: Currency) -> bool {
        match &self.approval {
            Approval::Never => false,
            Approval::Always => true,
            Approval::Above(limits) => limits.get(&currency).is_some_and(|limit| amount > *limit),
        }
    }
}
