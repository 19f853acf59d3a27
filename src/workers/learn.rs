//! How the outcome of one attempt is learnt without ever paying it twice.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use refundry_domain::ids::Timestamp;
use refundry_domain::outcome::{Failure, FailureCode, Outcome};

use super::{Count, Tally, said};
use crate::gateways::{Attempt, Finding, Gateway};

/// How long after the first send "no such refund" proves nothing.
const GRACE_MS: i64 = 10 * 60 * 1000;
/// How long providers remember a key, with a margin; the usual promise is 24 hours.
const KEY_REMEMBERED_MS: i64 = 20 * 60 * 60 * 1000;
/// When looking is given up: after so many looks, and not before so long.
const LOOKS_MOST: u32 = 20;
const LOOKING_MS: i64 = 24 * 60 * 60 * 1000;

/// Where an attempt stands when its round begins.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// How often it was handed over, this round included.
    pub sends: u32,
    pub first_sent: Timestamp,
    pub now: Timestamp,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Stage {
    fn age_ms(&self) -> i64 {
        self.now.0.saturating_sub(self.first_sent.0)
    }

    /// Looked at so often and for so long that nothing more will be learnt.
    fn is_old(&self) -> bool {
        self.sends >= LOOKS_MOST && self.age_ms() > LOOKING_MS
    }
}

/// Pays an attempt that was never sent; looks any other one up before it is sent again.
pub async fn learn(
    gateway: &dyn Gateway,
    attempt: &Attempt,
    stage: Stage,
    tally: &Tally,
) -> Outcome {
    let outcome = if stage.sends <= 1 {
        pay(gateway, attempt, stage, tally).await
    } else {
        look_up(gateway, attempt, stage, tally).await
    };
    give_up(gateway, outcome, stage)
}

/// As [`learn`], of a gateway that is switched off: nothing is sent, and what was is asked about.
pub async fn switched_off(
    gateway: &dyn Gateway,
    attempt: &Attempt,
    stage: Stage,
    tally: &Tally,
) -> Outcome {
    let message = || "Nothing is sent: the gateway is switched off.".to_owned();
    if stage.sends <= 1 || !gateway.can_be_asked() {
        return Outcome::NotTaken { message: message() };
    }
    match ask(gateway, attempt, stage.timeout, tally).await {
        Finding::Found(outcome) => outcome,
        Finding::Missing => Outcome::Unknown { message: message(), lost: false },
        Finding::NoAnswer(message) => Outcome::Unknown { message, lost: false },
    }
}

/// What a provider that cannot be asked says of an attempt that the books hold paid.
pub fn taken_back(attempt: &Attempt, outcome: Outcome) -> Outcome {
    if let (Outcome::Declined(failure), true) = (&outcome, attempt.paid) {
        return Outcome::Reversed { message: failure.message.clone() };
    }
    outcome
}

/// Sends an attempt once more whose first send may have arrived. A no that the first send itself
/// may have brought about, or that speaks of our credentials or of another account than the first
/// send went through, says nothing about the first.
async fn pay_again(
    gateway: &dyn Gateway,
    attempt: &Attempt,
    stage: Stage,
    tally: &Tally,
) -> Outcome {
    let outcome = pay(gateway, attempt, stage, tally).await;
    if let Outcome::Declined(Failure {
        code:
            FailureCode::InvalidRequest
            | FailureCode::AlreadyRefunded
            | FailureCode::PaymentNotFound
            | FailureCode::LimitExceeded,
        message,
    }) = &outcome
    {
        let message = format!("Sent again, and refused; the first may have been paid: {message}");
        return Outcome::Unknown { message, lost: false };
    }
    outcome
}

async fn look_up(gateway: &dyn Gateway, attempt: &Attempt, stage: Stage, tally: &Tally) -> Outcome {
    if let (Some(within_ms), Some(reference)) =
        (gateway.reports_within_ms(), &attempt.refund_reference)
    {
        // It has it and will say what it decides; asking or sending again brings nothing.
        let (reference, message) =
            (Some(reference.clone()), "The provider's notification is waited for.".to_owned());
        return if stage.age_ms() < within_ms {
            Outcome::Waiting { reference, message }
        } else {
            Outcome::Unknown { message: "No notification came.".to_owned(), lost: true }
        };
    }
    if gateway.can_be_asked() {
        match ask(gateway, attempt, stage.timeout, tally).await {
            Finding::Found(outcome) => outcome,
            Finding::NoAnswer(message) => Outcome::Unknown { message, lost: false },
            // Sent again only while the provider still knows the key, if it ever had it.
            Finding::Missing if gateway.deduplicates() && stage.age_ms() < KEY_REMEMBERED_MS => {
                pay_again(gateway, attempt, stage, tally).await
            }
            Finding::Missing => {
                let lost = stage.age_ms() >= GRACE_MS;
                Outcome::Unknown { message: "The provider does not know of it.".to_owned(), lost }
            }
        }
    } else if gateway.deduplicates() && stage.age_ms() < KEY_REMEMBERED_MS {
        pay_again(gateway, attempt, stage, tally).await
    } else {
        let message = "The provider can no longer be asked what became of it.".to_owned();
        Outcome::Unknown { message, lost: true }
    }
}

/// What is to be said of an attempt whose gateway this server no longer has: it waits, and in the
/// end is for a person.
pub fn without_gateway(provider: &str, stage: Stage) -> Outcome {
    let message = format!("This server has no gateway for {provider:?}.");
    Outcome::Unknown { message, lost: stage.is_old() }
}

/// Doubt that nothing can clear up any more is for a person.
fn give_up(gateway: &dyn Gateway, outcome: Outcome, stage: Stage) -> Outcome {
    let Outcome::Unknown { message, lost: false } = outcome else { return outcome };
    let never_clear = !gateway.can_be_asked() && !gateway.deduplicates();
    Outcome::Unknown { message, lost: never_clear || stage.is_old() }
}

async fn pay(gateway: &dyn Gateway, attempt: &Attempt, stage: Stage, tally: &Tally) -> Outcome {
    tally.add(Count::Sent);
    match guarded(stage.timeout, gateway.pay(attempt)).await {
        Ok(outcome) => outcome,
        Err(message) => Outcome::Unknown { message, lost: false },
    }
}

pub async fn ask(
    gateway: &dyn Gateway,
    attempt: &Attempt,
    timeout: Duration,
    tally: &Tally,
) -> Finding {
    tally.add(Count::Asked);
    guarded(timeout, gateway.ask(attempt)).await.unwrap_or_else(Finding::NoAnswer)
}

/// A gateway that takes too long or breaks leaves the outcome open, whatever it was doing.
async fn guarded<T>(timeout: Duration, call: impl Future<Output = T>) -> Result<T, String> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(panic)) => {
            tracing::error!(panic = said(&*panic), "a gateway broke off");
            Err("The connector to the provider broke off.".to_owned())
        }
        Err(_) => Err(format!("No answer in {} ms.", timeout.as_millis())),
    }
}
