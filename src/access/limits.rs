//! How fast one key may ask.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use refundry_domain::ids::{KeyId, Timestamp};

use crate::clock::Clock;

/// A key may use two seconds' worth at once.
pub const BURST_SECONDS: u32 = 2;

#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let ms = u64::try_from(self.0.now().0).unwrap_or_default();
        Nanos::from(Duration::from_millis(ms))
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

/// How many seconds' worth of what other processes let through is remembered at most.
const DEBT_SECONDS: u32 = 30;

/// The bucket of one key: filled at its rate, as deep as its burst.
pub struct Limit {
    pub rate: NonZeroU32,
    burst: NonZeroU32,
    ticks: Ticks,
    bucket: Mutex<Arc<Bucket>>,
    /// Requests let through here since the start.
    used: AtomicU64,
    /// What other processes let through and this bucket has not yet given for it.
    debt: AtomicU64,
}

/// Whether a request may go on, and what is left of the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub allowed: bool,
    /// Requests that may be made at once, and in how many seconds they may.
    pub quota: u32,
    pub window_seconds: u32,
    pub remaining: u32,
    /// In how many seconds the whole quota is there again; when not allowed, the next request.
    pub reset_seconds: u64,
}

impl Limit {
    pub fn new(rate_per_second: u32, clock: Arc<dyn Clock>) -> Limit {
        let rate = NonZeroU32::new(rate_per_second).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
        let ticks = Ticks(clock);
        let bucket = Mutex::new(Arc::new(bucket_of(rate, burst, ticks.clone())));
        let (used, debt) = (AtomicU64::new(0), AtomicU64::new(0));
        Limit { rate, burst, ticks, bucket, used, debt }
    }

    /// Counts a request.
    pub fn take(&self) -> Standing {
        let bucket = self.bucket.lock().clone();
        while self.debt.load(Ordering::Relaxed) > 0 && bucket.check().is_ok() {
            let less = |debt: u64| Some(debt.saturating_sub(1));
            let _ = self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        match bucket.check() {
            Ok(state) => {
                self.used.fetch_add(1, Ordering::Relaxed);
                let remaining = state.remaining_burst_capacity();
                let missing = self.burst.get().saturating_sub(remaining);
                self.standing(true, remaining, u64::from(missing.div_ceil(self.rate.get())))
            }
            Err(until) => {
                let wait = until.wait_time_from(self.ticks.now());
                if wait > Duration::from_secs(u64::from(BURST_SECONDS) + 1) {
                    // No bucket is that empty: the system's clock was set back. Begin anew.
                    *self.bucket.lock() =
                        Arc::new(bucket_of(self.rate, self.burst, self.ticks.clone()));
                }
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                self.standing(false, 0, seconds.clamp(1, u64::from(BURST_SECONDS)))
            }
        }
    }

    /// How many requests were let through here since the start.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Other processes let so many requests through: they are taken from what may be asked here.
    pub fn owe(&self, requests: u64) {
        let most = u64::from(self.rate.get()) * u64::from(DEBT_SECONDS);
        let more = |debt: u64| Some(debt.saturating_add(requests).min(most));
        let _ = self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn standing(&self, allowed: bool, remaining: u32, reset_seconds: u64) -> Standing {
        let quota = self.burst.get();
        Standing { allowed, quota, window_seconds: BURST_SECONDS, remaining, reset_seconds }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How often a key has asked on a day, here and in other processes.
#[derive(Clone, Copy, Default)]
struct Today {
    day: i64,
    here: u32,
    elsewhere: u32,
}

/// How often each key has asked today, by UTC.
#[derive(Default)]
pub struct Days(Mutex<HashMap<KeyId, Today>>);

/// The number of the day of UTC.
pub fn day_of(now: Timestamp) -> i64 {
    now.0.div_euclid(DAY_MS)
}

impl Days {
    /// How often the key has asked here on the day.
    pub fn here(&self, key: KeyId, day: i64) -> u32 {
        self.0.lock().get(&key).filter(|count| count.day == day).map_or(0, |count| count.here)
    }

    /// Other processes have let so many of the key's requests through on the day.
    pub fn hear(&self, key: KeyId, day: i64, elsewhere: u32) {
        let mut counts = self.0.lock();
        let count = counts.entry(key).or_default();
        if count.day != day {
            *count = Today { day, ..Today::default() };
        }
        count.elsewhere = elsewhere;
    }

    /// Counts a request; when the day's are used up, answers in how many seconds the next begins.
    pub fn take(&self, key: KeyId, most: u32, now: Timestamp) -> Result<(), u64> {
        let today = day_of(now);
        let mut counts = self.0.lock();
        let count = counts.entry(key).or_default();
        if count.day != today {
            *count = Today { day: today, ..Today::default() };
        }
        if count.here.saturating_add(count.elsewhere) >= most {
            let left = DAY_MS - now.0.rem_euclid(DAY_MS);
            return Err(u64::try_from(left / 1000).unwrap_or_default() + 1);
        }
        count.here += 1;
        Ok(())
    }
}

fn bucket_of(rate: NonZeroU32, burst: NonZeroU32, ticks: Ticks) -> Bucket {
    let quota = Quota::per_second(rate).allow_burst(burst);
    RateLimiter::direct_with_clock(quota, ticks).with_middleware()
}
