//! Circuit breakers, one a merchant and gateway: a provider that does not answer is left alone for
//! a while, so that it gets air and our payouts do not queue at its door.

use std::collections::HashMap;

use parking_lot::Mutex;
use refundry_domain::ids::{MerchantId, Timestamp};

/// So many calls in a row without an answer open the breaker.
const FAILURES_MOST: u32 = 5;
/// How long it stays open at first; twice as long each time, up to the most.
const OPEN_FIRST_MS: i64 = 2_000;
const OPEN_MOST_MS: i64 = 60_000;
/// How long the one call that tries it out may take before another may.
const TRIAL_MS: i64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Calls go through.
    Closed,
    /// None goes through.
    Open,
    /// One goes through, and decides.
    HalfOpen,
}

impl Circuit {
    pub const ALL: [Circuit; 3] = [Circuit::Closed, Circuit::Open, Circuit::HalfOpen];

    pub fn name(self) -> &'static str {
        match self {
            Circuit::Closed => "closed",
            Circuit::Open => "open",
            Circuit::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Debug)]
struct Breaker {
    circuit: Circuit,
    /// In a row.
    failures: u32,
    /// When an open one is tried out, or a trial counts as lost.
    until: Timestamp,
    /// What the last failure was.
    why: String,
}

/// A call that must not be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    pub for_ms: i64,
    /// What the provider last failed with.
    pub why: String,
}

#[derive(Default)]
pub struct Breakers(Mutex<HashMap<(MerchantId, String), Breaker>>);

impl Breakers {
    /// Whether a call may be made now. Whoever is let through must report how it went.
    pub fn admit(&self, merchant: MerchantId, gateway: &str, now: Timestamp) -> Result<(), Shut> {
        let mut breakers = self.0.lock();
        let Some(breaker) = breakers.get_mut(&(merchant, gateway.to_owned())) else {
            return Ok(());
        };
        if breaker.circuit == Circuit::Closed {
            return Ok(());
        }
        if now < breaker.until {
            let open_ms = breaker.until.0 - now.0;
            // A trial is decided when it is answered, mostly long before it counts as lost.
            let is_tried = breaker.circuit == Circuit::HalfOpen;
            let for_ms = if is_tried { open_ms.min(OPEN_FIRST_MS) } else { open_ms };
            return Err(Shut { for_ms, why: breaker.why.clone() });
        }
        breaker.circuit = Circuit::HalfOpen;
        breaker.until = now.after_ms(TRIAL_MS);
        Ok(())
    }

    /// The provider answered, whatever it said.
    pub fn answered(&self, merchant: MerchantId, gateway: &str) {
        let mut breakers = self.0.lock();
        if let Some(breaker) = breakers.get_mut(&(merchant, gateway.to_owned())) {
            if breaker.circuit != Circuit::Closed {
                tracing::info!(%merchant, gateway, "the provider answers again");
            }
            breaker.circuit = Circuit::Closed;
            breaker.failures = 0;
        }
    }

    /// It did not; answers how many times in a row.
    pub fn failed(&self, merchant: MerchantId, gateway: &str, now: Timestamp, why: &str) -> u32 {
        let mut breakers = self.0.lock();
        let breaker = breakers.entry((merchant, gateway.to_owned())).or_insert_with(|| Breaker {
            circuit: Circuit::Closed,
            failures: 0,
            until: now,
            why: String::new(),
        });
        breaker.failures = breaker.failures.saturating_add(1);
        why.clone_into(&mut breaker.why);
        // Calls that were under way when it opened add nothing to how long it stays open.
        let trial_lost = breaker.circuit == Circuit::HalfOpen;
        let worn_out = breaker.circuit == Circuit::Closed && breaker.failures >= FAILURES_MOST;
        if trial_lost || worn_out {
            let doublings = breaker.failures.saturating_sub(FAILURES_MOST).min(10);
            let open_ms = (OPEN_FIRST_MS << doublings).min(OPEN_MOST_MS);
            if worn_out {
                tracing::warn!(%merchant, gateway, why, "the provider does not answer and is left alone");
            }
            breaker.circuit = Circuit::Open;
            breaker.until = now.after_ms(open_ms);
        }
        breaker.failures
    }

    /// Every breaker that has ever counted a failure: whose, of what, and how it stands.
    pub fn all(&self) -> Vec<(MerchantId, String, Circuit)> {
        let breakers = self.0.lock();
        breakers
            .iter()
            .map(|((merchant, gateway), breaker)| (*merchant, gateway.clone(), breaker.circuit))
            .collect()
    }
}
