//! Counts refunds for the reports, with as little of the machine as it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use refundry_domain::ids::MerchantId;

use crate::ledger::Ledger;
use crate::ledger::counting::{self, Round};

/// How often it looks whether anything was committed here.
pub const EVERY: Duration = Duration::from_secs(1);
/// How often it looks although nothing was: another process may have been stopped before it counted.
const LOOK: Duration = Duration::from_secs(10);
/// How long it counts of each second, while many commit and otherwise. Under load the counts may
/// fall behind; they are never in the way.
const BUSY_BUDGET: Duration = Duration::from_millis(20);
const QUIET_BUDGET: Duration = Duration::from_millis(250);
/// More commands than this in a second are many.
const MANY: u64 = 500;
/// How many looks it sits out when another process counts the same.
const REST: u32 = 5;

pub struct Reckon {
    ledger: Arc<Ledger>,
    state: Mutex<Place>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// How many commits this process had made at the last look.
    commits: u64,
    looked: Option<Instant>,
    /// The merchant with which the last round ended early.
    after: Option<MerchantId>,
    /// Whether the last round left something over.
    more: bool,
    /// How many looks are sat out yet.
    rest: u32,
}

impl Reckon {
    pub fn new(ledger: Arc<Ledger>) -> Reckon {
        Reckon { ledger, state: Mutex::default() }
    }

    /// Counts some of what is new.
    pub async fn tick(&self) {
        let mut place = *self.state.lock();
        let commits = *self.ledger.commits().borrow();
        let new = commits.saturating_sub(place.commits);
        let due = place.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if place.rest > 0 {
            self.state.lock().rest -= 1;
            return;
        }
        if new == 0 && !place.more && !due {
            return;
        }
        (place.commits, place.looked, place.more) = (commits, Some(Instant::now()), true);
        let budget = if new > MANY { BUSY_BUDGET } else { QUIET_BUDGET };
        match counting::round(self.ledger.books(), place.after, budget).await {
            Ok(Round { stopped_at, more, lost }) => {
                (place.after, place.more) = (stopped_at, more);
                place.rest = if lost { REST } else { 0 };
            }
            Err(error) => tracing::warn!(%error, "refunds cannot be counted for the reports now"),
        }
        *self.state.lock() = place;
    }
}
