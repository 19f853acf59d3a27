//! Counts events for the reports. A round reads each merchant's feed on from where the counts end,
//! adds up, and writes what it has counted and how far in one commit. Whoever else counts the same
//! meanwhile finds the cursor moved and writes nothing, so each event counts once, whatever breaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use refundry_domain::ids::{EventId, MerchantId, Timestamp, TransactionId};
use refundry_domain::money::Minor;
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{State, TransactionState};
use refundry_domain::report::{About, Counts, PayoutStep, Step};
use serde::de::DeserializeOwned;

use crate::store::facts::{Moved, Requested};
use crate::store::reports::{Counting, Piece, Progress, Reached, Told};
use crate::store::{Store, StoreError};

/// How many events are read at once.
const PIECE: u32 = 1_000;

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The merchant that it ended with, when it ended before all were counted.
    pub stopped_at: Option<MerchantId>,
    /// Whether anything is left over.
    pub more: bool,
    /// Somebody else counts too.
    pub lost: bool,
}

/// Counts for about as long as the budget, beginning with the merchants after the given one, and at
/// least one piece of one merchant's feed.
pub async fn round(
    store: &dyn Store,
    after: Option<MerchantId>,
    budget: Duration,
) -> Result<Round, StoreError> {
    let deadline = Instant::now() + budget;
    let all = store.counting(None).await?;
    let mut behind: Vec<Counting> = all.into_iter().filter(|one| !one.is_complete()).collect();
    let first = behind.iter().position(|one| Some(one.merchant) > after).unwrap_or(0);
    behind.rotate_left(first);
    let (mut round, mut progress) = (Round::default(), Vec::new());
    for one in behind {
        round.stopped_at = Some(one.merchant);
        match advance(store, &one, deadline).await {
            Ok(counted) => {
                round.more |= counted.to.cursor < one.newest;
                // On a final feed that ends before the newest event there may be nothing to tell.
                if counted.from.as_ref() != Some(&counted.to) {
                    progress.push(counted);
                }
            }
            // Of one merchant's rows; the others' count all the same.
            Err(StoreError::Damaged(why)) => {
                tracing::error!(merchant = %one.merchant, why, "its events cannot be counted");
            }
            Err(
                error @ (StoreError::Broken(_)
                | StoreError::Doubtful(_)
                | StoreError::Unavailable(_)),
            ) => return Err(error),
        }
        if Instant::now() > deadline {
            round.more = true;
            break;
        }
        round.stopped_at = None;
    }
    if !progress.is_empty() {
        let count = progress.len();
        round.lost = store.add_counts(Arc::new(progress)).await? < count;
        round.more |= round.lost;
    }
    Ok(round)
}

/// What is new of one merchant, as far as there is time.
async fn advance(
    store: &dyn Store,
    counting: &Counting,
    deadline: Instant,
) -> Result<Progress, StoreError> {
    let merchant = counting.merchant;
    let reached = |cursor| Reached { cursor, zone: counting.zone.clone() };
    let mut progress = Progress {
        merchant,
        from: counting.reached.clone(),
        to: reached(EventId(0)),
        counts: Counts::default(),
    };
    if let Some(from) = &counting.reached {
        if from.zone != counting.zone {
            // Days begin at other moments now: all of it is counted again, from the first event.
            return Ok(progress);
        }
        progress.to.cursor = from.cursor;
    }
    let days = Days { zone: TimeZone::get(&counting.zone).unwrap_or(TimeZone::UTC) };
    let mut known = Vec::new();
    loop {
        let piece = store.to_count(merchant, progress.to.cursor, PIECE).await?;
        let Some(last) = piece.last else { break };
        let mut new: Vec<String> = piece.told.iter().map(|told| days.of(told.at)).collect();
        new.dedup();
        new.retain(|day| !known.contains(day));
        if !new.is_empty() {
            for (day, provider, reason) in store.counted_names(merchant, new.clone()).await? {
                progress.counts.know(&day, provider, reason);
            }
            known.append(&mut new);
        }
        add_up(&mut progress.counts, &piece, &days)?;
        progress.to.cursor = last;
        if last >= counting.newest || Instant::now() > deadline {
            break;
        }
    }
    Ok(progress)
}

/// Days by a merchant's clocks.
struct Days {
    zone: TimeZone,
}

impl Days {
    fn of(&self, at: Timestamp) -> String {
        let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        self.zone.to_datetime(moment).date().to_string()
    }
}

fn add_up(counts: &mut Counts, piece: &Piece, days: &Days) -> Result<(), StoreError> {
    for told in &piece.told {
        let payouts = piece.payouts.get(&told.refund).map(Vec::as_slice).unwrap_or_default();
        let about = || About {
            currency: told.currency,
            reason: told.reason.clone(),
            requested_at: told.requested_at,
            provider: payouts.first().map(|(_, provider)| provider.clone()).unwrap_or_default(),
        };
        match told.name.as_str() {
            "refund.requested" => {
                let amount = minor(told, read::<Requested>(told)?.amount)?;
                counts.requested(&days.of(told.at), &about(), amount);
            }
            // Nothing of these is counted: the amount of a proposal, notes, words of a provider.
            "refund.updated" | "refund.contradicted" | "refund.details_purged" => {}
            _ => counts.moved(&days.of(told.at), &about(), &step(told, payouts)?),
        }
    }
    Ok(())
}

fn step(told: &Told, payouts: &[(TransactionId, String)]) -> Result<Step, StoreError> {
    let moved: Moved = read(told)?;
    let state = |name: &str| State::parse(name).ok_or_else(|| unreadable(told));
    let failure = moved
        .failure
        .as_ref()
        .map(|failure| FailureCode::parse(&failure.code).ok_or_else(|| unreadable(told)));
    let mut steps = Vec::with_capacity(moved.moves.len());
    for one in &moved.moves {
        let state = |name: &str| TransactionState::parse(name).ok_or_else(|| unreadable(told));
        let provider = payouts.iter().find(|(id, _)| id.0 == one.transaction);
        steps.push(PayoutStep {
            provider: provider.map(|(_, name)| name.clone()).ok_or_else(|| unreadable(told))?,
            amount: minor(told, one.amount)?,
            from: state(&one.from)?,
            to: state(&one.to)?,
        });
    }
    Ok(Step {
        at: told.at,
        from: state(&moved.from)?,
        to: state(&moved.to)?,
        amount: minor(told, moved.amount)?,
        failure: failure.transpose()?,
        payouts: steps,
    })
}

fn read<T: DeserializeOwned>(told: &Told) -> Result<T, StoreError> {
    serde_json::from_str(&told.data).map_err(|_| unreadable(told))
}

fn minor(told: &Told, units: i64) -> Result<Minor, StoreError> {
    Minor::new(units).ok_or_else(|| unreadable(told))
}

fn unreadable(told: &Told) -> StoreError {
    StoreError::Damaged(format!("an event {} of refund {}", told.name, told.refund))
}
