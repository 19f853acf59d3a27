//! When a delivery is tried, and when an endpoint is given up: as Standard Webhooks recommends.

use refundry_domain::ids::Timestamp;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// How long to wait after each failed try; ten tries over 75 hours.
const WAITS: [i64; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];
/// How long an endpoint may fail without one success before nothing is sent to it any more.
const PATIENCE: i64 = 120 * HOUR;
/// An endpoint may ask to be left alone for so long.
const RETRY_AFTER_MOST: i64 = 24 * HOUR;
/// So many failures in a row, and an endpoint is taken to be down: only what is due again is sent
/// to it, and now and then something new, to see whether it is back.
const DOWN_AFTER: u32 = 5;
const PROBE_EVERY: i64 = 30 * SECOND;

/// When a delivery is tried again that has been tried `tried` times; `None` when it was enough.
pub fn next(tried: u32, now: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(tried).ok()?.checked_sub(1)?;
    WAITS.get(index).map(|wait| now.after_ms(*wait))
}

/// How an endpoint is doing. Only `failing_since` outlives the process.
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    pub failing_since: Option<Timestamp>,
    failures: u32,
    probe_at: Timestamp,
    /// It asked to be left alone until then.
    quiet_until: Timestamp,
}

impl Mood {
    pub fn of(failing_since: Option<Timestamp>) -> Mood {
        let never = Timestamp(i64::MIN);
        Mood { failing_since, failures: 0, probe_at: never, quiet_until: never }
    }

    pub fn succeeded(&mut self) {
        (self.failing_since, self.failures) = (None, 0);
    }

    pub fn failed(&mut self, now: Timestamp) {
        self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.probe_at = now.after_ms(PROBE_EVERY);
    }

    /// It asked for a pause; answers its end.
    pub fn pause(&mut self, now: Timestamp, ms: i64) -> Timestamp {
        self.quiet_until = now.after_ms(ms.clamp(0, RETRY_AFTER_MOST));
        self.quiet_until
    }

    pub fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// Whether anything may be sent.
    pub fn may_send(&self, now: Timestamp) -> bool {
        now >= self.quiet_until
    }

    /// Whether something may be sent that was never tried.
    pub fn may_begin(&self, now: Timestamp, nothing_under_way: bool) -> bool {
        !self.is_down() || (nothing_under_way && now >= self.probe_at)
    }

    /// Whether it has failed for so long that it is told no more.
    pub fn is_hopeless(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.0.saturating_sub(since.0) >= PATIENCE)
    }
}

/// Reads a Retry-After field, in milliseconds from now: seconds, or a date.
pub fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * SECOND);
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(date.timestamp().as_millisecond().saturating_sub(now.0))
}
