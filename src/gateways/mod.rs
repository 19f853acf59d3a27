//! Money out: the connectors to providers. A gateway only talks to its provider; it knows nothing
//! of the books. Doubt is an [`Outcome`], so a time-out can never become a failure by accident.

pub mod sandbox;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::money::Money;
use refundry_domain::outcome::Outcome;
use refundry_domain::policy::Abilities;

/// One attempt to give a part of a payment back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub merchant: MerchantId,
    pub transaction: TransactionId,
    /// The payment that is given back.
    pub payment: TransactionId,
    /// The provider's idempotency key: the same in every call for this attempt.
    pub key: String,
    pub amount: Money,
    pub method: String,
    /// The provider's name of the payment that is given back.
    pub payment_reference: Option<String>,
    /// The provider's name of this refund, once it has told one.
    pub refund_reference: Option<String>,
    pub reason: Option<String>,
}

/// What a provider says of an attempt when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Found(Outcome),
    /// It knows of no such attempt. Right after sending that proves nothing.
    Missing,
    /// It could not be asked now, or does not answer questions.
    NoAnswer(String),
}

/// A provider's notification, once its signature was checked: a hint to ask about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Our key of the attempt.
    pub key: String,
}

#[async_trait]
pub trait Gateway: Send + Sync {
    /// The provider's name, as payments carry it.
    fn name(&self) -> &'static str;
    /// What the rules need to know of it.
    fn abilities(&self) -> Abilities;
    /// Whether the provider carries out a key at most once, however often it is sent.
    fn deduplicates(&self) -> bool;
    /// Whether [`Gateway::ask`] can tell what became of an attempt.
    fn can_be_asked(&self) -> bool;
    /// How many attempts it may be given at once, unless the operator says otherwise.
    fn concurrency(&self) -> usize {
        64
    }
    /// Has the provider carry the attempt out. Must be safe to call again with the same attempt
    /// where [`Gateway::deduplicates`].
    async fn pay(&self, attempt: &Attempt) -> Outcome;
    async fn ask(&self, attempt: &Attempt) -> Finding;
    /// Waits until everything it keeps itself is written.
    async fn close(&self) {}
}

/// The gateways of this server, by provider name.
#[derive(Clone, Default)]
pub struct Gateways(BTreeMap<&'static str, Arc<dyn Gateway>>);

impl Gateways {
    pub fn of(gateways: impl IntoIterator<Item = Arc<dyn Gateway>>) -> Gateways {
        Gateways(gateways.into_iter().map(|gateway| (gateway.name(), gateway)).collect())
    }

    pub fn named(&self, provider: &str) -> Option<&Arc<dyn Gateway>> {
        self.0.get(provider)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the rules need to know of each.
    pub fn abilities(&self) -> BTreeMap<String, Abilities> {
        self.0.iter().map(|(name, gateway)| ((*name).to_owned(), gateway.abilities())).collect()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Gateway>> {
        self.0.values()
    }
}
