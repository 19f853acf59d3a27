//! What providers report by themselves: hints, that never move anything by being heard twice.

use async_trait::async_trait;
use refundry_domain::command::Command;
use refundry_domain::ids::{MerchantId, OrderRef, TransactionId};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::Refund;

use super::attempt::{attempt_of, note};
use super::{Count, Pay, learn};
use crate::connections::{Found, meant};
use crate::gateways::{Attempt, Finding, Heed, Notice};
use crate::ledger::Fault;
use crate::store::{Movement, StoreError};

/// Why a notification could not be taken up.
#[derive(Debug, thiserror::Error)]
enum Untaken {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its provider cannot be asked: {0}")]
    Unasked(String),
}

#[async_trait]
impl Heed for Pay {
    async fn heed(&self, notices: &[Notice]) -> Result<bool, String> {
        let (mut known, mut trouble) = (false, None);
        for notice in notices {
            self.tally.add(Count::Noticed);
            match meant(self.ledger.books(), notice).await.map_err(Untaken::from) {
                Ok(None) => {}
                Ok(Some(of)) => {
                    known = true;
                    trouble = self.take_up(of, notice).await.err().or(trouble);
                }
                Err(error) => trouble = Some(error),
            }
        }
        match trouble {
            Some(error) => Err(error.to_string()),
            None if known || notices.is_empty() => Ok(known),
            None => {
                self.tally.add(Count::Strange);
                let key = notices[0].key.as_deref();
                tracing::warn!(key, "a notification is about nothing that is known here");
                Ok(false)
            }
        }
    }
}

impl Pay {
    /// Takes up a notification that nobody sends again.
    pub async fn notice(&self, notice: &Notice) {
        if let Err(why) = self.heed(std::slice::from_ref(notice)).await {
            tracing::warn!(key = notice.key, why, "a notification cannot be taken up now");
        }
    }

    /// A notification is a hint to ask, never believed by itself.
    async fn take_up(
        &self,
        (merchant, transaction): (MerchantId, TransactionId),
        notice: &Notice,
    ) -> Result<(), Untaken> {
        let Some((mut attempt, provider, refund)) = self.attempt(merchant, transaction).await?
        else {
            return Ok(());
        };
        let gateway = match self.connections.find(merchant, &provider).await? {
            Found::Live(gateway) | Found::Disabled(gateway) => gateway,
            Found::Broken(why) => return Err(Untaken::Unasked(why)),
            Found::Nothing => return Ok(()),
        };
        if !gateway.can_be_asked() {
            let Some(mut outcome) = notice.says.clone() else { return Ok(()) };
            if notice.currency.is_some_and(|currency| currency != attempt.amount.currency()) {
                let message = "The provider says that it paid in another currency.".to_owned();
                outcome = Outcome::Unknown { message, lost: true };
            }
            note(&attempt, &outcome);
            // A provider that takes back what it paid says so in the words of a failure.
            let outcome = learn::taken_back(&attempt, outcome);
            let report = Report { outcome, by: Reporter::Notification, look_again_ms: 0 };
            self.order(merchant, transaction, Command::Report(report)).await?;
            return Ok(());
        }
        if let Err(why) = self.connections.address(gateway.as_ref(), &mut attempt, &refund) {
            return Err(Untaken::Unasked(why));
        }
        let found = learn::ask(gateway.as_ref(), &attempt, self.rules.timeout, &self.tally).await;
        // What is not definite is no news: the payout may be under way right now, and its lease
        // must stay.
        let definite = match found {
            Finding::Found(
                outcome @ (Outcome::Done { .. } | Outcome::Declined(_) | Outcome::Reversed { .. }),
            ) => outcome,
            Finding::Found(
                Outcome::Waiting { .. }
                | Outcome::NotTaken { .. }
                | Outcome::Unknown { .. }
                | Outcome::Acknowledged { .. }
                | Outcome::CalledOff { .. },
            )
            | Finding::Missing => return Ok(()),
            Finding::NoAnswer(why) => return Err(Untaken::Unasked(why)),
        };
        note(&attempt, &definite);
        let report = Report { outcome: definite, by: Reporter::Gateway, look_again_ms: 0 };
        self.order(merchant, transaction, Command::Report(report)).await?;
        Ok(())
    }

    /// The attempt as it stands in the books, with its provider and its refund.
    async fn attempt(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Result<Option<(Attempt, String, Refund)>, StoreError> {
        let books = self.ledger.books();
        let Some(row) = books.transaction(merchant, transaction).await? else { return Ok(None) };
        let Movement::Back(back) = row.movement else { return Ok(None) };
        let Some(book) = books.order(merchant, OrderRef::Id(row.order)).await? else {
            return Ok(None);
        };
        let Some(refund) = books.refund(merchant, back.refund).await? else { return Ok(None) };
        let attempt = attempt_of(&book, &refund, &back);
        Ok(attempt.map(|attempt| (attempt, back.provider.clone(), refund)))
    }
}
