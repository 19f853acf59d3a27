//! What waits to be paid out, one lane a provider, so that a slow provider holds up nobody else.

use std::collections::{BTreeMap, HashSet, VecDeque};

use refundry_domain::ids::{MerchantId, TransactionId};

use crate::gateways::Gateways;

/// How many hints wait in memory; what is beyond is found in the store later.
const WAITING_MOST: usize = 8_192;
/// Below this there is room again. With what is in flight it stays under one look's rows, so that
/// every look finds something new if there is anything.
const ROOM: usize = 256;

/// The lane of payouts whose provider has no gateway here any more: they are few, and each is put
/// before a person in the end.
const NOWHERE: &str = "";
const NOWHERE_MOST: usize = 16;

/// A payout to be worked on.
pub type Payout = (MerchantId, TransactionId);

pub struct Lanes {
    lanes: BTreeMap<&'static str, Lane>,
    waiting: HashSet<TransactionId>,
    /// Something was dropped: the store has more than we know of.
    overflowed: bool,
}

struct Lane {
    queue: VecDeque<Payout>,
    running: usize,
    most: usize,
}

impl Lanes {
    /// `most` at once a lane; 0 leaves it to each gateway.
    pub fn new(gateways: &Gateways, most: usize) -> Lanes {
        let lane = |usual: usize| Lane {
            queue: VecDeque::new(),
            running: 0,
            most: if most == 0 { usual } else { most },
        };
        let lanes = gateways.all().map(|gateway| (gateway.name(), lane(gateway.concurrency())));
        let lanes = lanes.chain([(NOWHERE, lane(NOWHERE_MOST))]);
        Lanes { lanes: lanes.collect(), waiting: HashSet::new(), overflowed: false }
    }

    /// Where everything belongs, when there is one lane only.
    pub fn only(&self) -> Option<&'static str> {
        let mut names = self.lanes.keys().filter(|name| **name != NOWHERE);
        let first = names.next().copied();
        first.filter(|_| names.next().is_none())
    }

    /// Lets a payout wait its turn, unless it does already.
    pub fn add(&mut self, provider: &str, payout: Payout) {
        let name = if self.lanes.contains_key(provider) { provider } else { NOWHERE };
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if self.waiting.len() >= WAITING_MOST {
            self.overflowed = true;
        } else if self.waiting.insert(payout.1) {
            lane.queue.push_back(payout);
        }
    }

    /// The next payout that may begin, with its lane.
    pub fn next(&mut self) -> Option<(&'static str, Payout)> {
        for (name, lane) in &mut self.lanes {
            if lane.running < lane.most
                && let Some(payout) = lane.queue.pop_front()
            {
                lane.running += 1;
                self.waiting.remove(&payout.1);
                return Some((name, payout));
            }
        }
        None
    }

    pub fn done(&mut self, lane: &'static str) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.running -= 1;
        }
    }

    /// Drops everything that waits: the store keeps it, and is in trouble.
    pub fn clear(&mut self) {
        self.waiting.clear();
        for lane in self.lanes.values_mut() {
            lane.queue.clear();
        }
    }

    pub fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }

    /// The store has more than was put in here.
    pub fn overflowed(&mut self) {
        self.overflowed = true;
    }

    /// Whether the store should be looked at again at once: it has more, and by now there is room.
    pub fn wants_more(&mut self) -> bool {
        let wants = self.overflowed && self.waiting.len() < ROOM;
        if wants {
            self.overflowed = false;
        }
        wants
    }
}
