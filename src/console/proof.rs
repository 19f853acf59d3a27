//! Verifications that were asked for on a page: they run in the background, one a merchant and few at
//! once, in the order in which they were asked for. What became of each merchant's last one is
//! remembered by this process alone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use refundry_domain::ids::{MerchantId, Timestamp};
use tokio::sync::Semaphore;

use crate::dialects::shared::right::{Administers, Right};
use crate::ledger::verify::{Counts, Report};

/// How many findings a page shows; `refundry verify` tells all.
pub const SHOWN: usize = 20;
/// How many look at once: whoever begins again goes to the end of the line, so nobody keeps it busy
/// for others, and the work beside them goes on.
const AT_ONCE: usize = 2;

#[derive(Clone)]
pub struct Proof {
    pub by: String,
    pub began: Timestamp,
    /// Others are before it.
    pub waits: bool,
    /// What was looked at so far.
    pub counts: Counts,
    pub ended: Option<(Timestamp, Ended)>,
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

type Last = HashMap<MerchantId, Proof>;

#[derive(Clone)]
pub struct Proofs {
    last: Arc<Mutex<Last>>,
    /// Gives places in the order of asking.
    places: Arc<Semaphore>,
}

impl Default for Proofs {
    fn default() -> Proofs {
        Proofs { last: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Proofs {
    pub fn last(&self, merchant: MerchantId) -> Option<Proof> {
        self.last.lock().get(&merchant).cloned()
    }

    /// Begins one of the caller's merchant, unless it has one that waits or is under way.
    pub fn begin(&self, right: Right<Administers>) {
        let (merchant, by) = (right.caller().merchant, right.caller().by.to_string());
        let began = right.now();
        {
            let mut last = self.last.lock();
            if last.get(&merchant).is_some_and(|proof| proof.ended.is_none()) {
                return;
            }
            let counts = Counts::default();
            last.insert(merchant, Proof { by, began, waits: true, counts, ended: None });
        }
        let proofs = self.clone();
        tokio::spawn(async move {
            let mut running = Running { proofs: proofs.clone(), merchant, began, ended: None };
            let Ok(_place) = proofs.places.acquire().await else { return };
            proofs.with(merchant, |it| it.waits = false);
            let told = proofs.clone();
            let mut progress = move |counts: &Counts| told.with(merchant, |it| it.counts = *counts);
            let ended = match right.verify(&mut progress).await {
                Ok(report) => {
                    proofs.with(merchant, |it| it.counts = report.counts);
                    looked(&report)
                }
                Err(error) => Ended::Failed(error.to_string()),
            };
            running.ended = Some((right.now(), ended));
        });
    }

    fn with(&self, merchant: MerchantId, change: impl FnOnce(&mut Proof)) {
        if let Some(proof) = self.last.lock().get_mut(&merchant) {
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

/// Says how it ended when it goes, and by that lets the merchant's next one begin; also when the look
/// is broken off by a panic.
struct Running {
    proofs: Proofs,
    merchant: MerchantId,
    began: Timestamp,
    ended: Option<(Timestamp, Ended)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let broken = || (self.began, Ended::Failed("it was broken off".to_owned()));
        let ended = self.ended.take().unwrap_or_else(broken);
        self.proofs.with(self.merchant, |proof| proof.ended = Some(ended));
    }
}
