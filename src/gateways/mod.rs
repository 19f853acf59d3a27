//! Money out: the connectors to providers. A gateway only talks to its provider; it knows nothing
//! of the books. Doubt is an [`Outcome`], so a time-out can never become a failure by accident.

pub mod adyen;
pub mod afterpay;
mod amounts;
pub mod bank;
pub mod begateway;
pub mod braintree;
pub mod connected;
pub mod connectors;
pub mod cybersource;
mod exchange;
pub mod http;
pub mod paypal;
pub mod sandbox;
mod signatures;
pub mod stripe;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use refundry_domain::ids::{MerchantId, Timestamp, TransactionId};
use refundry_domain::money::{Currency, Money};
use refundry_domain::outcome::Outcome;
use refundry_domain::policy::Abilities;

use bank::BankAccount;
use connected::Provider;

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
    /// The customer's account, for a gateway that takes one and a method that needs it.
    pub account: Option<BankAccount>,
    /// Whether the books hold it paid: what is no longer so was taken back.
    pub paid: bool,
}

/// What a provider says of an attempt when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Found(Outcome),
    /// It knows of no such attempt, or cannot find it without a name of its own that was never
    /// told. Right after sending that proves nothing.
    Missing,
    /// It could not be asked now, or does not answer questions.
    NoAnswer(String),
}

/// A provider's notification, once its signature was checked: a hint to ask about an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Our key of the attempt, when the provider repeats it.
    pub key: Option<String>,
    /// The provider's own name of the refund.
    pub reference: Option<String>,
    /// What became of it; taken up only of a provider that cannot be asked.
    pub says: Option<Outcome>,
    /// The currency of what it says.
    pub currency: Option<Currency>,
    /// The connection that it came in by: whose it is, and its name. News of anything else is not
    /// taken from it.
    pub through: Option<(MerchantId, String)>,
}

impl Notice {
    /// About the attempt with this key.
    pub fn about(key: &str) -> Notice {
        Notice { key: Some(key.to_owned()), ..Notice::default() }
    }
}

/// A notification as it came in.
#[derive(Clone, Debug)]
pub struct Raw {
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Timestamp,
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why a notification is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// Not signed by the provider, or too old, or no notification at all.
    #[error("{0}")]
    Forged(&'static str),
    /// It cannot be checked now; the provider is to send it again.
    #[error("{0}")]
    NotNow(String),
}

/// Takes up what providers report.
#[async_trait]
pub trait Heed: Send + Sync {
    /// Takes up all that one notification says, and answers when that is committed: whether any of
    /// it was about something that is known here. The error says why the provider has to send it
    /// again.
    async fn heed(&self, notices: &[Notice]) -> Result<bool, String>;
}

#[async_trait]
pub trait Gateway: Send + Sync {
    /// The provider's name, as payments carry it.
    fn name(&self) -> &str;
    /// What the rules need to know of it.
    fn abilities(&self) -> Abilities {
        Abilities::full()
    }
    /// Whether the provider carries out a key at most once, however often it is sent. Nothing is
    /// believed to that nobody says it of.
    fn deduplicates(&self) -> bool {
        false
    }
    /// Whether [`Gateway::ask`] can tell what became of an attempt.
    fn can_be_asked(&self) -> bool {
        false
    }
    /// Whether it is handed the customer's account, for the methods that its abilities name.
    fn takes_bank_accounts(&self) -> bool {
        false
    }
    /// How many attempts it may be given at once, unless the operator says otherwise.
    fn concurrency(&self) -> usize {
        64
    }
    /// For a provider that cannot be asked and reports what it has decided: how long after the
    /// first send its notification is waited for, in milliseconds.
    fn reports_within_ms(&self) -> Option<i64> {
        None
    }
    /// Whether it is left alone for a while when it does not answer.
    fn tires(&self) -> bool {
        true
    }
    /// Has the provider carry the attempt out. Must be safe to call again with the same attempt
    /// where [`Gateway::deduplicates`].
    async fn pay(&self, attempt: &Attempt) -> Outcome;
    async fn ask(&self, attempt: &Attempt) -> Finding;
    /// What a notification says that it is about, before anything is checked; only of a gateway
    /// that has it checked elsewhere. It is shown to nobody but whose transaction that is.
    fn claimed(&self, _raw: &Raw) -> Option<Notice> {
        None
    }
    /// Checks the signature of a notification over its raw body, and reads what it is about.
    async fn hear(&self, _raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        Err(Unheard::Forged("this gateway takes no notifications"))
    }
    /// Whether the provider takes the credentials, without moving money; the error says why not.
    async fn test(&self) -> Result<(), String> {
        Ok(())
    }
    /// Waits until everything it keeps itself is written.
    async fn close(&self) {}
}

/// The gateways that are built into this server, for all its merchants, by provider name.
#[derive(Clone, Default)]
pub struct Gateways(BTreeMap<String, Arc<dyn Gateway>>);

impl Gateways {
    pub fn of(gateways: impl IntoIterator<Item = Arc<dyn Gateway>>) -> Gateways {
        Gateways(gateways.into_iter().map(|gateway| (gateway.name().to_owned(), gateway)).collect())
    }

    pub fn named(&self, provider: &str) -> Option<&Arc<dyn Gateway>> {
        self.0.get(provider)
    }

    /// What the rules need to know of each.
    pub fn abilities(&self) -> BTreeMap<String, Abilities> {
        self.0.iter().map(|(name, gateway)| (name.clone(), gateway.abilities())).collect()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Gateway>> {
        self.0.values()
    }
}
