//! A provider that keeps its own books and may lie, stall, break or forget.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use refundry::testing::gateways::{Attempt, Finding, Gateway};
use refundry_domain::outcome::Outcome;
use refundry_domain::policy::Abilities;

/// What it does when it is next told to pay; without a plan, it pays and says so.
#[derive(Clone, Debug)]
pub enum Act {
    /// Pays, and says this.
    PayAndSay(Outcome),
    /// Says this and does nothing.
    Say(Outcome),
    PayAndHang,
    Hang,
    Panic,
}

#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub deduplicates: bool,
    pub can_be_asked: bool,
}

pub struct Liar {
    name: &'static str,
    manners: Manners,
    plan: Mutex<VecDeque<Act>>,
    /// What it says when it is asked, before it tells the truth again.
    lies: Mutex<VecDeque<Finding>>,
    payouts: Mutex<BTreeMap<String, u32>>,
    calls: Mutex<Vec<String>>,
    asks: Mutex<Vec<String>>,
}

impl Liar {
    pub fn new(deduplicates: bool, can_be_asked: bool) -> Liar {
        Liar::called("liar", deduplicates, can_be_asked)
    }

    pub fn called(name: &'static str, deduplicates: bool, can_be_asked: bool) -> Liar {
        Liar {
            name,
            manners: Manners { deduplicates, can_be_asked },
            plan: Mutex::default(),
            lies: Mutex::default(),
            payouts: Mutex::default(),
            calls: Mutex::default(),
            asks: Mutex::default(),
        }
    }

    pub fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.plan.lock().unwrap().extend(acts);
    }

    pub fn will_say(&self, findings: impl IntoIterator<Item = Finding>) {
        self.lies.lock().unwrap().extend(findings);
    }

    /// How often money moved.
    pub fn payouts(&self) -> u32 {
        self.payouts.lock().unwrap().values().sum()
    }

    /// The keys that it was told to pay, in order.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn asks(&self) -> usize {
        self.asks.lock().unwrap().len()
    }

    fn do_pay(&self, key: &str) {
        let mut payouts = self.payouts.lock().unwrap();
        let count = payouts.entry(key.to_owned()).or_default();
        if *count == 0 || !self.manners.deduplicates {
            *count += 1;
        }
    }
}

pub fn done(attempt: &Attempt) -> Outcome {
    let reference = Some(format!("liar_{}", attempt.key));
    Outcome::Done { reference, amount: Some(attempt.amount.minor()) }
}

#[async_trait]
impl Gateway for Liar {
    fn name(&self) -> &str {
        self.name
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            methods_needing_information: vec!["bank_transfer".to_owned()],
            ..Abilities::full()
        }
    }

    fn deduplicates(&self) -> bool {
        self.manners.deduplicates
    }

    fn can_be_asked(&self) -> bool {
        self.manners.can_be_asked
    }

    async fn pay(&self, attempt: &Attempt) -> Outcome {
        self.calls.lock().unwrap().push(attempt.key.clone());
        let act = self.plan.lock().unwrap().pop_front();
        match act {
            None => {
                self.do_pay(&attempt.key);
                done(attempt)
            }
            Some(Act::PayAndSay(outcome)) => {
                self.do_pay(&attempt.key);
                outcome
            }
            Some(Act::Say(outcome)) => outcome,
            Some(Act::PayAndHang) => {
                self.do_pay(&attempt.key);
                std::future::pending().await
            }
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Panic) => panic!("the liar was told to"),
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        self.asks.lock().unwrap().push(attempt.key.clone());
        if let Some(lie) = self.lies.lock().unwrap().pop_front() {
            return lie;
        }
        if self.payouts.lock().unwrap().contains_key(&attempt.key) {
            Finding::Found(done(attempt))
        } else {
            Finding::Missing
        }
    }
}
