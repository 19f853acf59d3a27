//! What is the same of every connected provider: its name, what its connector says it can do, and
//! what is settled before anything is sent.

use async_trait::async_trait;
use refundry_domain::outcome::Outcome;
use refundry_domain::policy::Abilities;

use super::connectors::Connector;
use super::{Attempt, Finding, Gateway, Notice, Raw, Unheard, exchange};

/// What one provider has of its own: how it is spoken to. The promises are those of [`Gateway`].
#[async_trait]
pub trait Provider: Send + Sync {
    /// Whether it knows a payment by the name that it gave it, and cannot pay without.
    fn finds_payments_by_name(&self) -> bool {
        true
    }
    fn reports_within_ms(&self) -> Option<i64> {
        None
    }
    /// `payment` is its name of the payment, empty only if it can do without.
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome;
    async fn ask(&self, attempt: &Attempt) -> Finding;
    fn claimed(&self, _raw: &Raw) -> Option<Notice> {
        None
    }
    async fn hear(&self, _raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        Err(Unheard::Forged("this gateway takes no notifications"))
    }
    async fn test(&self) -> Result<(), String>;
}

/// A merchant's account at a provider, ready to be called.
pub struct Connected {
    pub name: String,
    pub connector: &'static Connector,
    pub abilities: Abilities,
    pub provider: Box<dyn Provider>,
}

#[async_trait]
impl Gateway for Connected {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        self.abilities.clone()
    }

    fn deduplicates(&self) -> bool {
        self.connector.deduplicates
    }

    fn can_be_asked(&self) -> bool {
        self.connector.can_be_asked
    }

    fn takes_bank_accounts(&self) -> bool {
        self.connector.takes_bank_accounts
    }

    fn reports_within_ms(&self) -> Option<i64> {
        self.provider.reports_within_ms()
    }

    async fn pay(&self, attempt: &Attempt) -> Outcome {
        let outcome = match exchange::payment(attempt) {
            Ok(payment) => self.provider.pay(attempt, payment).await,
            Err(_) if !self.provider.finds_payments_by_name() => {
                self.provider.pay(attempt, "").await
            }
            Err(outcome) => outcome,
        };
        match &attempt.account {
            Some(account) => account.unsaid(outcome),
            None => outcome,
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        let finding = self.provider.ask(attempt).await;
        match (&attempt.account, finding) {
            (Some(account), Finding::Found(outcome)) => Finding::Found(account.unsaid(outcome)),
            (Some(account), Finding::NoAnswer(text)) => Finding::NoAnswer(account.hidden(text)),
            (None, finding) | (Some(_), finding @ Finding::Missing) => finding,
        }
    }

    fn claimed(&self, raw: &Raw) -> Option<Notice> {
        self.provider.claimed(raw)
    }

    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        self.provider.hear(raw).await
    }

    async fn test(&self) -> Result<(), String> {
        self.provider.test().await
    }
}
