//! What providers report by themselves: hints, that never move anything by being heard twice.

use refundry_domain::command::Command;
use refundry_domain::ids::{MerchantId, OrderRef, TransactionId};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::Refund;

use super::attempt::{attempt_of, note};
use super::{Count, Pay, learn};
use crate::connections::Found;
use crate::gateways::{Attempt, Finding, Notice};
use crate::ledger::Fault;
use crate::store::{Movement, Page, Store, StoreError, TransactionFilter, TransactionKind};

impl Pay {
    /// Takes up a provider's notification: a hint to ask, never believed by itself.
    pub async fn notice(&self, notice: &Notice) {
        self.tally.add(Count::Noticed);
        if let Err(error) = self.take_up(notice).await {
            tracing::warn!(key = notice.key, %error, "a notification cannot be taken up now");
        }
    }

    async fn take_up(&self, notice: &Notice) -> Result<(), Fault> {
        let books = self.ledger.books();
        let Some((merchant, transaction)) = self.meant(books, notice).await? else {
            self.tally.add(Count::Strange);
            tracing::warn!(key = notice.key, "a notification is about nothing that is known here");
            return Ok(());
        };
        let Some((mut attempt, provider, refund)) = self.attempt(merchant, transaction).await?
        else {
            return Ok(());
        };
        let gateway = match self.connections.find(merchant, &provider).await? {
            Found::Live(gateway) | Found::Disabled(gateway) => gateway,
            Found::Broken(_) | Found::Nothing => return Ok(()),
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
        // One that cannot be opened is asked about by the payout's own round, once it can.
        if self.connections.address(gateway.as_ref(), &mut attempt, &refund).is_err() {
            return Ok(());
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
            | Finding::Missing
            | Finding::NoAnswer(_) => return Ok(()),
        };
        note(&attempt, &definite);
        let report = Report { outcome: definite, by: Reporter::Gateway, look_again_ms: 0 };
        self.order(merchant, transaction, Command::Report(report)).await?;
        Ok(())
    }

    /// Which transaction a notification is about: by our own key first, then by the provider's
    /// name of it; of the connection that it came in by and no other.
    async fn meant(
        &self,
        books: &dyn Store,
        notice: &Notice,
    ) -> Result<Option<(MerchantId, TransactionId)>, StoreError> {
        let by_key = match &notice.key {
            Some(key) => books.transaction_by_key(key.clone()).await?,
            None => None,
        };
        let Some((merchant, provider)) = &notice.through else { return Ok(by_key) };
        if let Some((owner, transaction)) = by_key {
            let row = books.transaction(owner, transaction).await?;
            let fits = row.is_some_and(|row| match row.movement {
                Movement::Back(row) => owner == *merchant && row.provider == *provider,
                Movement::In(_) => false,
            });
            return Ok(fits.then_some((owner, transaction)));
        }
        let Some(reference) = notice.reference.clone() else { return Ok(None) };
        let filter = TransactionFilter {
            kinds: vec![TransactionKind::Refund],
            provider: Some(provider.clone()),
            provider_reference: Some(reference),
            ..TransactionFilter::default()
        };
        let page = Page { after: None, before: None, limit: 1, oldest_first: false };
        let found = books.transactions(*merchant, filter, page).await?;
        Ok(found.rows.first().map(|row| (*merchant, TransactionId(row.number()))))
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
