//! What may be asked of accounts of credit, and done with them.

use refundry_domain::credit::{Account, CreditBook, CreditCommand, Entry};
use refundry_domain::ids::AccountId;

use super::right::{Reads, Right, Writes};
use crate::ledger::{Answered, Fault};
use crate::store::credits::{AccountFilter, EntriesOf};
use crate::store::{Claim, Page, Slice, StoreError};

impl Right<Reads> {
    pub async fn credit_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.store().credit_account(self.merchant(), id).await
    }

    pub async fn credit_account_by_code(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<Account>, StoreError> {
        self.store().credit_account_by_code(self.merchant(), digest).await
    }

    pub async fn credit_accounts(
        &self,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Slice<Account>, StoreError> {
        self.store().credit_accounts(self.merchant(), filter, page).await
    }

    pub async fn credit_entries(
        &self,
        of: EntriesOf,
        page: Page,
    ) -> Result<Slice<Entry>, StoreError> {
        self.store().credit_entries(self.merchant(), of, page).await
    }
}

impl Right<Writes> {
    /// Carries a command about an account out, to its end even when the client hangs up.
    pub async fn move_credit(
        &self,
        account: AccountId,
        command: CreditCommand,
        claim: Option<Claim<CreditBook>>,
        dry_run: bool,
    ) -> Result<Answered<CreditBook>, Fault> {
        let (ledger, caller) = (self.desk.0.ledger.clone(), self.caller().clone());
        let task = tokio::spawn(async move {
            ledger.move_credit(&caller, account, command, claim, dry_run).await
        });
        task.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the command was broken off".to_owned()).into())
        })
    }
}
