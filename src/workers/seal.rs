//! Seals new events, and forgets kept answers, links and files whose time is over.

use std::sync::Arc;

use refundry_domain::ids::Timestamp;

use crate::ledger::Ledger;

/// How many kept answers are forgotten in one commit, and in how many commits one after the other.
const FORGET_MOST: u32 = 1_000;
const FORGET_ROUNDS: u32 = 100;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub struct Seal {
    ledger: Arc<Ledger>,
    keep_answers_ms: i64,
}

impl Seal {
    pub fn new(ledger: Arc<Ledger>, keep_answers_days: u32) -> Seal {
        Seal { ledger, keep_answers_ms: i64::from(keep_answers_days) * DAY_MS }
    }

    /// Seals what is new, and forgets some of what is old.
    pub async fn tick(&self) {
        let now = self.ledger.now();
        if let Err(error) = self.ledger.books().seal(now).await {
            tracing::warn!(%error, "new events cannot be sealed now");
            return;
        }
        let before = now.after_ms(-self.keep_answers_ms);
        self.forget_answers(before).await;
        // What customers and banks were given is not needed for longer than that either.
        let books = self.ledger.books();
        for gone in [books.forget_links(before).await, books.purge_files(before).await] {
            if let Err(error) = gone {
                tracing::warn!(%error, "old links and files cannot be forgotten now");
            }
        }
    }

    /// As many as there are; a day's answers are as many as a day's requests.
    async fn forget_answers(&self, before: Timestamp) {
        for _ in 0..FORGET_ROUNDS {
            match self.ledger.books().forget_answers(before, FORGET_MOST).await {
                Ok(count) if count < FORGET_MOST.into() => return,
                Ok(count) => {
                    tracing::debug!(count, "old answers to repeated requests are forgotten")
                }
                Err(error) => {
                    tracing::warn!(%error, "old answers cannot be forgotten now");
                    return;
                }
            }
        }
    }
}
