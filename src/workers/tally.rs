//! What the workers did, counted for `/metrics`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use refundry_domain::outcome::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Attempts handed to a provider, the same one again included.
    Sent,
    /// Questions to a provider about an attempt.
    Asked,
    Succeeded,
    Waiting,
    Declined,
    Reversed,
    /// Attempts that certainly were not carried out and wait.
    NotTaken,
    /// Outcomes not known.
    Unknown,
    /// Outcomes given up on, left to a person.
    Lost,
    /// Notifications taken up, and those about nothing we know.
    Noticed,
    Strange,
    /// Rounds that the store did not let happen.
    Troubled,
    Expired,
}

impl Count {
    pub const ALL: [Count; 13] = [
        Count::Sent,
        Count::Asked,
        Count::Succeeded,
        Count::Waiting,
        Count::Declined,
        Count::Reversed,
        Count::NotTaken,
        Count::Unknown,
        Count::Lost,
        Count::Noticed,
        Count::Strange,
        Count::Troubled,
        Count::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Count::Sent => "sent",
            Count::Asked => "asked",
            Count::Succeeded => "succeeded",
            Count::Waiting => "waiting",
            Count::Declined => "declined",
            Count::Reversed => "reversed",
            Count::NotTaken => "not_taken",
            Count::Unknown => "unknown",
            Count::Lost => "lost",
            Count::Noticed => "noticed",
            Count::Strange => "strange",
            Count::Troubled => "troubled",
            Count::Expired => "expired",
        }
    }
}

#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; Count::ALL.len()],
    in_flight: AtomicU64,
    halted: AtomicBool,
}

impl Tally {
    pub fn add(&self, count: Count) {
        self.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn of(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// How many payouts are under way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether payouts are held back, since the books are behind their anchor.
    pub fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Answers what it was before.
    pub(super) fn halt(&self, halted: bool) -> bool {
        self.halted.swap(halted, Ordering::Relaxed)
    }

    pub(super) fn outcome(&self, outcome: &Outcome) {
        self.add(match outcome {
            Outcome::Done { .. } => Count::Succeeded,
            Outcome::Waiting { .. } | Outcome::Acknowledged { .. } => Count::Waiting,
            Outcome::Declined(_) | Outcome::CalledOff { .. } => Count::Declined,
            Outcome::Reversed { .. } => Count::Reversed,
            Outcome::NotTaken { .. } => Count::NotTaken,
            Outcome::Unknown { lost: false, .. } => Count::Unknown,
            Outcome::Unknown { lost: true, .. } => Count::Lost,
        });
    }
}
