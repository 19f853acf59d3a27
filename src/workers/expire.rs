//! Lets requests for bank details run out.

use std::sync::Arc;

use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::RefundId;

use super::{Count, Tally};
use crate::access::Caller;
use crate::ledger::{Answered, Fault, Ledger};
use crate::store::StoreError;

const ROUND_MOST: u32 = 256;

pub struct Expire {
    ledger: Arc<Ledger>,
    tally: Arc<Tally>,
}

impl Expire {
    pub fn new(ledger: Arc<Ledger>, tally: Arc<Tally>) -> Expire {
        Expire { ledger, tally }
    }

    /// Ends whatever has run out by now.
    pub async fn tick(&self) {
        let due =
            match self.ledger.books().offer(Queue::Expire, self.ledger.now(), ROUND_MOST).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "what has expired cannot be looked for");
                    return;
                }
            };
        for (merchant, work) in due {
            let caller = Caller::internal(merchant, "worker");
            let target = Target::Refund(RefundId(work.subject));
            match self.ledger.carry_out(&caller, target, Command::Expire, None, false).await {
                Ok(Answered::Done { .. }) => self.tally.add(Count::Expired),
                Ok(Answered::Refused { refusal, .. }) => {
                    tracing::warn!(refund = work.subject, %refusal, "a refund cannot expire");
                }
                Ok(Answered::Replayed(_) | Answered::KeyReused) => {}
                // Its own trouble and nobody else's: the others go on.
                Err(Fault::Store(StoreError::Damaged(why))) => {
                    tracing::error!(refund = work.subject, why, "a refund's book is damaged");
                }
                Err(error) => {
                    tracing::warn!(refund = work.subject, %error, "a refund cannot expire now");
                    return;
                }
            }
        }
    }
}
