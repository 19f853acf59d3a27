//! Commands about an account of credit.

use std::sync::Arc;

use refundry_domain::credit::{CreditBook, CreditCommand};
use refundry_domain::ids::AccountId;

use super::{Answered, Fault, Ledger, Seen};
use crate::access::Caller;
use crate::store::credits::CreditIntent;
use crate::store::{Claim, StoreError};

impl Ledger {
    /// As [`Ledger::carry_out`], of an account.
    pub async fn move_credit(
        &self,
        caller: &Caller,
        account: AccountId,
        command: CreditCommand,
        claim: Option<Claim<CreditBook>>,
        dry_run: bool,
    ) -> Result<Answered<CreditBook>, Fault> {
        let command = Arc::new(command);
        let answered = self.settle_credit(caller, account, command.clone(), claim, dry_run).await;
        if let Some(observer) = self.observer.get()
            && !dry_run
        {
            observer(Seen::OfCredit(&command, answered.as_ref()));
        }
        answered
    }

    async fn settle_credit(
        &self,
        caller: &Caller,
        account: AccountId,
        command: Arc<CreditCommand>,
        claim: Option<Claim<CreditBook>>,
        dry_run: bool,
    ) -> Result<Answered<CreditBook>, Fault> {
        let _running = self.enter(caller.merchant, claim.as_ref())?;
        let intent = CreditIntent {
            merchant: caller.merchant,
            by: caller.by.clone(),
            at: self.clock.now(),
            account,
            command,
            claim,
            dry_run,
        };
        let settled = self.store.move_credit(intent).await?;
        self.tell(caller.merchant, settled, dry_run).ok_or_else(|| {
            StoreError::Damaged("a movement of credit was said not to fit".to_owned()).into()
        })
    }
}
