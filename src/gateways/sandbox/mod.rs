//! A provider of our own that moves no money, for trying things out: it pays by default and
//! misbehaves when it is asked to. It keeps its own record of what it paid, outside the books, so
//! that the two can be compared.

mod record;
mod script;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refundry_domain::outcome::Outcome;
use refundry_domain::policy::Abilities;
use tokio::sync::mpsc::UnboundedSender;

use super::{Attempt, Finding, Gateway, Notice};
use crate::clock::Clock;
use record::{Call, Record};
use script::{Reply, Says, Script};

pub use record::{PaymentTotal, RecordError, Totals, each_payment, totals};

/// The provider's name, as payments carry it.
pub const NAME: &str = "sandbox";

pub struct Sandbox {
    record: Record,
}

impl Sandbox {
    /// Opens the record in a data directory. Notifications go into `notices`, when their time has
    /// come by the clock.
    pub fn open(
        directory: &Path,
        clock: Arc<dyn Clock>,
        notices: UnboundedSender<Notice>,
    ) -> Result<Sandbox, RecordError> {
        Ok(Sandbox { record: Record::open(directory, clock, notices)? })
    }

    /// Returns once every notification that is due by the clock has been handed on.
    pub async fn deliver_due(&self) {
        self.record.deliver_due().await;
    }

    async fn call(&self, call: Call, attempt: &Attempt) -> Result<Reply, RecordError> {
        let script = Script::of(attempt.payment_reference.as_deref(), attempt.amount.minor());
        if let Script::Slow { ms } = script {
            tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await;
        }
        self.record.call(call, script, attempt).await
    }
}

#[async_trait]
impl Gateway for Sandbox {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            methods_needing_information: vec!["bank_transfer".to_owned()],
            ..Abilities::full()
        }
    }

    fn deduplicates(&self) -> bool {
        true
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    /// It lives in this process, and is made to fail on purpose.
    fn tires(&self) -> bool {
        false
    }

    fn concurrency(&self) -> usize {
        1024
    }

    async fn pay(&self, attempt: &Attempt) -> Outcome {
        match self.call(Call::Pay, attempt).await {
            Ok(Reply { says: Says::Outcome(outcome), .. }) => outcome,
            Ok(Reply { says: Says::Missing, .. }) => {
                let message = "The sandbox lost it.".to_owned();
                Outcome::Unknown { message, lost: false }
            }
            Ok(Reply { says: Says::Nothing, .. }) => std::future::pending().await,
            Err(error) => Outcome::Unknown { message: error.to_string(), lost: false },
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        match self.call(Call::Ask, attempt).await {
            Ok(Reply { says: Says::Outcome(outcome), .. }) => Finding::Found(outcome),
            Ok(Reply { says: Says::Missing, .. }) => Finding::Missing,
            Ok(Reply { says: Says::Nothing, .. }) => std::future::pending().await,
            Err(error) => Finding::NoAnswer(error.to_string()),
        }
    }

    async fn close(&self) {
        self.record.close().await;
    }
}
