//! Looking while somebody writes. Every change of an order, an account or the merchant itself is an
//! event in its chain, in the same commit. So what does not fit is a finding only when the chain is
//! the same before and after the look; otherwise it is looked at again.

use std::time::Duration;

use refundry_domain::credit::Account;
use refundry_domain::ids::{AccountId, MerchantId, OrderId, OrderRef};
use refundry_domain::order::Chain;

use super::{Check, Counts, Reached};
use crate::store::StoreError;

/// How often something is looked at that goes on changing, and how long is waited in between: a
/// while longer each time.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// Where a look began.
struct Mark {
    counts: Counts,
    reached: Reached,
    findings: usize,
    further: u64,
}

impl Check<'_> {
    pub(super) async fn order(
        &mut self,
        merchant: MerchantId,
        id: OrderId,
    ) -> Result<(), StoreError> {
        for look in 1..=LOOKS {
            let (mark, before) = (self.mark(), self.chain_of(merchant, id).await?);
            self.look_at_order(merchant, id).await?;
            if self.is_fine_since(&mark) || self.chain_of(merchant, id).await? == before {
                return Ok(());
            }
            self.back_to(mark, look).await;
        }
        self.report.unsettled += 1;
        Ok(())
    }

    pub(super) async fn account(
        &mut self,
        merchant: MerchantId,
        listed: &Account,
    ) -> Result<(), StoreError> {
        let mut row = listed.clone();
        for look in 1..=LOOKS {
            let mark = self.mark();
            self.look_at_account(merchant, &row).await?;
            if self.is_fine_since(&mark) {
                return Ok(());
            }
            match self.account_now(merchant, row.id).await? {
                Some(now) if now.chain != row.chain => row = now,
                Some(_) | None => return Ok(()),
            }
            self.back_to(mark, look).await;
        }
        self.report.unsettled += 1;
        Ok(())
    }

    pub(super) async fn own_chain(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        for look in 1..=LOOKS {
            let (mark, before) = (self.mark(), self.store.chain(merchant).await?);
            self.look_at_own_chain(merchant).await?;
            if self.is_fine_since(&mark) || self.store.chain(merchant).await? == before {
                return Ok(());
            }
            self.back_to(mark, look).await;
        }
        self.report.unsettled += 1;
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark {
            counts: self.report.counts,
            reached: self.reached,
            findings: self.report.findings.len(),
            further: self.report.further_findings,
        }
    }

    /// Whether what is found stands: nothing was, or nobody writes.
    fn is_fine_since(&self, mark: &Mark) -> bool {
        let found = self.report.findings.len() > mark.findings
            || self.report.further_findings > mark.further;
        !found || self.end.is_none()
    }

    async fn back_to(&mut self, mark: Mark, look: u32) {
        self.report.counts = mark.counts;
        self.reached = mark.reached;
        self.report.findings.truncate(mark.findings);
        self.report.further_findings = mark.further;
        tokio::time::sleep(PAUSE * look).await;
    }

    /// Where the order's chain ends now; nothing of one that cannot be read, which does not change.
    async fn chain_of(
        &mut self,
        merchant: MerchantId,
        id: OrderId,
    ) -> Result<Option<Chain>, StoreError> {
        if self.end.is_none() {
            return Ok(None);
        }
        let read = self.store.order(merchant, OrderRef::Id(id)).await;
        Ok(unless_damaged(read)?.flatten().map(|book| book.order.chain))
    }

    async fn account_now(
        &mut self,
        merchant: MerchantId,
        id: AccountId,
    ) -> Result<Option<Account>, StoreError> {
        Ok(unless_damaged(self.store.credit_account(merchant, id).await)?.flatten())
    }
}

fn unless_damaged<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged(_)) => Ok(None),
        Err(
            error @ (StoreError::Broken(_) | StoreError::Doubtful(_) | StoreError::Unavailable(_)),
        ) => Err(error),
    }
}
