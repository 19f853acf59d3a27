//! Verifications that were asked for on a page: they run in the background, one at a time, and what
//! became of each merchant's last one is remembered by this process alone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use refundry_domain::ids::{MerchantId, Timestamp};

use crate::dialects::shared::right::{Administers, Right};
use crate::ledger::verify::{Counts, Report};

/// How many findings a page shows; `refundry verify` tells all.
pub const SHOWN: usize = 20;
/// How long a merchant leaves the verification to others after its own, at least.
const REST_LEAST_MS: i64 = 60_000;

#[derive(Clone)]
pub struct Proof {
    pub by: String,
    pub began: Timestamp,
    /// What was looked at so far.
    pub counts: Counts,
    pub ended: Option<(Timestamp, Ended)>,
}

impl Proof {
    /// As long as it took, and a minute at least, is for the others.
    fn rests_until(&self) -> Option<Timestamp> {
        let (ended, _) = self.ended.as_ref()?;
        Some(ended.after_ms((ended.0 - self.began.0).max(REST_LEAST_MS)))
    }
}

/// Whether a verification has begun.
pub enum Begun {
    Now,
    Busy,
    /// The merchant's own last one has just ended.
    Rests,
}

#[derive(Clone)]
pub enum Ended {
    Looked {
        findings: Vec<String>,
        further: u64,
        unsettled: u64,
    },
    /// It could not look.
    Failed(String),
}

#[derive(Default)]
struct Known {
    running: bool,
    last: HashMap<MerchantId, Proof>,
}

#[derive(Clone, Default)]
pub struct Proofs(Arc<Mutex<Known>>);

impl Proofs {
    pub fn last(&self, merchant: MerchantId) -> Option<Proof> {
        self.0.lock().last.get(&merchant).cloned()
    }

    /// Begins one, unless another is under way, of whatever merchant, or the merchant's own last
    /// one has kept others waiting and it is their turn.
    pub fn begin(&self, right: Right<Administers>) -> Begun {
        let (merchant, by) = (right.caller().merchant, right.caller().by.to_string());
        let began = right.now();
        {
            let mut known = self.0.lock();
            if known.running {
                return Begun::Busy;
            }
            let rests = known.last.get(&merchant).and_then(Proof::rests_until);
            if rests.is_some_and(|until| until > began) {
                return Begun::Rests;
            }
            known.running = true;
            let proof = Proof { by, began, counts: Counts::default(), ended: None };
            known.last.insert(merchant, proof);
        }
        let proofs = self.clone();
        tokio::spawn(async move {
            // Also when the look is broken off by a panic.
            let _running = Running(proofs.clone());
            let told = proofs.clone();
            let mut progress = move |counts: &Counts| told.with(merchant, |it| it.counts = *counts);
            let ended = match right.verify(&mut progress).await {
                Ok(report) => {
                    proofs.with(merchant, |it| it.counts = report.counts);
                    looked(&report)
                }
                Err(error) => Ended::Failed(error.to_string()),
            };
            let at = right.now();
            proofs.with(merchant, |it| it.ended = Some((at, ended)));
        });
        Begun::Now
    }

    fn with(&self, merchant: MerchantId, change: impl FnOnce(&mut Proof)) {
        if let Some(proof) = self.0.lock().last.get_mut(&merchant) {
            change(proof);
        }
    }
}

fn looked(report: &Report) -> Ended {
    let all = report.findings.len();
    let findings = report
        .findings
        .iter()
        .take(SHOWN)
        .map(|finding| format!("{} {}: {}", finding.kind, finding.number, finding.what));
    let hidden = u64::try_from(all.saturating_sub(SHOWN)).unwrap_or(u64::MAX);
    Ended::Looked {
        findings: findings.collect(),
        further: report.further_findings.saturating_add(hidden),
        unsettled: report.unsettled,
    }
}

/// Lets the next one begin when it goes.
struct Running(Proofs);

impl Drop for Running {
    fn drop(&mut self) {
        let mut known = self.0.0.lock();
        known.running = false;
        for proof in known.last.values_mut().filter(|proof| proof.ended.is_none()) {
            let why = "it was broken off".to_owned();
            proof.ended = Some((proof.began, Ended::Failed(why)));
        }
    }
}
